/** One call of the quick lane as a plain request, and its plain response on the wire. */
import type { Readable } from "node:stream";
import type { HttpRequest, HttpResponse, SentRequest } from "./handler.ts";
import { quickAnswer } from "./quick-answer.ts";
import type { QuickCall } from "./quick-call.ts";
import { hasBody, headersInTurn, type AnswerOptions } from "./served-request.ts";
import { rawHeaders } from "./simple-request.ts";

export interface QuickAnswerOptions extends Omit<AnswerOptions, "answerStallMs"> {
  /** How long a connection is kept for another call. */
  readonly keptSeconds: number;
}

/** Answers one call; never rejects. */
export async function answerQuickCall(options: QuickAnswerOptions, call: QuickCall): Promise<void> {
  const request = new QuickRequest(call);
  try {
    send(options, await options.handler(request), call);
  } catch (error) {
    if (call.isOver) return;
    try {
      send(options, options.onError(error, request), call);
    } catch {
      call.socket.destroy();
    }
  }
}

function send({ isDraining, keptSeconds }: QuickAnswerOptions, response: HttpResponse, call: QuickCall): void {
  const { status, body } = response;
  const headers = headersInTurn(response);
  const asked = headers.findIndex((name, at) => at % 2 === 0 && name === "connection");
  const isLast = asked >= 0 || call.isLast || isDraining();
  if (asked >= 0) headers.splice(asked, 2);
  const chunk = bytesOf(body);
  const bytes = chunk.length;
  if (hasBody(status)) headers.push("content-length", String(bytes));
  call.answer(quickAnswer({ status, headers, chunks: [chunk], bytes, isLast, keptSeconds }), isLast);
}

const noBytes = new Uint8Array();

function bytesOf(body: HttpResponse["body"]): Uint8Array {
  if (body === undefined) return noBytes;
  if (body instanceof Uint8Array) return body;
  if (typeof body === "string") return Buffer.from(body);
  throw new TypeError("Cannot answer in the quick lane: the body is a stream");
}

/** What few handlers look at is made when it is asked for. */
class QuickRequest implements HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: HttpRequest["headers"];
  readonly whole: Buffer | undefined;
  readonly sent: SentRequest;
  readonly #call: QuickCall;
  readonly #rawQuery: string;
  #query: URLSearchParams | undefined;
  #gone: AbortController | undefined;

  constructor(call: QuickCall) {
    const { method, url, headers } = call.head;
    const mark = url.indexOf("?");
    this.#call = call;
    this.method = method;
    this.path = mark < 0 ? url : url.slice(0, mark);
    this.#rawQuery = mark < 0 ? "" : url.slice(mark + 1);
    this.headers = headers;
    this.whole = call.whole;
    this.sent = new QuickSent(call, this.#rawQuery);
  }

  get query(): URLSearchParams {
    return (this.#query ??= new URLSearchParams(this.#rawQuery));
  }

  get body(): Readable {
    return this.#call.body;
  }

  get signal(): AbortSignal {
    if (this.#gone === undefined) {
      const gone = new AbortController();
      this.#gone = gone;
      this.#call.onGone(() => gone.abort());
    }
    return this.#gone.signal;
  }

  whenAnswered(call: () => void): void {
    this.#call.whenTaken(call);
  }
}

class QuickSent implements SentRequest {
  readonly httpVersion = "1.1";
  readonly query: string;
  readonly #call: QuickCall;

  constructor(call: QuickCall, query: string) {
    this.#call = call;
    this.query = query;
  }

  get headers(): readonly string[] {
    return rawHeaders(this.#call.head.lines);
  }

  get remoteAddress(): string {
    return this.#call.socket.remoteAddress ?? "";
  }

  get localPort(): number {
    return this.#call.socket.localPort ?? 0;
  }

  get isEncrypted(): boolean {
    return "encrypted" in this.#call.socket;
  }
}
