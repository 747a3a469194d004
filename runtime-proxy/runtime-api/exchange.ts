/** One HTTP exchange of the agent, apart from node:http: bodies stay the chunks that arrived, since a copy would double the largest payloads. */
import type { Readable } from "node:stream";
import type { Payload } from "../domain/payload.ts";

export type { Payload } from "../domain/payload.ts";

export interface AgentRequest {
  readonly method: string;
  /** As sent, without the query. */
  readonly path: string;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Readable;
  /** All of the body, where it came in one piece with the rest: then `body` need not be read. */
  readonly whole?: Buffer | undefined;
  /** Trailers, complete once the body has ended. */
  trailers(): Readonly<Record<string, string | undefined>>;
  /** Calls when the client goes away before the answer is complete, at once when it has gone. One listener. */
  whenGone(call: () => void): void;
}

export interface AgentResponse {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Payload | StreamedBody;
  /** Closes the connection after the answer. */
  readonly close?: boolean;
}

/** A body that comes as it is made; never copied, never held beyond what its receiver's socket holds. */
export interface StreamedBody {
  /** Names of the trailers that may come. */
  readonly trailerNames: readonly string[];
  /** Settles with the trailers once everything has been written. */
  readonly send: (to: ChunkSink) => Promise<Readonly<Record<string, string>>>;
}

export interface ChunkSink {
  /** Settles when more is wanted; at once when the receiver is gone. */
  readonly write: (chunk: Uint8Array) => Promise<void>;
}

export type AgentHandler = (request: AgentRequest) => Promise<AgentResponse>;

export function textPayload(text: string): Payload {
  const bytes = Buffer.from(text);
  return { chunks: [bytes], bytes: bytes.length };
}

/** The header's value when it was sent once and is not empty. */
export function headerOf(request: AgentRequest, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === "string" && value !== "" ? value : undefined;
}
