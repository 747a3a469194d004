import { routes } from "../../crds/wire/routes.ts";
import { topNamespaceParameter, topTokenHeader, type TopAnswer } from "../../crds/wire/top.ts";
import { jsonResponse, type HttpHandler, type HttpRequest, type HttpResponse } from "../../lib/http/handler.ts";
import type { TokenVerifier } from "../../lib/http/service-account-token.ts";
import { AccessError, accessErrorStatus } from "../access/access-error.ts";
import type { Reviews } from "../access/reviews.ts";
import type { OwnTable } from "./top-peers.ts";

export interface TopServerParts {
  readonly table: (namespace: string | undefined) => Promise<TopAnswer>;
  /** Absent: nobody is asked who it is. */
  readonly access: TopAccess | undefined;
}

export interface TopAccess {
  readonly reviews: Pick<Reviews, "whoHas" | "isAllowed">;
  /** Of the audience `top`; absent: there are none. */
  readonly verifyToken: TokenVerifier | undefined;
  /** Whoever can make tokens there may see all namespaces. */
  readonly installNamespace: string;
}

/** Answers `kubelambda top`: to whoever may list a namespace's functions, what they do. */
export function createTopServer({ table, access }: TopServerParts): HttpHandler {
  return async (request) => {
    const asked = readQuestion(request);
    if (!asked.ok) return asked.response;
    const { namespace } = asked;
    try {
      const refusal = access === undefined ? undefined : await refuse(access, request, namespace);
      if (refusal !== undefined) return refusal;
    } catch (error) {
      if (!(error instanceof AccessError)) throw error;
      return jsonResponse(accessErrorStatus[error.code], { message: error.message });
    }
    return jsonResponse(200, await table(namespace));
  };
}

/** For other replicas: what this one knows itself. */
export function createTopPeerServer(
  isRouter: (authorization: string | undefined) => boolean,
  ownTable: OwnTable,
): HttpHandler {
  return async (request) => {
    if (!isRouter(request.headers["authorization"])) return jsonResponse(401, { message: "Cannot serve: no router" });
    const asked = readQuestion(request);
    if (!asked.ok) return asked.response;
    return jsonResponse(200, { functions: [...(await ownTable(asked.namespace))], silent: [] } satisfies TopAnswer);
  };
}

type Question =
  | { readonly ok: true; readonly namespace: string | undefined }
  | { readonly ok: false; readonly response: HttpResponse };

function readQuestion({ method, path, query }: HttpRequest): Question {
  if (method !== "GET" || path !== routes.top) {
    const message = `Cannot serve ${method} "${path.slice(0, 200)}": here is GET ${routes.top} alone`;
    return { ok: false, response: jsonResponse(404, { message }) };
  }
  const namespace = query.get(topNamespaceParameter) ?? undefined;
  if (namespace === undefined || /^[a-z0-9-]{1,63}$/.test(namespace)) return { ok: true, namespace };
  const message = `Cannot show namespace "${namespace.slice(0, 100)}": that is no name of one`;
  return { ok: false, response: jsonResponse(400, { message }) };
}

/** Undefined: the caller may. */
async function refuse(
  { reviews, verifyToken, installNamespace }: TopAccess,
  { headers }: HttpRequest,
  namespace: string | undefined,
): Promise<HttpResponse | undefined> {
  const token = headers[topTokenHeader];
  const where = namespace === undefined ? "in all namespaces" : `in namespace "${namespace}"`;
  if (token === undefined)
    return jsonResponse(401, { message: `Cannot show functions ${where}: no header ${topTokenHeader}` });
  // Made for this by somebody who may make tokens of the namespace, and so all that runs there.
  const made = await verifyToken?.(`Bearer ${token}`);
  if (made?.ok === true && [namespace, installNamespace].includes(made.identity.namespace)) return undefined;
  const caller = made?.ok === true ? undefined : await reviews.whoHas(token);
  const permission = { verb: "list", ...(namespace !== undefined && { namespace }) } as const;
  if (caller !== undefined && (await reviews.isAllowed(caller, permission))) return undefined;
  const who = caller === undefined ? "who made this token" : `User "${caller.userName}"`;
  return jsonResponse(403, { message: `Cannot show functions ${where}: ${who} may not list functions.kubelambda.dev` });
}
