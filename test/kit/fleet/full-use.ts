/** As many calls at once as the limits allow: a slot that was never given back shows in a call that does not run. */
import { sleep, systemClock } from "../../../lib/clock.ts";
import { roomMissing } from "./fleet-judge.ts";
import type { LoadCall } from "./fleet-load.ts";
import type { FleetRouters } from "./fleet-routers.ts";
import { monotonicMs } from "./run-record.ts";

export interface FullUseOptions {
  /** Calls of each function; together they are all that may run. */
  readonly counts: Readonly<Record<string, number>>;
  /** Of one run: long against what it takes to begin them all. */
  readonly runMs: number;
  /** Where something was lost, what is counted for it needs its time. */
  readonly withinMs: number;
}

const pauseMs = 100;
let tries = 0;

/** Tries until all have run at once, and returns all calls of all tries. */
export async function untilFullUse(fleet: FleetRouters, options: FullUseOptions): Promise<readonly LoadCall[]> {
  const { runMs, withinMs } = options;
  const untilMs = monotonicMs() + withinMs;
  const calls: LoadCall[] = [];
  for (;;) {
    const tried = await callAll(fleet, options);
    calls.push(...tried);
    const missing = roomMissing(tried, runMs);
    if (missing === undefined) return calls;
    if (monotonicMs() > untilMs)
      throw new Error(`Cannot use all that the limits allow within ${withinMs} ms: ${missing}`);
    await sleep(systemClock, pauseMs);
  }
}

async function callAll(fleet: FleetRouters, { counts, runMs }: FullUseOptions): Promise<readonly LoadCall[]> {
  tries += 1;
  const names = Object.entries(counts).flatMap(([name, count]) => Array<string>(count).fill(name));
  const routers = [...fleet.routers];
  return await Promise.all(
    names.map(async (name, place) => {
      // Every try from another one on: whoever takes a call has to find the room.
      const router = routers[(tries + place) % routers.length];
      const id = `full-${tries}-${place}`;
      const beganMs = monotonicMs();
      const answer = await fleet.invoke(router, name, { ms: runMs, id }).catch(() => undefined);
      const call = { id, name, router: router?.podUid ?? "", beganMs, endedMs: monotonicMs() };
      return { ...call, ...(answer !== undefined && { answer }) };
    }),
  );
}
