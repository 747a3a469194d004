import { Readable } from "node:stream";
import type { Clock } from "../../lib/clock.ts";
import type { StreamedAnswer, StreamEnd } from "../environments/streamed-answer.ts";

/** What a client gets of a stream. */
export interface StreamEncoding {
  chunk(payload: Buffer): readonly Uint8Array[];
  /** What follows the last chunk; an error cuts the client off, which is all that it can be told by then. */
  end(end: StreamEnd): readonly Uint8Array[] | Error;
}

/** A client that takes nothing for so long, once the function must have ended, is one that will not. */
const longestStallMs = 30_000;

/** The client's side of a stream: takes from the agent only what the client takes, and lets the function run on without a client. */
export class ClientStream extends Readable {
  /** Times that the client has taken something. */
  taken = 0;
  readonly #answer: StreamedAnswer;

  constructor(answer: StreamedAnswer, encoding: StreamEncoding) {
    super();
    this.#answer = answer;
    answer.body.on("data", (payload: Buffer) => {
      for (const piece of encoding.chunk(payload)) if (!this.push(piece)) answer.body.pause();
    });
    const onEnd = (): void => void answer.ended.then((end) => this.#complete(encoding.end(end)));
    // Who read the beginning may have read all.
    if (answer.body.readableEnded) onEnd();
    else answer.body.once("end", onEnd);
    answer.body.pause();
  }

  /** The function's end of it; the client may take what is left. */
  get ended(): Promise<unknown> {
    return this.#answer.ended;
  }

  /** Of the payload, as far as it has come. */
  get payloadBytes(): number {
    return this.#answer.bytes;
  }

  override _read(): void {
    this.taken += 1;
    this.#answer.body.resume();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#answer.discard();
    callback(error);
  }

  #complete(last: readonly Uint8Array[] | Error): void {
    if (this.destroyed) return;
    if (last instanceof Error) {
      this.destroy(last);
      return;
    }
    for (const piece of last) this.push(piece);
    this.push(null);
  }
}

/** Cuts off a client that takes nothing any more: it would keep the environment from all others, and from its end on what is left in memory. */
export function watchClient(stream: ClientStream, afterMs: number, clock: Clock): void {
  let seen = -1;
  const look = (): void => {
    if (stream.taken === seen) stream.destroy(new Error(`The client has taken nothing for ${longestStallMs} ms`));
    seen = stream.taken;
    cancel = clock.schedule(longestStallMs, look);
  };
  let cancel = clock.schedule(afterMs, look);
  stream.once("close", () => cancel());
  void stream.ended.then(() => {
    cancel();
    seen = -1;
    if (!stream.closed) look();
  });
}
