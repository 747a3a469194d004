/** Asks the API server who someone is (TokenReview) and what someone may do (SubjectAccessReview), and remembers the answers for a time. */
import { createHash } from "node:crypto";
import { API_GROUP } from "../../crds/names.ts";
import { audiences } from "../../crds/wire/routes.ts";
import type { Clock } from "../../lib/clock.ts";
import type { KubernetesClient } from "../../lib/kubernetes/client.ts";
import type { DecisionLife } from "../domain/decision-age.ts";
import { unrecognizedClient } from "../domain/credential-refusal.ts";
import { AccessError } from "./access-error.ts";
import { namespaceOfUser, type Caller } from "./caller.ts";
import { DecisionCache, TooManyQuestionsError } from "./decision-cache.ts";

/** What may be allowed or not: `create` on a subresource of functions, or `list` on functions. */
export interface Permission {
  /** Default `create`. */
  readonly verb?: "create" | "list";
  /** `invocations`: Invoke API; `urlinvocations`: function URLs. */
  readonly subresource?: "invocations" | "urlinvocations";
  /** Absent: in all namespaces. */
  readonly namespace?: string;
  /** Name of the Function object; absent: every function there. */
  readonly name?: string;
}

/** A yes holds for 30 s, and for 5 minutes while the API server is away; a no for 10 s, since whoever is refused gets it put right. */
const yesLife: DecisionLife = { freshMs: 15_000, renewMs: 30_000, outageMs: 300_000 };
const noLife: DecisionLife = { freshMs: 10_000, renewMs: 10_000, outageMs: 10_000 };
/** Of a no with an error: it may be the authenticator's, of which nobody who is let in otherwise should hear for long. */
const doubtfulLife: DecisionLife = { freshMs: 1000, renewMs: 1000, outageMs: 1000 };
/** What the API server says where all authenticators say no, and none failed. Source: k8s.io/apiserver, authentication/request/bearertoken. */
const plainNo = "invalid bearer token";
/** Of tokens and of permissions, each: whoever floods the one leaves the other. */
const mostRemembered = 10_000;
const mostAsked = 64;
const answerMs = 5000;

interface TokenReviewAnswer {
  readonly status?: {
    readonly authenticated?: boolean;
    readonly error?: string;
    readonly audiences?: readonly string[];
    readonly user?: {
      readonly username?: string;
      readonly uid?: string;
      readonly groups?: readonly string[];
      readonly extra?: Readonly<Record<string, readonly string[]>>;
    };
  };
}

type TokenDecision = Caller | "unknown" | "doubtful";

/** What a token is shown with. */
export interface TokenSource {
  /** Of the client; absent: nobody can tell. */
  readonly address?: string;
}

export interface ReviewsOptions {
  /** Whether the cluster's own keys have signed it, without a question; absent: nobody can tell. */
  readonly isSigned?: (token: string) => Promise<boolean>;
}

export class Reviews {
  readonly #client: Pick<KubernetesClient, "raw">;
  readonly #tokens: DecisionCache<TokenDecision>;
  readonly #permissions: DecisionCache<boolean>;
  readonly #keys = new WeakMap<Caller, string>();
  readonly #isSigned: (token: string) => Promise<boolean>;

  constructor(client: Pick<KubernetesClient, "raw">, clock: Clock, { isSigned }: ReviewsOptions = {}) {
    this.#client = client;
    this.#isSigned = isSigned ?? (() => Promise.resolve(false));
    const bounds = { clock, mostRemembered, mostAsked };
    this.#tokens = new DecisionCache({ ...bounds, isYes: (decision) => typeof decision === "object", lifeOf });
    const lifeOfAnswer = (isAllowed: boolean): DecisionLife => (isAllowed ? yesLife : noLife);
    this.#permissions = new DecisionCache({ ...bounds, isYes: (isAllowed) => isAllowed, lifeOf: lifeOfAnswer });
  }

