import { sleep, type Clock } from "../../lib/clock.ts";
import { InvokeError } from "./errors.ts";
import type { FoundFunction } from "./find-function.ts";
import { stateRefusal } from "./function-refusal.ts";

/** Who waited for `Ready` at the API server may be here before the watch has told us. */
const settleMs = 500;
const lookEveryMs = 20;

/** Looks again for a moment for what is not there, or not ready, before its caller is refused. Rejects as `find` throws. */
export async function findSettled(find: () => FoundFunction, clock: Clock): Promise<FoundFunction> {
  const untilMs = clock.monotonicMs() + settleMs;
  for (;;) {
    const isLast = clock.monotonicMs() >= untilMs;
    try {
      const found = find();
      if (isLast || stateRefusal(found.facts)?.code !== "ResourceConflictException") return found;
    } catch (error) {
      if (isLast || !(error instanceof InvokeError) || error.code !== "ResourceNotFoundException") throw error;
    }
    await sleep(clock, lookEveryMs);
  }
}
