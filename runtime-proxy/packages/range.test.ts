import assert from "node:assert/strict";
import { decideRange, type RangeAnswer } from "./range.ts";

const part = (start: number, end: number): RangeAnswer => ({ type: "part", range: { start, end } });
const cases: Record<string, { header: string | undefined; bytes?: number; want: RangeAnswer }> = {
  "no header": { header: undefined, want: { type: "whole" } },
  "from and to": { header: "bytes=2-5", want: part(2, 5) },
  "to the end": { header: "bytes=2-", want: part(2, 9) },
  "past the end": { header: "bytes=2-99", want: part(2, 9) },
  "the last bytes": { header: "bytes=-3", want: part(7, 9) },
  "more last bytes than there are": { header: "bytes=-99", want: part(0, 9) },
  "none of the last bytes": { header: "bytes=-0", want: { type: "unsatisfiable" } },
  "behind the end": { header: "bytes=10-", want: { type: "unsatisfiable" } },
  "nothing of nothing": { header: "bytes=0-", bytes: 0, want: { type: "unsatisfiable" } },
  backwards: { header: "bytes=5-2", want: { type: "whole" } },
  "two ranges": { header: "bytes=0-1,4-5", want: { type: "whole" } },
  "another unit": { header: "lines=0-1", want: { type: "whole" } },
  "no range": { header: "bytes=-", want: { type: "whole" } },
};

describe("a Range header", () => {
  for (const [what, { header, bytes = 10, want }] of Object.entries(cases)) {
    it(`asking for ${what}`, () => assert.deepEqual(decideRange(header, bytes), want));
  }
});
