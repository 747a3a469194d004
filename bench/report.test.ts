import assert from "node:assert/strict";
import { summarize, type Comparison } from "./comparison.ts";
import { formatReport } from "./report.ts";
import { seededRandom } from "./seeded-random.ts";

const comparison: Comparison = {
  title: "warm call",
  subject: "ours",
  baselines: ["bare", "other"],
  metrics: ["p50 ms", "of ours ms"],
  rounds: [
    { ours: { "p50 ms": 2, "of ours ms": 0.5 }, bare: { "p50 ms": 1 }, other: { "p50 ms": 400 } },
    { ours: { "p50 ms": 20, "of ours ms": 0.7 }, bare: { "p50 ms": 10 }, other: { "p50 ms": 4000 } },
  ],
  notes: ["read with care"],
};

describe("summarize", () => {
  const { systems, ratios } = summarize(comparison, seededRandom(1));

  it("pairs rounds, so that one slow round is no spread", () => {
    assert.deepEqual(ratios[0], { baseline: "bare", ratios: { "p50 ms": { ratio: 2, low: 2, high: 2 } } });
  });

  it("leaves out what a system does not have", () => {
    assert.deepEqual(systems[1], { system: "bare", medians: { "p50 ms": 5.5 } });
  });

  it("gives no ratio when a round is missing", () => {
    const [first, second] = comparison.rounds;
    const holed = { ...comparison, rounds: [first!, { ...second!, bare: {} }] };
    assert.deepEqual(summarize(holed, seededRandom(1)).ratios[0]?.ratios, {});
  });
});

describe("formatReport", () => {
  it("shows ratios with spread, then medians, aligned, then the notes", () => {
    assert.equal(
      formatReport(comparison, summarize(comparison, seededRandom(1))),
      [
        "warm call: 2 rounds; ratio (95 % of resampled ratios), then medians",
        "                               p50 ms  of ours ms",
        "ours ÷ bare         2.00× (2.00–2.00)           –",
        "ours ÷ other  0.0050× (0.0050–0.0050)           –",
        "ours                             11.0       0.600",
        "bare                             5.50           –",
        "other                            2200           –",
        "  · read with care",
      ].join("\n"),
    );
  });
});
