/** One request of node:http as a plain request, and its plain response on the wire. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import type { HttpHandler, HttpRequest, HttpResponse, SentRequest } from "./handler.ts";
import { limitStall } from "./stalled-client.ts";

export interface AnswerOptions {
  readonly handler: HttpHandler;
  /** Answers what the handler threw; the thrown thing goes to the log, not to the client. */
  readonly onError: (error: unknown, request: HttpRequest) => HttpResponse;
  /** Whether answers end their connections. */
  readonly isDraining: () => boolean;
  /** Longest time for which a client may take nothing of an answer that is written. */
  readonly answerStallMs: number;
}

/** Answers one request; never rejects. */
export async function answerRequest(options: AnswerOptions, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const request = new ServedRequest(req, res);
  try {
    await send(options, await options.handler(request), req, res);
  } catch (error) {
    if (res.headersSent || res.destroyed) res.destroy();
    else await send(options, options.onError(error, request), req, res).catch(() => res.destroy());
  }
}

/** What few handlers look at is made when it is asked for. */
class ServedRequest implements HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly body: IncomingMessage;
  readonly sent: SentRequest;
  readonly #rawQuery: string;
  #query: URLSearchParams | undefined;
  readonly #res: ServerResponse;
  readonly #gone: () => AbortSignal;

  constructor(req: IncomingMessage, res: ServerResponse) {
    const url = req.url ?? "/";
    const mark = url.indexOf("?");
    this.method = req.method ?? "GET";
    this.path = mark < 0 ? url : url.slice(0, mark);
    this.#rawQuery = mark < 0 ? "" : url.slice(mark + 1);
    this.body = req;
    this.sent = new Sent(req, this.#rawQuery);
    this.#res = res;
    this.#gone = goneSignal(res);
  }

  get query(): URLSearchParams {
    return (this.#query ??= new URLSearchParams(this.#rawQuery));
  }

  get headers(): HttpRequest["headers"] {
    return this.body.headers as Record<string, string | undefined>;
  }

  get signal(): AbortSignal {
    return this.#gone();
  }

  whenAnswered(call: () => void): void {
    // Told also of an answer that waits behind another's when the connection ends.
    if (this.#res.closed) call();
    else this.#res.once("close", call);
  }
}

class Sent implements SentRequest {
  readonly query: string;
  readonly #req: IncomingMessage;

  constructor(req: IncomingMessage, query: string) {
    this.#req = req;
    this.query = query;
  }

  get headers(): readonly string[] {
    return this.#req.rawHeaders;
  }

  get httpVersion(): string {
    return this.#req.httpVersion;
  }

  get remoteAddress(): string {
    return this.#req.socket.remoteAddress ?? "";
  }

  get localPort(): number {
    return this.#req.socket.localPort ?? 0;
  }

  get isEncrypted(): boolean {
    return "encrypted" in this.#req.socket;
  }
}

/** Aborted once the response is closed unfinished, also when that was before somebody asked. */
function goneSignal(res: ServerResponse): () => AbortSignal {
  let gone: AbortController | undefined;
  return () => {
    if (gone !== undefined) return gone.signal;
    const controller = new AbortController();
    gone = controller;
    const look = (): void => {
      if (!res.writableFinished) controller.abort();
    };
    if (res.closed) look();
    else res.once("close", look);
    return controller.signal;
  };
}

async function send(
  { isDraining, answerStallMs }: Pick<AnswerOptions, "isDraining" | "answerStallMs">,
  response: HttpResponse,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const { status, body } = response;
  const head = headersInTurn(response);
  // A body that nobody read would be taken for the next request: say that the connection ends, and let it drain no further.
  if (!req.complete || isDraining()) head.unshift("connection", "close");
  if (body === undefined || typeof body === "string" || body instanceof Uint8Array) {
    if (hasBody(status)) head.push("content-length", String(body === undefined ? 0 : Buffer.byteLength(body)));
    res.writeHead(status, head);
    res.end(req.method === "HEAD" ? undefined : body);
    limitStall(res, answerStallMs);
    return;
  }
  // Not written yet: a stream that fails before its first chunk gets another answer.
  for (let at = 0; at < head.length; at += 2) res.appendHeader(head[at] ?? "", head[at + 1] ?? "");
  res.statusCode = status;
  // Before its end it is for who makes the stream to say how long it may stand still.
  body.once("end", () => limitStall(res, answerStallMs));
  await pipeline(body, res);
}

/** Names and values in turn. */
export function headersInTurn({ headers }: HttpResponse): string[] {
  const head: string[] = [];
  for (const name in headers) {
    const value = headers[name];
    if (typeof value === "string") head.push(name, value);
    else for (const each of value ?? []) head.push(name, each);
  }
  return head;
}

/** These statuses end with their headers. Source: RFC 9110, 15.3.5 and 15.4.5. */
export function hasBody(status: number): boolean {
  return status !== 204 && status !== 304;
}
