/** How often environments of a revision failed in a row, and how long to wait before the next try. Pure. */
import type { EnvironmentFailure } from "./environment-state.ts";

export interface StartFailures {
  readonly revisionID: string;
  readonly count: number;
  /** Reason → how many of them. */
  readonly countByReason: Readonly<Record<string, number>>;
  readonly lastAtMs: number;
  readonly isSlowToMend: boolean;
  /** The first of its reason, so that the text does not change with every try. */
  readonly failure: EnvironmentFailure;
  readonly failureAtMs: number;
}

export interface NewFailure {
  readonly revisionID: string;
  readonly failure: EnvironmentFailure;
  readonly isSlowToMend: boolean;
}

const firstDelayMs = 1000;
const longestDelayMs = 300_000;
/** A quota has room again when any other pod goes, and nobody tells. */
const quotaLongestDelayMs = 10_000;
/** What crashes may be mended by the next call's luck: retried soon, first at once. */
const crashFirstDelayMs = 250;
const crashLongestDelayMs = 10_000;
/** A text is repeated for so long before a new one of the same reason takes its place. */
const textStandsMs = 60_000;

/** What fails together counts once. */
const burstMs = 500;

/** Failures in a row with one more; those of another revision do not count. */
export function addFailure(before: StartFailures | undefined, added: NewFailure, nowMs: number): StartFailures {
  const last = before?.revisionID === added.revisionID ? before : undefined;
  const isRepeated = last?.failure.reason === added.failure.reason && nowMs - last.failureAtMs < textStandsMs;
  const isBurst = last !== undefined && nowMs - last.lastAtMs < burstMs;
  const { reason } = added.failure;
  const ofReason = last?.countByReason[reason] ?? 0;
  return {
    revisionID: added.revisionID,
    count: (last?.count ?? 0) + (isBurst ? 0 : 1),
    countByReason: { ...last?.countByReason, [reason]: isBurst ? Math.max(1, ofReason) : ofReason + 1 },
    lastAtMs: nowMs,
    isSlowToMend: added.isSlowToMend,
    failure: isRepeated ? last.failure : added.failure,
    failureAtMs: isRepeated ? last.failureAtMs : nowMs,
  };
}

/** Milliseconds until the next creation of the revision; 0: now. */
export function remainingBackOffMs(failures: StartFailures | undefined, revisionID: string, nowMs: number): number {
  if (failures?.revisionID !== revisionID) return 0;
  const { count, isSlowToMend, lastAtMs, failure } = failures;
  const longestMs = failure.reason === "QuotaExceeded" ? quotaLongestDelayMs : longestDelayMs;
  const delayMs = isSlowToMend
    ? Math.min(longestMs, firstDelayMs * 2 ** (count - 1))
    : count === 1
      ? 0
      : Math.min(crashLongestDelayMs, crashFirstDelayMs * 2 ** (count - 2));
  return Math.max(0, lastAtMs + delayMs - nowMs);
}
