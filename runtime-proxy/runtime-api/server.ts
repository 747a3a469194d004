import type { LifecyclePort } from "../lifecycle-port.ts";
import { internalError, methodNotAllowed, notFound } from "./answers.ts";
import { postError } from "./error.ts";
import type { AgentHandler, AgentRequest, AgentResponse } from "./exchange.ts";
import { postInitError } from "./init-error.ts";
import { next } from "./next.ts";
import { postResponse } from "./response.ts";

type Endpoint = (lifecycle: LifecyclePort, request: AgentRequest, requestId: string) => Promise<AgentResponse>;

const root = "/2018-06-01";
/** What runtimes call in every invocation is below it; no answer there is a stream. */
export const RUNTIME_PATH = `${root}/runtime/`;
const invocationPath = /^\/2018-06-01\/runtime\/invocation\/([^/]+)\/(response|error)$/;

const byPath: Readonly<Record<string, { readonly method: string; readonly endpoint: Endpoint }>> = {
  [`${root}/ping`]: { method: "GET", endpoint: () => Promise.resolve({ status: 200, body: "pong" }) },
  [`${root}/runtime/invocation/next`]: { method: "GET", endpoint: next },
  [`${root}/runtime/init/error`]: { method: "POST", endpoint: postInitError },
};

/**
 * Runtime API 2018-06-01. Paths match exactly; what a runtime calls that the environment is just resetting gets a 500.
 * Source: developer guide, runtimes-api; emulator rapi/router.go.
 */
export function runtimeApi(lifecycle: () => LifecyclePort | undefined): AgentHandler {
  return async (request) => {
    const route = findRoute(request.path);
    if (route === undefined) return notFound;
    if (route.method !== request.method) return methodNotAllowed;
    const current = lifecycle();
    return current === undefined ? internalError : await route.endpoint(current, request, route.requestId);
  };
}

function findRoute(path: string): { method: string; endpoint: Endpoint; requestId: string } | undefined {
  const fixed = Object.hasOwn(byPath, path) ? byPath[path] : undefined;
  if (fixed !== undefined) return { ...fixed, requestId: "" };
  const [, requestId, call] = invocationPath.exec(path) ?? [];
  if (requestId === undefined) return undefined;
  return { method: "POST", endpoint: call === "response" ? postResponse : postError, requestId };
}
