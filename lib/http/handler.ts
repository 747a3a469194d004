/** A plain request and response: what a handler sees of HTTP, whatever serves it. */
import type { Readable } from "node:stream";

export interface HttpRequest {
  readonly method: string;
  /** Path as sent, still percent-encoded, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Lower-case names; repeated ones joined by ", ". */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Reads to its end or fails when the client goes away. */
  readonly body: Readable;
  /** All of the body, where it came in one piece with the rest: then `body` need not be read. */
  readonly whole?: Buffer | undefined;
  /** Aborted when the client goes away before the answer is complete. */
  readonly signal: AbortSignal;
  /** Calls once the answer is no more in this process's memory: its client's kernel has it, or nobody takes it any more. */
  whenAnswered(call: () => void): void;
  /** What the members above leave out; absent where no socket is behind the request. */
  readonly sent?: SentRequest;
}

/** A request as it came over its connection. */
export interface SentRequest {
  /** Without its `?`. */
  readonly query: string;
  /** Names and values in turn. */
  readonly headers: readonly string[];
  /** `1.0` or `1.1`. */
  readonly httpVersion: string;
  /** IP address of the other end. */
  readonly remoteAddress: string;
  readonly localPort: number;
  readonly isEncrypted: boolean;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** A stream is sent with back-pressure; when it fails the connection is cut. */
  readonly body?: Uint8Array | string | Readable;
}

export type HttpHandler = (request: HttpRequest) => Promise<HttpResponse>;

export function jsonResponse(
  status: number,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): HttpResponse {
  return { status, headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(value) };
}
