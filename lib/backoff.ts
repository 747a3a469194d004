/** How long to wait between attempts: `initialMs`, then `factor` times more each time, up to `maxMs`. */
export interface BackoffPolicy {
  readonly initialMs: number;
  readonly maxMs: number;
  readonly factor: number;
  /** The share of the delay that is drawn, 0 to 1: with 0.5 the wait is between half of the delay and all of it. */
  readonly jitter: number;
}

/** Milliseconds to wait after failure number `attempt` (from 0); `draw` is in [0, 1). Never above `maxMs`. */
export function backoffMs(policy: BackoffPolicy, attempt: number, draw: number): number {
  const delayMs = Math.min(policy.maxMs, policy.initialMs * policy.factor ** attempt);
  return delayMs * (1 - policy.jitter * draw);
}
