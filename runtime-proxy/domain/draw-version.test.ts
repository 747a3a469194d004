import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "mocha";
import { drawVersion } from "./draw-version.ts";

/** Mulberry32: the same numbers for the same seed. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

function route(weight: number) {
  return { functionVersion: "1", additionalVersionWeights: { "2": weight } };
}

/** Quantile 0.999 of chi-square with one degree of freedom. */
const limit = 10.828;
const draws = 100_000;

function chiSquareOf(additional: number, expected: number): number {
  const square = (additional - expected) ** 2;
  return square / expected + square / (draws - expected);
}

describe("drawVersion", () => {
  for (const weight of [0.001, 0.1, 0.2, 0.5, 0.9]) {
    it(`versions-aliases 20: sends a share of ${weight} to the additional version, by chi-square over ${draws} draws`, () => {
      const draw = seeded(20_000 + weight * 1000);
      let additional = 0;
      for (let i = 0; i < draws; i++) if (drawVersion(route(weight), draw()) === "2") additional++;
      const chiSquare = chiSquareOf(additional, draws * weight);
      assert.ok(chiSquare < limit, `${additional} of ${draws}, chi-square ${chiSquare}`);
    });
  }

  it("versions-aliases 20: sends the same share through three routers that draw each by itself", () => {
    const routers = [1, 2, 3].map(seeded);
    const additional = Array.from({ length: draws }, (_, i) => routers[i % 3]?.() ?? 1).filter(
      (draw) => drawVersion(route(0.2), draw) === "2",
    ).length;
    const chiSquare = chiSquareOf(additional, draws * 0.2);
    assert.ok(chiSquare < limit, `${additional} of ${draws}, chi-square ${chiSquare}`);
  });

  it("versions-aliases 19: with weight 1 every call, with weight 0 none, reaches the additional version", () => {
    const draws = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(draws, (draw) => {
        assert.equal(drawVersion(route(1), draw), "2");
        assert.equal(drawVersion(route(0), draw), "1");
        assert.equal(drawVersion({ functionVersion: "$LATEST", additionalVersionWeights: {} }, draw), "$LATEST");
      }),
    );
  });

  it("answers one of the two, and the additional one exactly where the draw is below its weight", () => {
    const unit = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(unit, unit, (weight, draw) => {
        assert.equal(drawVersion(route(weight), draw), draw < weight ? "2" : "1");
      }),
    );
  });
});
