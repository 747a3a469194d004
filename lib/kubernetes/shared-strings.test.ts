import assert from "node:assert/strict";
import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { SharedStrings } from "./shared-strings.ts";

describe("SharedStrings", () => {
  it("changes nothing that can be seen", () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), (values) => {
        const strings = new SharedStrings({ mostCharacters: 50 });
        for (const value of values) {
          const before = JSON.stringify(value);
          assert.equal(JSON.stringify(strings.share(JSON.parse(before))), before);
        }
      }),
    );
  });

  it("takes __proto__ for a name like others", () => {
    const text = '{"__proto__":{"a":"long enough to share"},"b":"long enough to share"}';
    assert.equal(JSON.stringify(new SharedStrings().share(JSON.parse(text))), text);
  });

  it("keeps one of many equal ones", () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const text = JSON.stringify({ list: ["x".repeat(10_000)], text: "y".repeat(10_000) });
    const usedBytes = (keep: (value: unknown) => unknown): number => {
      collect();
      const before = getHeapStatistics().used_heap_size;
      const kept = Array.from({ length: 1000 }, () => keep(JSON.parse(text)));
      collect();
      const used = getHeapStatistics().used_heap_size - before;
      assert.equal(kept.length, 1000);
      return used;
    };
    const strings = new SharedStrings();
    const [own, together] = [usedBytes((value) => value), usedBytes((value) => strings.share(value))];
    assert.ok(together < own / 10, `${together} of ${own} bytes`);
  });
});
