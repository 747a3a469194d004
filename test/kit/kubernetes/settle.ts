import { setImmediate } from "node:timers/promises";

/** Lets everything run that waits for nothing but other promises: for tests on a clock that stands still. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await setImmediate();
}
