import assert from "node:assert/strict";
import { type SeenProcess, selectOwn } from "./supervisor-reach.ts";

const supervisor = 10;

describe("a function's processes", () => {
  const cases: Record<string, { seen: SeenProcess[]; want: number[] }> = {
    "are children and their children, marked or not": {
      seen: [seen(13, 12), seen(12, 11), seen(11, supervisor), seen(20, 1)],
      want: [11, 12, 13],
    },
    "are marked ones that left their parents, and what these made": {
      seen: [seen(31, 30), seen(30, 1, true), seen(40, 1, false)],
      want: [30, 31],
    },
    "are below one that has ended and not been reaped": {
      seen: [{ ...seen(11, supervisor), isEnded: true }, seen(12, 11)],
      want: [11, 12],
    },
    "are not what cannot be told": { seen: [seen(50, 1, undefined)], want: [] },
    "are found once, though marked and below": {
      seen: [seen(12, 11, true), seen(11, supervisor, true)],
      want: [11, 12],
    },
  };
  for (const [title, { seen, want }] of Object.entries(cases)) {
    it(title, () => {
      const found = selectOwn(seen, new Set([supervisor])).map(({ pid }) => pid);
      assert.deepEqual(
        found.sort((a, b) => a - b),
        want,
      );
    });
  }
});

function seen(pid: number, parent: number, isMarked?: boolean): SeenProcess {
  return { pid, parent, isEnded: false, isStopped: false, isMarked };
}
