import type { Readable } from "node:stream";
import { invocationAnswerHeaders } from "../../crds/wire/environment.ts";
import type { HttpRequest, HttpResponse } from "../../lib/http/handler.ts";
import type { StreamedAnswer } from "../environments/streamed-answer.ts";
import { ClientStream, watchClient, type StreamEncoding } from "./client-stream.ts";
import { EVENT_STREAM_TYPE } from "./event-stream.ts";
import { answerHeaders } from "./invoke.ts";
import {
  completionOfAnswer,
  completionOfStream,
  encodeChunk,
  encodeCompletion,
  type Completion,
} from "./payload-events.ts";
import { longestRunMs, type AdmittedInvocation, type AgentAnswer, type InvocationRunner } from "./run-invocation.ts";
import { aboutFunction, type Served, type ServeCallParts } from "./serve-call.ts";
import { createServeCall } from "./serve-operation.ts";

export interface InvokeWithResponseStreamParts extends ServeCallParts {
  readonly runner: Pick<InvocationRunner, "stream">;
}

/** `POST /2021-11-15/functions/{FunctionName}/response-streaming-invocations`: the payload as it comes, as an event stream. */
export function createInvokeWithResponseStream(
  parts: InvokeWithResponseStreamParts,
): (encodedName: string, request: HttpRequest) => Promise<HttpResponse> {
  return createServeCall(parts, {
    operation: "InvokeWithResponseStream",
    invocationTypes: ["RequestResponse", "DryRun"],
    run: async (call) => {
      const answer = await parts.runner.stream(call);
      return answer.kind === "answered" ? wholeAnswer(answer, call) : streamedAnswer(parts, answer, call);
    },
  });
}

/** Of a function that does not stream, or that failed before its first byte. */
function wholeAnswer({ headers, body }: AgentAnswer, call: AdmittedInvocation): Served {
  const completion = completionOfAnswer(
    {
      functionError: headers[invocationAnswerHeaders.functionError],
      logResult: headers[invocationAnswerHeaders.logResult],
    },
    body,
  );
  const chunks = completion.ErrorCode === undefined ? encodeChunk(body) : [];
  const events = Buffer.concat([...chunks, encodeCompletion(completion)]);
  return { result: resultOf(completion), response: toResponse(headers, call, events) };
}

function streamedAnswer({ clock, log }: ServeCallParts, answer: StreamedAnswer, call: AdmittedInvocation): Served {
  const stream = new ClientStream(answer, eventEncoding(call));
  watchClient(stream, longestRunMs(call.facts), clock);
  const result = answer.ended.then((end) => {
    if (end.kind === "lost")
      log.error("Stream broke", { ...aboutFunction(call.facts), requestId: call.requestId, error: end.error });
    return end.kind === "lost" ? "ServiceException" : resultOf(completionOfStream(end, call));
  });
  return { result, response: toResponse(answer.headers, call, stream) };
}

function toResponse(
  headers: AgentAnswer["headers"],
  call: AdmittedInvocation,
  body: Uint8Array | Readable,
): HttpResponse {
  return { status: 200, headers: { "content-type": EVENT_STREAM_TYPE, ...answerHeaders(headers, call) }, body };
}

function resultOf({ ErrorCode }: Completion): string {
  return ErrorCode === undefined ? "ok" : "function_error";
}

/** An event for every chunk, one at least, and one for the end. */
function eventEncoding(call: AdmittedInvocation): StreamEncoding {
  let isEmpty = true;
  return {
    chunk(payload) {
      isEmpty = false;
      return encodeChunk(payload);
    },
    end(end) {
      const completion = completionOfStream(end, call);
      const chunks = isEmpty && completion.ErrorCode === undefined ? encodeChunk(Buffer.alloc(0)) : [];
      return [...chunks, encodeCompletion(completion)];
    },
  };
}