  /** Whose token it is; rejects with an AccessError when it is nobody's, or nobody can say. */
  async whoHas(token: string, source: TokenSource = {}): Promise<Caller> {
    const decision = await answered(this.#decideOn(token, source));
    if (typeof decision === "string") throw AccessError.of(unrecognizedClient);
    return decision;
  }

  /** Tokens that anybody can make up have a part of the places, and one address a part of those; who has one that the cluster has signed does not wait behind them. */
  #decideOn(token: string, { address }: TokenSource): TokenDecision | Promise<TokenDecision> {
    const key = createHash("sha256").update(token).digest("base64");
    const question = { key, ask: () => this.#reviewToken(token) };
    // A proxy's address is everybody's: who has been let in from there is none of those who flood.
    const isOfAddress = address !== undefined && !this.#tokens.wasYes(key);
    const decision = this.#tokens.get({ ...question, ...(isOfAddress && { asker: address }) });
    if (!(decision instanceof Promise)) return decision;
    return decision.catch(async (error: unknown) => {
      // Not of every token: that costs more than a refusal.
      if (!(error instanceof TooManyQuestionsError) || !(await this.#isSigned(token))) throw error;
      return await this.#tokens.get({ ...question, isTrusted: true });
    });
  }

  /** Whether the caller may; all functions of the namespace first, which most callers may: that is one question and not one for each. */
  async isAllowed(caller: Caller, permission: Permission): Promise<boolean> {
    const { name: _, ...everywhere } = permission;
    if (await this.#isAllowed(caller, everywhere)) return true;
    return permission.name !== undefined && (await this.#isAllowed(caller, permission));
  }

  #isAllowed(caller: Caller, permission: Permission): boolean | Promise<boolean> {
    const { verb = "create", subresource = "", namespace = "", name = "" } = permission;
    const asker = this.#keyOf(caller);
    const key = `${verb} ${subresource} ${namespace}/${name} ${asker}`;
    return answered(
      this.#permissions.get({ key, asker, isTrusted: true, ask: () => this.#reviewAccess(caller, permission) }),
    );
  }

  #keyOf(caller: Caller): string {
    const known = this.#keys.get(caller);
    if (known !== undefined) return known;
    const { userName, uid, groups, extra } = caller;
    const key = JSON.stringify([userName, uid, groups, extra]);
    this.#keys.set(caller, key);
    return key;
  }

  async #reviewToken(token: string): Promise<TokenDecision> {
    // Tokens for us alone, or those that the API server takes itself: a token for somebody else is none of a caller's.
    const own = audienceClaims(token).includes(audiences.lambda) ? [audiences.lambda] : undefined;
    const review = {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenReview",
      spec: { token, ...(own !== undefined && { audiences: own }) },
    };
    const path = "/apis/authentication.k8s.io/v1/tokenreviews";
    const answer = (await this.#client.raw("POST", path, review, { timeoutMs: answerMs })) as TokenReviewAnswer;
    const { authenticated, user, error = plainNo, audiences: granted = [] } = answer.status ?? {};
    if (authenticated !== true || user?.username === undefined) return error === plainNo ? "unknown" : "doubtful";
    if (own !== undefined && !granted.includes(audiences.lambda)) return "unknown";
    const { username, uid, groups = [], extra } = user;
    const namespace = namespaceOfUser(username);
    return {
      ...{ userName: username, groups, how: "token" },
      ...(uid !== undefined && { uid }),
      ...(extra !== undefined && { extra }),
      ...(namespace !== undefined && { namespace }),
    };
  }

  async #reviewAccess(caller: Caller, permission: Permission): Promise<boolean> {
    const { verb = "create", subresource, namespace, name } = permission;
    const { userName: user, groups, uid, extra } = caller;
    const review = {
      apiVersion: "authorization.k8s.io/v1",
      kind: "SubjectAccessReview",
      spec: {
        ...{ user, groups },
        ...(uid !== undefined && { uid }),
        ...(extra !== undefined && { extra }),
        resourceAttributes: {
          ...{ verb, group: API_GROUP, resource: "functions" },
          ...(subresource !== undefined && { subresource }),
          ...(namespace !== undefined && { namespace }),
          ...(name !== undefined && { name }),
        },
      },
    };
    const path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    const answer = (await this.#client.raw("POST", path, review, { timeoutMs: answerMs })) as {
      readonly status?: { readonly allowed?: boolean; readonly denied?: boolean };
    };
    return answer.status?.allowed === true && answer.status.denied !== true;
  }
}

function lifeOf(decision: TokenDecision): DecisionLife {
  if (decision === "doubtful") return doubtfulLife;
  return decision === "unknown" ? noLife : yesLife;
}

/** An answer that does not come is told as what it is: never a yes. */
function answered<T>(answer: T | Promise<T>): T | Promise<T> {
  if (!(answer instanceof Promise)) return answer;
  return answer.catch((error: unknown) => {
    if (error instanceof TooManyQuestionsError)
      throw new AccessError("TooManyRequestsException", "Rate exceeded", error);
    const message = "Cannot check the caller's credentials: the API server does not answer";
    throw new AccessError("ServiceException", message, error);
  });
}

/** The `aud` of a JWT, unproven: it picks the question, not the answer. */
function audienceClaims(token: string): readonly string[] {
  try {
    const claims = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as { aud?: unknown };
    return (Array.isArray(claims.aud) ? claims.aud : [claims.aud]).filter((one) => typeof one === "string");
  } catch {
    return [];
  }
}
