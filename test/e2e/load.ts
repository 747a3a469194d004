import { setTimeout as delay } from "node:timers/promises";

/** One call of a steady load: what it answered or why not, and when, ms on one clock. */
export interface Call {
  readonly startedMs: number;
  readonly endedMs: number;
  readonly result?: unknown;
  readonly error?: string;
}

export interface Load {
  /** Lets what is under way end; answers with all calls in the order of their start. */
  stop(): Promise<readonly Call[]>;
  /** Resolves once `accept` has been true of so many calls (default 1) that end from now on. */
  until(accept: (call: Call) => boolean, timeoutMs: number, times?: number): Promise<void>;
}

/** Calls again and again, so many at once, at most some 50 times a second each. */
export function startLoad(atOnce: number, call: () => Promise<unknown>): Load {
  const calls: Call[] = [];
  const watchers = new Set<(call: Call) => void>();
  let isStopped = false;
  const one = async (): Promise<void> => {
    while (!isStopped) {
      const startedMs = performance.now();
      const outcome = await call().then(
        (result) => ({ result }),
        (error: unknown) => ({ error: error instanceof Error ? error.message : String(error) }),
      );
      const done: Call = { startedMs, endedMs: performance.now(), ...outcome };
      calls.push(done);
      for (const watcher of watchers) watcher(done);
      await delay(20);
    }
  };
  const workers = Array.from({ length: atOnce }, () => one());
  return {
    async stop() {
      isStopped = true;
      await Promise.all(workers);
      return calls.sort((a, b) => a.startedMs - b.startedMs);
    },
    until: (accept, timeoutMs, times = 1) =>
      new Promise((resolve, reject) => {
        let left = times;
        const watcher = (done: Call): void => {
          if (!accept(done)) return;
          left -= 1;
          if (left > 0) return;
          clearTimeout(timer);
          watchers.delete(watcher);
          resolve();
        };
        const timer = setTimeout(() => {
          watchers.delete(watcher);
          const last = JSON.stringify(calls.at(-1));
          reject(new Error(`Cannot wait longer for a call: ${timeoutMs} ms have passed, the last is ${last}`));
        }, timeoutMs);
        watchers.add(watcher);
      }),
  };
}

/** Every call that failed, as text for a message. */
export function failuresOf(calls: readonly Call[]): readonly string[] {
  return calls.flatMap(({ error, startedMs, endedMs }) =>
    error === undefined ? [] : [`after ${(endedMs - startedMs).toFixed(0)} ms: ${error}`],
  );
}
