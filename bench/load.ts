import { Client, type Dispatcher } from "undici";

export interface LoadTarget {
  /** `http://host:port`; connection i goes to the i-th of them, in turn. */
  readonly origins: readonly string[];
  readonly path: string;
  /** Besides content-type. */
  readonly headers?: Readonly<Record<string, string>>;
  /** JSON. */
  readonly body: string;
  /** What every answer has to be: another one ends the measurement. */
  readonly answer: string;
}

export interface LoadResult {
  /** Unsorted, one a call. */
  readonly latenciesMs: readonly number[];
  /** From the first request to the last answer. */
  readonly elapsedMs: number;
}

const callLimitMs = 10_000;
/** Longer than any pause between two rounds of one system. */
const keptMs = 60_000;

/** Closed loop: every connection has one call under way, and sends the next when the answer is complete. */
export class LoadGenerator {
  readonly #target: LoadTarget;
  readonly #clients: readonly Client[];

  constructor(target: LoadTarget, connections: number) {
    this.#target = target;
    this.#clients = Array.from({ length: connections }, (_, i) => {
      const origin = target.origins[i % target.origins.length];
      if (origin === undefined) throw new RangeError("Cannot generate load: no origin");
      const limits = { headersTimeout: callLimitMs, bodyTimeout: callLimitMs };
      return new Client(origin, { ...limits, allowH2: false, keepAliveTimeout: keptMs, keepAliveMaxTimeout: keptMs });
    });
  }

  /** Calls for so long; rejects with the first answer that is not the wanted one. */
  async run(durationMs: number): Promise<LoadResult> {
    const latenciesMs: number[] = [];
    const startedMs = performance.now();
    const untilMs = startedMs + durationMs;
    await Promise.all(this.#clients.map((client) => this.#loop(client, untilMs, latenciesMs)));
    return { latenciesMs, elapsedMs: performance.now() - startedMs };
  }

  /** So many calls, one after another on the first connection; rejects as run() does. */
  async calls(count: number): Promise<void> {
    const [client] = this.#clients;
    for (let i = 0; client !== undefined && i < count; i += 1) await this.#call(client);
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.destroy()));
  }

  async #loop(client: Client, untilMs: number, latenciesMs: number[]): Promise<void> {
    while (performance.now() < untilMs) {
      const sentMs = performance.now();
      await this.#call(client);
      latenciesMs.push(performance.now() - sentMs);
    }
  }

  #call(client: Client): Promise<void> {
    const { path, headers, body, answer } = this.#target;
    return new Promise((resolve, reject) => {
      const handler = new AnswerCheck(answer, (error) => {
        if (error === undefined) resolve();
        else reject(new Error(`Cannot measure POST ${path}: ${error.message}`, { cause: error }));
      });
      const all = { "content-type": "application/json", ...headers };
      client.dispatch({ method: "POST", path, body, headers: all }, handler);
    });
  }
}

class AnswerCheck implements Dispatcher.DispatchHandler {
  readonly #answer: string;
  readonly #end: (error?: Error) => void;
  #status = 0;
  #text = "";

  constructor(answer: string, end: (error?: Error) => void) {
    this.#answer = answer;
    this.#end = end;
  }

  onRequestStart(): void {
    // Nothing to do: undici wants it there.
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number): void {
    this.#status = status;
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#text += chunk.toString("latin1");
  }

  onResponseEnd(): void {
    if (this.#status === 200 && this.#text === this.#answer) this.#end();
    else this.#end(new Error(`answered ${this.#status} "${this.#text.slice(0, 500)}", right is 200 "${this.#answer}"`));
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#end(error);
  }
}
