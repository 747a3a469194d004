import { Readable } from "node:stream";
import { invocationAnswerHeaders, streamTrailers } from "../../crds/wire/environment.ts";
import type { AnswerFields } from "../../lib/http/answer-reader.ts";
import type { ExchangeControl, ExchangeHandler } from "./agent-connection.ts";
import { AnswerCollector, type AgentOutcome, type AnswerHeaders, type AnswerKeeping } from "./answer-collector.ts";

/** How a streamed payload came to its end. */
export type StreamEnd =
  | { readonly kind: "ended"; readonly trailers: StreamTrailers }
  /** The connection broke, or its bytes made no sense: what has run is unknown. */
  | { readonly kind: "lost"; readonly error: Error };

/** As in `streamTrailers`, each as it came. */
export type StreamTrailers = Readonly<Partial<Record<keyof typeof streamTrailers, string>>>;

/** A payload that comes while the function runs. */
export interface StreamedAnswer {
  readonly kind: "streaming";
  readonly headers: AnswerHeaders;
  /** The payload's bytes. Who does not read on holds up the function. Ends, and never fails, when the agent's answer does. */
  readonly body: Readable;
  /** Settles when the agent's answer has come to its end, read or discarded; the environment is in use until then. */
  readonly ended: Promise<StreamEnd>;
  /** Of the payload, as far as it has come. */
  readonly bytes: number;
  /** Lets the function run to its end without anybody who listens. */
  discard(): void;
}

/** Takes in one answer, whole or as it comes, as the agent decides, and says, exactly once, how the call went until then. */
export class AnswerStreamer implements ExchangeHandler {
  readonly #collector: AnswerCollector;
  readonly #resolve: (outcome: AgentOutcome | StreamedAnswer) => void;
  #stream: PayloadStream | undefined;

  constructor(keeping: AnswerKeeping, resolve: (outcome: AgentOutcome | StreamedAnswer) => void) {
    this.#resolve = resolve;
    this.#collector = new AnswerCollector(keeping, resolve);
  }

  onSent(): void {
    this.#collector.onSent();
  }

  onHead(control: ExchangeControl, status: number, headers: AnswerFields): void {
    if (status !== 200 || headers[invocationAnswerHeaders.responseMode] !== "streaming") {
      this.#collector.onHead(control, status, headers);
      return;
    }
    this.#stream = new PayloadStream(control, headers);
    this.#resolve(this.#stream);
  }

  onData(control: ExchangeControl, chunk: Buffer): void {
    if (this.#stream === undefined) this.#collector.onData(control, chunk);
    else this.#stream.take(chunk);
  }

  onEnd(trailers: AnswerFields): void {
    if (this.#stream === undefined) this.#collector.onEnd();
    else this.#stream.end(toStreamEnd(trailers));
  }

  onError(error: Error): void {
    if (this.#stream === undefined) this.#collector.onError(error);
    else this.#stream.end({ kind: "lost", error });
  }
}

class PayloadStream implements StreamedAnswer {
  readonly kind = "streaming";
  readonly headers: AnswerHeaders;
  readonly body: Readable;
  readonly ended: Promise<StreamEnd>;
  readonly #control: ExchangeControl;
  readonly #settle: (end: StreamEnd) => void;
  #isDiscarded = false;
  /** The connection is another call's. */
  #hasEnded = false;
  bytes = 0;

  constructor(control: ExchangeControl, headers: AnswerHeaders) {
    this.headers = headers;
    this.#control = control;
    const { promise, resolve } = Promise.withResolvers<StreamEnd>();
    this.ended = promise;
    this.#settle = resolve;
    this.body = new Readable({ read: () => control.resume() });
  }

  take(chunk: Buffer): void {
    this.bytes += chunk.length;
    if (!this.#isDiscarded && !this.body.push(chunk)) this.#control.pause();
  }

  end(end: StreamEnd): void {
    this.#hasEnded = true;
    if (!this.#isDiscarded) this.body.push(null);
    this.#settle(end);
  }

  discard(): void {
    this.#isDiscarded = true;
    this.body.destroy();
    if (!this.#hasEnded) this.#control.resume();
  }
}

/** An answer that ends without saying how is one that was cut. */
function toStreamEnd(trailers: AnswerFields): StreamEnd {
  const told = Object.entries(streamTrailers).flatMap(([key, name]) => {
    const value = trailers[name];
    return value === undefined ? [] : [[key, value] as const];
  });
  const known: StreamTrailers = Object.fromEntries(told);
  if (known.endOfResponse !== undefined) return { kind: "ended", trailers: known };
  return {
    kind: "lost",
    error: new Error(`Cannot read the answer: it ends without "${streamTrailers.endOfResponse}"`),
  };
}
