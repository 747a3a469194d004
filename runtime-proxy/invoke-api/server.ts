import { randomUUID } from "node:crypto";
import type { Clock } from "../../lib/clock.ts";
import type { HttpHandler, HttpRequest, HttpResponse } from "../../lib/http/handler.ts";
import { errorResponse, InvokeError } from "./errors.ts";
import { discardRest } from "./read-event.ts";

type ServeOperation = (encodedName: string, request: HttpRequest) => Promise<HttpResponse>;

export interface InvokeApiParts {
  readonly invoke: ServeOperation;
  readonly invokeWithResponseStream: ServeOperation;
  readonly clock: Clock;
}

const invokePath = /^\/2015-03-31\/functions\/([^/]+)\/invocations$/;
const invokeAsyncPath = /^\/2014-11-13\/functions\/[^/]+\/invoke-async\/?$/;
const streamingPath = /^\/2021-11-15\/functions\/([^/]+)\/response-streaming-invocations$/;

/** Such calls are answered in one piece, whatever becomes of them. */
export function isInvoke(method: string, path: string): boolean {
  return method === "POST" && invokePath.test(path);
}

/** The Invoke API's table of contents. */
export function createInvokeApi({ invoke, invokeWithResponseStream, clock }: InvokeApiParts): HttpHandler {
  return async (request) => {
    const { method, path } = request;
    const invoked = method === "POST" ? invokePath.exec(path)?.[1] : undefined;
    if (invoked !== undefined) return await invoke(invoked, request);
    const streamed = method === "POST" ? streamingPath.exec(path)?.[1] : undefined;
    if (streamed !== undefined) return await invokeWithResponseStream(streamed, request);
    await discardRest(request, clock);
    return errorResponse(refusal(method, path), randomUUID());
  };
}

/** What the other paths are answered. */
function refusal(method: string, path: string): InvokeError {
  if (method === "POST" && invokeAsyncPath.test(path)) return notServed();
  const shown = path.length > 300 ? `${path.slice(0, 300)}…` : path;
  return new InvokeError("UnknownOperationException", `Cannot serve ${method} "${shown}": no such operation`);
}

function notServed(): InvokeError {
  const message =
    "Cannot serve InvokeAsync: this release serves Invoke and InvokeWithResponseStream with InvocationType 'RequestResponse' and 'DryRun'";
  return new InvokeError("InvalidParameterValueException", message);
}
