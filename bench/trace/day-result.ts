import { quantile } from "../statistics.ts";
import type { Reading } from "../comparison.ts";

/** What a day came to. */
export interface DayResult {
  /** Until an environment took the call, one a call. */
  readonly waitsMs: readonly number[];
  /** Calls that waited for anything at all. */
  readonly coldCalls: number;
  readonly environmentMs: number;
  readonly busyMs: number;
  readonly environments: number;
}

export const dayMetrics: readonly string[] = [
  "cold %",
  "wait p99 ms",
  "wait p99.9 ms",
  "environment-seconds",
  "busy %",
  "environments made",
];

export function readDay({ waitsMs, coldCalls, environmentMs, busyMs, environments }: DayResult): Reading {
  return {
    "cold %": (100 * coldCalls) / waitsMs.length,
    "wait p99 ms": quantile(waitsMs, 0.99),
    "wait p99.9 ms": quantile(waitsMs, 0.999),
    "environment-seconds": environmentMs / 1000,
    "busy %": (100 * busyMs) / environmentMs,
    "environments made": environments,
  };
}
