import { dayMs, type TracedCall } from "./day.ts";
import type { DayResult } from "./day-result.ts";

export interface FixedKeepAlive {
  readonly keepAliveMs: number;
  /** From a call that finds no idle environment until the one that is made for it has taken it. */
  readonly coldMs: number;
}

interface Slot {
  readonly madeAtMs: number;
  freeAtMs: number;
}

/**
 * The textbook's platform, computed: a call takes the environment that came free last, else one is made for it alone and for no other call that
 * waits; each is kept for a fixed time after its last call.
 */
export function fixedKeepAlive(calls: readonly TracedCall[], { keepAliveMs, coldMs }: FixedKeepAlive): DayResult {
  const aliveByFunction = new Map<number, Slot[]>();
  const all: Slot[] = [];
  const waitsMs: number[] = [];
  for (const { functionIndex, atMs, durationMs } of calls) {
    const alive = (aliveByFunction.get(functionIndex) ?? []).filter(({ freeAtMs }) => freeAtMs + keepAliveMs > atMs);
    const idle = alive.filter(({ freeAtMs }) => freeAtMs <= atMs).sort((a, b) => b.freeAtMs - a.freeAtMs)[0];
    const slot = idle ?? { madeAtMs: atMs, freeAtMs: atMs + coldMs };
    waitsMs.push(idle === undefined ? coldMs : 0);
    slot.freeAtMs = Math.max(atMs, slot.freeAtMs) + durationMs;
    if (idle === undefined) {
      alive.push(slot);
      all.push(slot);
    }
    aliveByFunction.set(functionIndex, alive);
  }
  const goneAtMs = ({ freeAtMs }: Slot): number => Math.max(freeAtMs, Math.min(dayMs, freeAtMs + keepAliveMs));
  return {
    waitsMs,
    coldCalls: all.length,
    environments: all.length,
    environmentMs: all.reduce((sum, slot) => sum + goneAtMs(slot) - slot.madeAtMs, 0),
    busyMs: calls.reduce((sum, { durationMs }) => sum + durationMs, 0),
  };
}
