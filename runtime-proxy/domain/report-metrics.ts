import type { PlatformRecords } from "./platform-event.ts";

export interface MeasuredInvocation {
  /** From hand-out, or from the start of an init inside the invocation, ms. */
  readonly durationMs: number;
  readonly memorySizeMB: number;
  readonly maxMemoryUsedBytes: number;
  /** Set on a cold start only. */
  readonly initDurationMs?: number;
}

/** Metrics of `platform.report`. Billed is rounded up from the figures as printed, so that a reader can check the sum. */
export function reportMetrics(measured: MeasuredInvocation): PlatformRecords["platform.report"]["metrics"] {
  const { durationMs, memorySizeMB, maxMemoryUsedBytes, initDurationMs } = measured;
  const hundredths = Math.round(durationMs * 100) + Math.round((initDurationMs ?? 0) * 100);
  return {
    durationMs: roundMs(durationMs),
    billedDurationMs: Math.ceil(hundredths / 100),
    memorySizeMB,
    maxMemoryUsedMB: Math.ceil(maxMemoryUsedBytes / (1024 * 1024)),
    ...(initDurationMs !== undefined && { initDurationMs: roundMs(initDurationMs) }),
  };
}

/** To the microsecond. */
export function roundMs(durationMs: number): number {
  return Math.round(durationMs * 1000) / 1000;
}
