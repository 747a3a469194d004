import { setTimeout as delay } from "node:timers/promises";

export interface WaitOptions {
  /** What is waited for, as it stands in "Cannot wait longer for …". */
  readonly what: string;
  readonly timeoutMs: number;
  readonly everyMs?: number;
}

/** Asks again and again until the answer is not undefined; a probe that throws has its message in the final error. */
export async function waitUntil<T>(
  options: WaitOptions,
  probe: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  const end = performance.now() + options.timeoutMs;
  let cause: unknown;
  for (;;) {
    try {
      const answer = await probe();
      if (answer !== undefined) return answer;
      cause = undefined;
    } catch (error) {
      if (error instanceof GivenUp) throw error;
      cause = error;
    }
    if (performance.now() >= end) {
      const last = cause instanceof Error ? `: ${cause.message}` : "";
      throw new Error(`Cannot wait longer for ${options.what}: ${options.timeoutMs} ms have passed${last}`, { cause });
    }
    await delay(options.everyMs ?? 50);
  }
}

/** Thrown by a probe when waiting longer is in vain. */
export class GivenUp extends Error {
  override readonly name = "GivenUp";
}
