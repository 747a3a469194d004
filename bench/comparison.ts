import { median, ratioSpread, type RatioSpread } from "./statistics.ts";

/** Metric → value, of one system in one round. */
export type Reading = Readonly<Record<string, number>>;

/** What one scenario measured, all systems in every round: plain data, kept as it is beside the table. */
export interface Comparison {
  readonly title: string;
  /** The system of which ratios tell. */
  readonly subject: string;
  readonly baselines: readonly string[];
  /** In the order in which they are shown; names carry their unit. */
  readonly metrics: readonly string[];
  /** System → reading. */
  readonly rounds: readonly Readonly<Record<string, Reading>>[];
  /** What the reader has to know to read the figures. */
  readonly notes: readonly string[];
}

export interface SystemSummary {
  readonly system: string;
  /** Metric → median of the rounds; a metric that the system does not have is absent. */
  readonly medians: Reading;
}

export interface RatioSummary {
  readonly baseline: string;
  readonly ratios: Readonly<Record<string, RatioSpread>>;
}

export interface Summary {
  readonly systems: readonly SystemSummary[];
  readonly ratios: readonly RatioSummary[];
}

/** Medians of every system and ratios of the subject to each baseline, of the metrics that both have in every round. */
export function summarize(comparison: Comparison, draw: () => number): Summary {
  const { subject, baselines } = comparison;
  return {
    systems: [subject, ...baselines].map((system) => ({ system, medians: mediansOf(comparison, system) })),
    ratios: baselines.map((baseline) => ({ baseline, ratios: ratiosTo(comparison, baseline, draw) })),
  };
}

function mediansOf({ metrics, rounds }: Comparison, system: string): Reading {
  const medians = metrics.flatMap((metric) => {
    const values = rounds.flatMap((round) => round[system]?.[metric] ?? []);
    return values.length === 0 ? [] : [[metric, median(values)] as const];
  });
  return Object.fromEntries(medians);
}

function ratiosTo(
  { metrics, rounds, subject }: Comparison,
  baseline: string,
  draw: () => number,
): Record<string, RatioSpread> {
  const ratios = metrics.flatMap((metric) => {
    const pairs = rounds.flatMap((round) => {
      const [ours, theirs] = [round[subject]?.[metric], round[baseline]?.[metric]];
      return ours === undefined || theirs === undefined ? [] : [{ subject: ours, baseline: theirs }];
    });
    return pairs.length < rounds.length ? [] : [[metric, ratioSpread(pairs, { draw })] as const];
  });
  return Object.fromEntries(ratios);
}
