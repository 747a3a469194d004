import assert from "node:assert/strict";
import fc from "fast-check";
import { ChurningMap } from "./churning-map.ts";

describe("ChurningMap", () => {
  it("says what a Map says, whatever comes and goes", () => {
    const key = fc.integer({ min: 0, max: 2 ** 31 });
    const few = fc.integer({ min: 0, max: 20 });
    const step = fc.record({
      kind: fc.constantFrom("set", "take", "takeAll"),
      key: fc.oneof(few, key),
      value: fc.string(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const [map, model] = [new ChurningMap<string>(), new Map<number, string>()];
        for (const { kind, key, value } of steps) {
          if (kind === "set") {
            map.set(key, value);
            model.set(key, value);
          } else if (kind === "take") {
            assert.equal(map.take(key), model.get(key));
            model.delete(key);
          } else {
            assert.deepEqual(map.takeAll().toSorted(), [...model.values()].toSorted());
            model.clear();
          }
          assert.equal(map.size, model.size);
          assert.equal(map.get(key), model.get(key));
        }
        assert.deepEqual(
          map.values(),
          [...model].toSorted(([a], [b]) => a - b).map(([, value]) => value),
        );
      }),
    );
  });
});
