/** A ratio with the interval in which the resampled ratios lie, 95 % of them. */
export interface RatioSpread {
  readonly ratio: number;
  readonly low: number;
  readonly high: number;
}

/** What was measured in one round, of the subject and of what it is compared with. */
export interface Pair {
  readonly subject: number;
  readonly baseline: number;
}

export interface ResampleOptions {
  /** A number in [0, 1). */
  readonly draw: () => number;
  /** Default 2,000. */
  readonly resamples?: number;
}

/** Linear between neighbours (R's type 7); `q` from 0 to 1. Throws when there is no value: a quantile of nothing is a mistake in the harness. */
export function quantile(values: Iterable<number>, q: number): number {
  const sorted = Float64Array.from(values).sort();
  const position = (sorted.length - 1) * q;
  const below = sorted[Math.floor(position)];
  const above = sorted[Math.ceil(position)];
  if (below === undefined || above === undefined) {
    throw new RangeError(`Cannot take quantile ${q} of ${sorted.length} values: want 0 to 1 of at least one`);
  }
  return below + (above - below) * (position - Math.floor(position));
}

export function median(values: Iterable<number>): number {
  return quantile(values, 0.5);
}

/**
 * Median of the rounds' ratios. Rounds are resampled whole (bootstrap), so that what slowed both sides of a round down together
 * does not widen the interval.
 */
export function ratioSpread(pairs: readonly Pair[], { draw, resamples = 2000 }: ResampleOptions): RatioSpread {
  const ratios = pairs.map(({ subject, baseline }) => subject / baseline);
  const resampled = Array.from({ length: resamples }, () => median(resample(ratios, draw)));
  return { ratio: median(ratios), low: quantile(resampled, 0.025), high: quantile(resampled, 0.975) };
}

function resample(values: readonly number[], draw: () => number): number[] {
  return values.map(() => values[Math.floor(draw() * values.length)] as number);
}
