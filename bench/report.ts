import type { Comparison, Summary } from "./comparison.ts";
import type { RatioSpread } from "./statistics.ts";

/** The comparison as a table for people: ratios first, the medians that they come from below. */
export function formatReport({ title, subject, metrics, rounds, notes }: Comparison, summary: Summary): string {
  const heading = ["", ...metrics];
  const ratios = summary.ratios.map(({ baseline, ratios: byMetric }) => [
    `${subject} ÷ ${baseline}`,
    ...metrics.map((metric) => formatRatio(byMetric[metric])),
  ]);
  const medians = summary.systems.map(({ system, medians: byMetric }) => [
    system,
    ...metrics.map((metric) => formatNumber(byMetric[metric])),
  ]);
  return [
    `${title}: ${rounds.length} rounds; ratio (95 % of resampled ratios), then medians`,
    ...align([heading, ...ratios, ...medians]),
    ...notes.map((note) => `  · ${note}`),
  ].join("\n");
}

function formatRatio(spread: RatioSpread | undefined): string {
  if (spread === undefined) return "–";
  return `${formatNumber(spread.ratio)}× (${formatNumber(spread.low)}–${formatNumber(spread.high)})`;
}

/** Three significant digits, never an exponent. */
function formatNumber(value: number | undefined): string {
  if (value === undefined) return "–";
  const decimals = value === 0 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(decimals, 4));
}

function align(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  return rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join("  "),
  );
}
