/** Exchanges of the agent without node:http: those that every call consists of. */
import type { Readable } from "node:stream";
import { quickAnswer } from "../../lib/http/quick-answer.ts";
import type { QuickCall } from "../../lib/http/quick-call.ts";
import { textPayload, type AgentRequest, type AgentResponse } from "./exchange.ts";

export function pathOf(url: string): string {
  const query = url.indexOf("?");
  return query === -1 ? url : url.slice(0, query);
}

/** A call as its handler sees it; the body's stream is made only where somebody reads it. */
export class QuickRequest implements AgentRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: AgentRequest["headers"];
  readonly whole: Buffer | undefined;
  readonly #call: QuickCall;

  constructor(call: QuickCall) {
    const { method, url, headers } = call.head;
    this.#call = call;
    this.method = method;
    this.path = pathOf(url);
    this.headers = headers;
    this.whole = call.whole;
  }

  get body(): Readable {
    return this.#call.body;
  }

  /** They come with chunks alone. */
  trailers(): Readonly<Record<string, string | undefined>> {
    return noTrailers;
  }

  whenGone(listener: () => void): void {
    this.#call.onGone(listener);
  }
}

const noTrailers: Readonly<Record<string, string | undefined>> = {};

export function answerQuickly(
  call: QuickCall,
  { status, headers = {}, body = "", close }: AgentResponse,
  isClosing: boolean,
): void {
  if (typeof body === "object" && "send" in body) throw new TypeError("Cannot stream an answer in the quick lane");
  const inTurn: string[] = [];
  for (const name in headers) inTurn.push(name, headers[name] ?? "");
  const { chunks, bytes } = typeof body === "string" ? textPayload(body) : body;
  inTurn.push("Content-Length", String(bytes));
  const isLast = close === true || isClosing || call.isLast;
  call.answer(quickAnswer({ status, headers: inTurn, chunks, bytes, isLast }), isLast);
}
