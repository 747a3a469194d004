import assert from "node:assert/strict";
import fc from "fast-check";
import { DeliveryQueue, platformReserveBytes, type DeliveryBudget, type Dropped } from "./delivery-queue.ts";

const bounds = { maxItems: 3, maxBytes: 1_000, heldBytes: 2_000 };
const text = (dropped: Dropped): string => `dropped ${dropped.records} ${dropped.bytes}`;

function queueOf(options: { readonly budget?: DeliveryBudget; readonly bounds?: typeof bounds } = {}): DeliveryQueue {
  return new DeliveryQueue(
    options.bounds ?? bounds,
    options.budget ?? { queues: 0, usedBytes: 0, limitBytes: 1e9 },
    text,
  );
}

/** An event of that many bytes. */
const event = (name: string, bytes: number): string => name.padEnd(bytes, ".");
const add = (queue: DeliveryQueue, name: string, bytes: number): void =>
  queue.addOutput(bytes, () => event(name, bytes));
const names = (events: readonly string[]): string[] => events.map((event) => event.replace(/\.+$/, ""));

function drain(queue: DeliveryQueue): string[] {
  const all: string[] = [];
  while (!queue.isEmpty) {
    all.push(...queue.takeBatch());
    queue.acknowledge();
  }
  return names(all);
}

describe("DeliveryQueue", () => {
  it("a batch has the oldest events, up to its items or bytes", () => {
    const queue = queueOf();
    for (const name of ["a", "b", "c", "d"]) add(queue, name, 10);
    assert.equal(queue.isFull, true);
    assert.deepEqual(names(queue.takeBatch()), ["a", "b", "c"]);
    queue.acknowledge();
    assert.equal(queue.isFull, false);
    add(queue, "e", 1_000);
    assert.equal(queue.isFull, true);
    assert.deepEqual(names(queue.takeBatch()), ["d", "e"]);
  });

  it("a batch that failed is the same again", () => {
    const queue = queueOf();
    add(queue, "a", 10);
    assert.deepEqual(names(queue.takeBatch()), ["a"]);
    assert.deepEqual(names(queue.takeBatch()), ["a"]);
    queue.acknowledge();
    assert.equal(queue.isEmpty, true);
  });

  it("what has no room is not even encoded; the gap is told where it is", () => {
    const queue = queueOf();
    for (const name of ["a", "b"]) add(queue, name, 900);
    queue.addOutput(500, () => assert.fail("encoded"));
    queue.addOutput(7, () => assert.fail("encoded after a gap, before half is free"));
    queue.takeBatch();
    queue.acknowledge();
    add(queue, "c", 5);
    assert.deepEqual(drain(queue), ["dropped 2 507", "c"]);
  });

  it("telemetry-api 18: a gap is told of even if nothing follows it", () => {
    const queue = queueOf();
    for (const name of ["a", "b", "c"]) add(queue, name, 900);
    assert.deepEqual(drain(queue), ["a", "b", "dropped 1 900"]);
  });

  it("telemetry-api 20: platform events have room that output cannot take", () => {
    const queue = queueOf();
    for (const name of ["a", "b", "c"]) add(queue, name, 900);
    queue.addPlatform("runtimeDone");
    assert.deepEqual(drain(queue), ["a", "b", "dropped 1 900", "runtimeDone"]);
  });

  it("platform events have an end of their room too", () => {
    const queue = queueOf();
    const piece = "p".repeat(10_000);
    for (let n = 0; n < 100; n += 1) queue.addPlatform(piece);
    assert.ok(queue.heldBytes <= bounds.heldBytes + platformReserveBytes);
    assert.match(drain(queue).at(-1)!, /^dropped \d+ \d+$/);
  });

  it("all queues of an environment share one budget, of which an equal share is each one's own", () => {
    const budget = { queues: 0, usedBytes: 0, limitBytes: 1_500 };
    const [one, other] = [queueOf({ budget }), queueOf({ budget })];
    add(one, "a", 1_400);
    add(other, "b", 600);
    other.addOutput(100, () => assert.fail("encoded"));
    assert.deepEqual(drain(other), ["b", "dropped 1 100"]);
    other.addOutput(900, () => assert.fail("encoded"));
    one.close();
    assert.deepEqual([budget.usedBytes, budget.queues], [0, 1]);
    add(other, "b", 900);
    assert.deepEqual(drain(other), ["dropped 1 900", "b"]);
  });

  it("a batch that is given up is a gap too", () => {
    const queue = queueOf();
    for (const name of ["a", "b", "c", "d"]) add(queue, name, 10);
    queue.takeBatch();
    queue.discard();
    assert.deepEqual(drain(queue), ["d", "dropped 3 30"]);
  });

  it("whatever happens, events stay in order, and each is delivered or counted", () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant("output" as const), bytes: fc.integer({ min: 1, max: 900 }) }),
      fc.record({ do: fc.constant("platform" as const), bytes: fc.integer({ min: 1, max: 900 }) }),
      fc.record({ do: fc.constantFrom("take" as const, "discard" as const), bytes: fc.constant(0) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const budget = { queues: 0, usedBytes: 0, limitBytes: 1_800 };
        const queue = queueOf({ budget });
        const delivered: string[] = [];
        let added = 0;
        let markersLost = 0;
        for (const { do: action, bytes } of steps) {
          if (action === "output") add(queue, String(added++), bytes);
          else if (action === "platform") queue.addPlatform(event(String(added++), bytes));
          else {
            const batch = names(queue.takeBatch());
            if (action === "take") {
              delivered.push(...batch);
              queue.acknowledge();
            } else {
              markersLost += batch.filter((name) => name.startsWith("dropped")).length;
              queue.discard();
            }
          }
          assert.ok(queue.heldBytes <= bounds.heldBytes + platformReserveBytes);
          assert.equal(budget.usedBytes, queue.heldBytes);
        }
        queue.addPlatform("end");
        delivered.push(...drain(queue));
        const numbers = delivered.filter((name) => /^\d+$/.test(name)).map(Number);
        assert.deepEqual(
          numbers,
          [...numbers].sort((a, b) => a - b),
        );
        const told = delivered.flatMap((name) => /^dropped (\d+)/.exec(name)?.[1] ?? []).map(Number);
        if (markersLost === 0) assert.equal(numbers.length + told.reduce((sum, count) => sum + count, 0), added);
        assert.equal(budget.usedBytes, 0);
      }),
      { numRuns: 2000 },
    );
  });
});
