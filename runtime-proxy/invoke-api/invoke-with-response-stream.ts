import { Readable } from "node:stream";
import { invocationAnswerHeaders } from "../../crds/wire/environment.ts";
import type { Clock } from "../../lib/clock.ts";
import type { HttpRequest, HttpResponse } from "../../lib/http/handler.ts";
import type { StreamedAnswer, StreamEnd } from "../environments/streamed-answer.ts";
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
import { createServeCall, type Served, type ServeCallParts } from "./serve-call.ts";

export interface InvokeWithResponseStreamParts extends ServeCallParts {
  readonly runner: Pick<InvocationRunner, "stream">;
}

/** A client that takes nothing for so long, once the function must have ended, is one that will not. */
const longestStallMs = 30_000;

/** `POST /2021-11-15/functions/{FunctionName}/response-streaming-invocations`: the payload as it comes, as an event stream. */
export function createInvokeWithResponseStream(
  parts: InvokeWithResponseStreamParts,
): (encodedName: string, request: HttpRequest) => Promise<HttpResponse> {
  return createServeCall(parts, {
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
  const stream = new EventStream(answer, call);
  const cancel = watchClient(stream, longestRunMs(call.facts), clock);
  const result = answer.ended.then((end) => {
    cancel();
    if (end.kind === "lost") log.error("Stream broke", { requestId: call.requestId, error: end.error });
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

/** The client's side of a stream: takes from the agent only what the client takes, and lets the function run on without a client. */
class EventStream extends Readable {
  /** Times that the client has taken something. */
  taken = 0;
  readonly #answer: StreamedAnswer;

  constructor(answer: StreamedAnswer, call: AdmittedInvocation) {
    super();
    this.#answer = answer;
    let isEmpty = true;
    answer.body.on("data", (payload: Buffer) => {
      isEmpty = false;
      for (const event of encodeChunk(payload)) if (!this.push(event)) answer.body.pause();
    });
    answer.body.once("end", () => void answer.ended.then((end) => this.#complete(end, call, isEmpty)));
    answer.body.pause();
  }

  override _read(): void {
    this.taken += 1;
    this.#answer.body.resume();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#answer.discard();
    callback(error);
  }

  #complete(end: StreamEnd, call: AdmittedInvocation, isEmpty: boolean): void {
    if (this.destroyed) return;
    const completion = completionOfStream(end, call);
    if (isEmpty && completion.ErrorCode === undefined)
      for (const event of encodeChunk(Buffer.alloc(0))) this.push(event);
    this.push(encodeCompletion(completion));
    this.push(null);
  }
}

/** Cuts off a client that takes nothing any more: it would keep the environment from all others. Returns what ends the watch. */
function watchClient(stream: EventStream, afterMs: number, clock: Clock): () => void {
  let seen = -1;
  const look = (): void => {
    if (stream.taken === seen) stream.destroy(new Error(`The client has taken nothing for ${longestStallMs} ms`));
    seen = stream.taken;
    cancel = clock.schedule(longestStallMs, look);
  };
  let cancel = clock.schedule(afterMs, look);
  return () => cancel();
}
