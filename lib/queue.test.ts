import assert from "node:assert/strict";
import fc from "fast-check";
import { Queue } from "./queue.ts";

describe("Queue", () => {
  it("gives out what an array would, whatever is added and taken", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -100, max: 100 }), { maxLength: 50 }), (steps) => {
        const [queue, model] = [new Queue<number>(), [] as number[]];
        let next = 0;
        for (const step of steps) {
          for (let i = 0; i < step; i += 1) {
            queue.add(next);
            model.push(next);
            next += 1;
          }
          for (let i = 0; i > step; i -= 1) assert.equal(queue.takeFirst(), model.shift());
          assert.equal(queue.size, model.length);
        }
      }),
    );
  });
});
