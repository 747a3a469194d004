/** Time as an argument: what runs on a clock can be tested without waiting. */
export interface Clock {
  /** Milliseconds since 1970; may jump. For what is shown or stored. */
  nowMs(): number;
  /** Milliseconds since some moment; never goes back. For measuring how long something took. */
  monotonicMs(): number;
  /** Calls once, after `delayMs` (0 to 2^31 - 1; longer is cut) at the earliest; the returned function cancels. */
  schedule(delayMs: number, call: () => void): () => void;
}

const longestTimerMs = 2 ** 31 - 1;

/** The machine's clock. Its timers keep the process alive. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  schedule: (delayMs, call) => {
    const timer = setTimeout(call, Math.min(Math.max(0, delayMs), longestTimerMs));
    return () => clearTimeout(timer);
  },
};

/** Waits; rejects with the signal's reason as soon as that is aborted. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(signal.reason as Error);
      return;
    }
    const onAbort = (): void => {
      cancel();
      reject(signal?.reason as Error);
    };
    const cancel = clock.schedule(delayMs, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
