import type { LifecyclePort } from "../lifecycle-port.ts";
import { internalError, methodNotAllowed, notFound } from "../runtime-api/answers.ts";
import type { AgentHandler, AgentRequest, AgentResponse } from "../runtime-api/exchange.ts";
import { next } from "./next.ts";
import { register, type FunctionIdentity } from "./register.ts";
import { postExitError, postInitError } from "./report-error.ts";

type Endpoint = (lifecycle: LifecyclePort, request: AgentRequest, parts: ExtensionsApiParts) => Promise<AgentResponse>;

export interface ExtensionsApiParts {
  readonly lifecycle: () => LifecyclePort | undefined;
  readonly identity: FunctionIdentity;
  readonly newId: () => string;
}

const root = "/2020-01-01/extension";
const byPath: Readonly<Record<string, { readonly method: string; readonly endpoint: Endpoint }>> = {
  [`${root}/register`]: { method: "POST", endpoint: register },
  [`${root}/event/next`]: { method: "GET", endpoint: next },
  [`${root}/init/error`]: { method: "POST", endpoint: postInitError },
  [`${root}/exit/error`]: { method: "POST", endpoint: postExitError },
};

/** Extensions API 2020-01-01. Source: developer guide, runtimes-extensions-api; emulator rapi/router.go. */
export function extensionsApi(parts: ExtensionsApiParts): AgentHandler {
  return async (request) => {
    const route = Object.hasOwn(byPath, request.path) ? byPath[request.path] : undefined;
    if (route === undefined) return notFound;
    if (route.method !== request.method) return methodNotAllowed;
    const lifecycle = parts.lifecycle();
    return lifecycle === undefined ? internalError : await route.endpoint(lifecycle, request, parts);
  };
}
