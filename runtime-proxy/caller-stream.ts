import type { Clock } from "../lib/clock.ts";
import { sleep } from "../lib/clock.ts";
import { StreamBudget } from "./domain/stream-budget.ts";
import type { ChunkSink, StreamedBody } from "./runtime-api/exchange.ts";

/** A payload on its way from the runtime to its caller: back-pressure of the one is felt by the other. */
export class CallerStream implements StreamedBody {
  readonly trailerNames: readonly string[];
  readonly #clock: Clock;
  readonly #budget: StreamBudget;
  readonly #sink = Promise.withResolvers<ChunkSink | undefined>();
  readonly #trailers = Promise.withResolvers<Readonly<Record<string, string>>>();
  readonly #closed = new AbortController();

  /** `bytesPerSecond`: after the first 6 MiB; 0: no limit. */
  constructor(trailerNames: readonly string[], bytesPerSecond: number, clock: Clock) {
    this.trailerNames = trailerNames;
    this.#clock = clock;
    this.#budget = new StreamBudget(bytesPerSecond, clock.monotonicMs());
  }

  readonly send = async (to: ChunkSink): Promise<Readonly<Record<string, string>>> => {
    this.#sink.resolve(to);
    return await this.#trailers.promise;
  };

  /** Settles when more may come; after the end chunks are dropped. */
  async write(chunk: Uint8Array): Promise<void> {
    const waitMs = this.#budget.take(chunk.length, this.#clock.monotonicMs());
    if (waitMs > 0) await sleep(this.#clock, waitMs, this.#closed.signal).catch(() => undefined);
    const sink = await this.#sink.promise;
    if (!this.#closed.signal.aborted) await sink?.write(chunk);
  }

  close(trailers: Readonly<Record<string, string>>): void {
    this.#closed.abort();
    this.#sink.resolve(undefined);
    this.#trailers.resolve(trailers);
  }
}
