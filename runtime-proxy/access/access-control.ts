import { hash, type KeyObject } from "node:crypto";
import type { Clock } from "../../lib/clock.ts";
import type { HttpRequest } from "../../lib/http/handler.ts";
import type { SentParts } from "../domain/canonical-request.ts";
import { missingToken, unrecognizedClient } from "../domain/credential-refusal.ts";
import { readCredentials, type SignatureClaim } from "../domain/request-credentials.ts";
import { checkClaim } from "../domain/signature-check.ts";
import { clientAddress } from "../client-address.ts";
import { AccessError } from "./access-error.ts";
import type { AccessKeys, Signer } from "./access-keys.ts";
import { anonymous, type Caller } from "./caller.ts";
import type { FunctionCredentialMint } from "./function-credentials.ts";
import type { Permission, Reviews } from "./reviews.ts";
import { SignatureProof, signingKey } from "./signature.ts";

/**
 * `required`: credentials, and they must be right. `optional`: a call without any is let in, one with some must be right. `none`: nothing is looked at, as
 * emulators have it.
 */
export const authModes = ["required", "optional", "none"] as const;
export type AuthMode = (typeof authModes)[number];

/** A caller who was let in, or will have been once the body has been seen. */
export interface Access {
  readonly caller: Caller;
  /** While false, what the caller asks for must be neither done nor answered: `confirm` comes first. */
  isProven(): boolean;
  /** Takes the body as it comes; absent where no signature speaks of it. */
  readonly update?: (chunk: Uint8Array) => void;
  /** To be called once the body has been seen whole; throws an AccessError when it is not what was signed. */
  confirm(): void;
}

/** What is to be done with a function, for the answer of a refusal. */
export interface Action extends Permission {
  readonly subresource: NonNullable<Permission["subresource"]>;
  /** E.g. `lambda:InvokeFunction`. */
  readonly action: string;
  readonly arn: string;
}

/** Who calls, and what the caller may do: every entry asks this before anything else. */
export interface AccessControl {
  /** Rejects with an AccessError; `mustBeKnown`: who shows nothing is not let in here where credentials are optional. */
  authenticate(request: HttpRequest, options?: { readonly mustBeKnown?: boolean }): Promise<Access>;
  /** Rejects with an AccessError when the caller may not, or nobody can say. */
  authorize(caller: Caller, action: Action): Promise<void>;
}

export interface AccessControlParts {
  readonly mode: AuthMode;
  readonly region: string;
  readonly keys: AccessKeys;
  readonly mint: FunctionCredentialMint;
  readonly reviews: Reviews;
  readonly clock: Clock;
  /** Default: none is. */
  readonly isTrustedProxy?: (address: string) => boolean;
}

const open: Access = { caller: anonymous, isProven: () => true, confirm: () => undefined };

/** Lets in everyone, for everything: where somebody has to be known, whatever credentials will do, as with emulators. */
export const openAccess: AccessControl = {
  authenticate(request, { mustBeKnown = false } = {}) {
    const showsNothing = mustBeKnown && readCredentials(toSentParts(request), sha256Base64).kind === "none";
    return showsNothing ? Promise.reject(AccessError.of(missingToken)) : Promise.resolve(open);
  },
  authorize: () => Promise.resolve(),
};

export function createAccessControl(parts: AccessControlParts): AccessControl {
  if (parts.mode === "none") return openAccess;
  const { isTrustedProxy = () => false } = parts;
  const signingKeys = new SigningKeys();
  return {
    async authenticate(request, { mustBeKnown = false } = {}) {
      const sent = toSentParts(request);
      const credentials = readCredentials(sent, sha256Base64);
      switch (credentials.kind) {
        case "refused":
          throw AccessError.of(credentials.refusal);
        case "none":
          if (parts.mode === "optional" && !mustBeKnown) return open;
          throw AccessError.of(missingToken);
        case "bearer":
          return { ...open, caller: await whoHas(parts, credentials.token, clientAddress(request, isTrustedProxy)) };
        case "signature":
          return checkSignature(parts, signingKeys, { sent, claim: credentials.claim });
      }
    },
    async authorize(caller, { action, arn, ...permission }) {
      if (caller === anonymous || (await parts.reviews.isAllowed(caller, permission))) return;
      throw denied(caller, action, arn);
    },
  };
}

async function whoHas({ reviews }: AccessControlParts, token: string, address: string): Promise<Caller> {
  return await reviews.whoHas(token, address === "" ? {} : { address });
}

/** In AWS's words; whether the function exists is not told. Source: awslabs/aws-deployment-framework#460. */
function denied({ userName }: Caller, action: string, arn: string): AccessError {
  const message = `User: ${userName} is not authorized to perform: ${action} on resource: ${arn} because no role-based access control rule allows the ${action} action`;
  return new AccessError("AccessDeniedException", message);
}

interface Signed {
  readonly sent: SentParts;
  readonly claim: SignatureClaim;
}

function checkSignature(parts: AccessControlParts, keys: SigningKeys, { sent, claim }: Signed): Access {
  const refusal = checkClaim(claim, parts.region, parts.clock.nowMs());
  if (refusal !== undefined) throw AccessError.of(refusal);
  const signer = findSigner(parts, claim);
  const proof = new SignatureProof(sent, claim, keys.of(claim, signer));
  return {
    caller: signer.caller,
    isProven: () => proof.isProven,
    update: (chunk) => proof.update(chunk),
    confirm: () => proof.confirm(),
  };
}

function findSigner({ keys, mint }: AccessControlParts, { accessKeyId, sessionToken }: SignatureClaim): Signer {
  if (sessionToken !== undefined) return mint.check(accessKeyId, sessionToken);
  const signer = keys.find(accessKeyId);
  if (signer === undefined) throw AccessError.of(unrecognizedClient);
  return signer;
}

/** A day's keys, remembered: each costs four HMACs. */
class SigningKeys {
  static readonly #most = 5000;
  readonly #keys = new Map<string, { readonly secret: string; readonly date: string; readonly key: KeyObject }>();

  of({ accessKeyId, scope }: SignatureClaim, { secretAccessKey: secret }: Signer): KeyObject {
    const known = this.#keys.get(accessKeyId);
    if (known?.secret === secret && known.date === scope.date) return known.key;
    const key = signingKey(secret, scope);
    if (this.#keys.size >= SigningKeys.#most) this.#keys.clear();
    this.#keys.set(accessKeyId, { secret, date: scope.date, key });
    return key;
  }
}

function toSentParts({ method, path, query, headers, sent }: HttpRequest): SentParts {
  return {
    method,
    path,
    query: sent?.query ?? query.toString(),
    headers: sent?.headers ?? Object.entries(headers).flatMap(([name, value]) => [name, value ?? ""]),
  };
}

function sha256Base64(text: string): string {
  return hash("sha256", text, "base64");
}
