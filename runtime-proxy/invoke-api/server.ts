import { randomUUID } from "node:crypto";
import type { Clock } from "../../lib/clock.ts";
import type { HttpHandler, HttpRequest, HttpResponse } from "../../lib/http/handler.ts";
import { errorResponse, InvokeError } from "./errors.ts";
import { discardRest } from "./read-event.ts";

export interface InvokeApiParts {
  readonly invoke: (encodedName: string, request: HttpRequest) => Promise<HttpResponse>;
  readonly clock: Clock;
}

const invokePath = /^\/2015-03-31\/functions\/([^/]+)\/invocations$/;
const invokeAsyncPath = /^\/2014-11-13\/functions\/[^/]+\/invoke-async\/?$/;
const streamingPath = /^\/2021-11-15\/functions\/[^/]+\/response-streaming-invocations$/;

/** The Invoke API's table of contents. */
export function createInvokeApi({ invoke, clock }: InvokeApiParts): HttpHandler {
  return async (request) => {
    const { method, path } = request;
    const encodedName = invokePath.exec(path)?.[1];
    if (encodedName !== undefined && method === "POST") return await invoke(encodedName, request);
    await discardRest(request.body, clock);
    return errorResponse(refusal(method, path), randomUUID());
  };
}

/** What the other paths are answered. */
function refusal(method: string, path: string): InvokeError {
  if (method === "POST" && invokeAsyncPath.test(path)) return notServed("InvokeAsync");
  if (method === "POST" && streamingPath.test(path)) return notServed("InvokeWithResponseStream");
  const shown = path.length > 300 ? `${path.slice(0, 300)}…` : path;
  return new InvokeError("UnknownOperationException", `Cannot serve ${method} "${shown}": no such operation`);
}

function notServed(operation: string): InvokeError {
  const message = `Cannot serve ${operation}: this release serves Invoke with InvocationType 'RequestResponse' and 'DryRun'`;
  return new InvokeError("InvalidParameterValueException", message);
}
