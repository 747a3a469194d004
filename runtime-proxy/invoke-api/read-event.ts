import { isUtf8 } from "node:buffer";
import type { Readable } from "node:stream";
import type { Clock } from "../../lib/clock.ts";
import type { HttpRequest } from "../../lib/http/handler.ts";
import type { Access } from "../access/access-control.ts";
import { JsonCheck } from "../domain/json-check.ts";
import { InvokeError } from "./errors.ts";

/** Largest event of a synchronous call, in bytes. Source: Lambda quotas, 6 MB. */
export const EVENT_LIMIT_BYTES = 6_291_456;

/** What an empty body stands for. */
const emptyEvent = Buffer.from("{}");
/** Most that is read and thrown away so that a client which is still sending gets to see the refusal. */
const mostDiscardedBytes = 32 * 1024 * 1024;
const longestDiscardMs = 5000;

/** The content length that the client announced: undefined when it sends in chunks. */
export function announcedBytes(request: HttpRequest): number | undefined {
  const header = request.headers["content-length"];
  if (header !== undefined) return Number(header);
  return request.headers["transfer-encoding"] === undefined ? 0 : undefined;
}

export function tooLarge(): InvokeError {
  const message = `Request must be smaller than ${EVENT_LIMIT_BYTES} bytes for the InvokeFunction operation`;
  return new InvokeError("RequestTooLargeException", message);
}

/** A request's body, all of it at hand or still to come. */
export type BodySource = Pick<HttpRequest, "body" | "whole">;

/** Reads the event whole and checks it piece by piece as it arrives, so that a large one never holds up other calls. */
export async function readEvent(source: BodySource, limits: ReadLimits): Promise<Buffer> {
  const check = new JsonCheck();
  const event = await readWhole(source, limits, (chunk) => check.push(chunk));
  if (event.length === 0) return emptyEvent;
  const verdict = check.end();
  if (!verdict.ok) throw notJson(verdict.message);
  if (!isUtf8(event)) throw notJson("Invalid UTF-8");
  return event;
}

/** Reads a body whole, to the bound of an event. */
export async function readWhole(
  source: BodySource,
  limits: ReadLimits,
  onChunk: (chunk: Buffer) => void = () => undefined,
): Promise<Buffer> {
  const chunks = await readChunks(source, limits, onChunk);
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
}

/** The same in the pieces in which it came. */
export async function readChunks(
  source: BodySource,
  limits: ReadLimits,
  onChunk: (chunk: Buffer) => void = () => undefined,
): Promise<readonly Buffer[]> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const take = (chunk: Buffer): void => {
    bytes += chunk.length;
    if (bytes > EVENT_LIMIT_BYTES) throw tooLarge();
    limits.access?.update?.(chunk);
    onChunk(chunk);
    chunks.push(chunk);
  };
  if (source.whole === undefined) await readAll(source.body, limits, take);
  else take(source.whole);
  limits.access?.confirm();
  return chunks;
}

function notJson(problem: string): InvokeError {
  const prefix = "Could not parse request body into json: Could not parse payload into json: ";
  return new InvokeError("InvalidRequestContentException", prefix + problem);
}

export interface ReadLimits {
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** The caller's signature may speak of the body: it sees all of it, and has the first word on it. */
  readonly access?: Pick<Access, "update" | "confirm">;
}

/** Calls with every chunk; rejects with what the call throws, with the stream's error, or when it takes too long. */
function readAll(body: Readable, { timeoutMs, clock }: ReadLimits, onChunk: (chunk: Buffer) => void): Promise<void> {
  // The client has gone while its call waited: nothing will tell of it again.
  if (body.destroyed && !body.readableEnded) return Promise.reject(new ClientGoneError());
  return new Promise((resolve, reject) => {
    const finish = (error?: Error): void => {
      cancel();
      body.off("data", onData).off("end", onEnd).off("close", onClose);
      body.pause();
      if (error === undefined) resolve();
      else reject(error);
    };
    const onData = (chunk: Buffer): void => {
      try {
        onChunk(chunk);
      } catch (error) {
        finish(error instanceof Error ? error : new Error(String(error)));
      }
    };
    const onEnd = (): void => finish();
    const onError = (error: Error): void => finish(new ClientGoneError(error));
    const onClose = (): void => finish(new ClientGoneError());
    const cancel = clock.schedule(timeoutMs, () => finish(timedOut(timeoutMs)));
    // The error listener stays: a connection may also break later, while the body is thrown away.
    body.on("data", onData).on("end", onEnd).on("error", onError).on("close", onClose);
    body.resume();
  });
}

function timedOut(timeoutMs: number): InvokeError {
  return new InvokeError(
    "RequestTimeoutException",
    `Cannot read the request: no end of its body within ${timeoutMs} ms`,
  );
}

/** The client went away before its request was complete: there is nobody to answer. */
export class ClientGoneError extends Error {
  override readonly name = "ClientGoneError";
  constructor(cause?: unknown) {
    super("Cannot read the request: the client went away", { cause });
  }
}

/** Reads on, to a bound, what a refused client is still sending: cut off in the middle it would never see the answer. */
export async function discardRest(source: BodySource, clock: Clock): Promise<void> {
  if (source.whole !== undefined) return;
  const { body } = source;
  if (body.readableEnded || body.destroyed) return;
  let bytes = 0;
  await readAll(body, { timeoutMs: longestDiscardMs, clock }, (chunk) => {
    bytes += chunk.length;
    if (bytes > mostDiscardedBytes) throw tooLarge();
  }).catch(() => undefined);
}
