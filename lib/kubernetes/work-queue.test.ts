import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { settle } from "../../test/kit/kubernetes/settle.ts";
import { ManualClock } from "../../test/kit/manual-clock.ts";
import { type Visit, WorkQueue, type WorkQueueOptions } from "./work-queue.ts";

interface Bench {
  readonly queue: WorkQueue;
  readonly clock: ManualClock;
  readonly begun: string[];
  /** Ends the oldest visit of this key. */
  end(key: string, visit?: Visit | Error): Promise<void>;
}

const steady = { initialMs: 100, maxMs: 1000, factor: 2, jitter: 0 };

function bench(options: Partial<WorkQueueOptions> = {}): Bench {
  const clock = new ManualClock();
  const begun: string[] = [];
  const open: { readonly key: string; readonly settled: PromiseWithResolvers<Visit> }[] = [];
  const queue = new WorkQueue({
    clock,
    backoff: steady,
    work: (key) => {
      const settled = Promise.withResolvers<Visit>();
      begun.push(key);
      open.push({ key, settled });
      return settled.promise;
    },
    ...options,
  });
  const end = async (key: string, visit: Visit | Error = { next: "none" }): Promise<void> => {
    const at = open.findIndex((each) => each.key === key);
    const [found] = open.splice(at, 1);
    assert(at >= 0 && found !== undefined, `"${key}" is not visited`);
    if (visit instanceof Error) found.settled.reject(visit);
    else found.settled.resolve(visit);
    await settle();
  };
  return { queue, clock, begun, end };
}

describe("WorkQueue", () => {
  it("visits nothing before it is started, then each key once however often it was added", async () => {
    const { queue, begun } = bench();
    for (const key of ["a", "b", "a", "a"]) queue.add(key);
    assert.deepEqual([begun, queue.depth], [[], 2]);
    queue.start();
    await settle();
    assert.deepEqual([begun, queue.depth, queue.active], [["a", "b"], 0, 2]);
  });

  it("never visits one key twice at a time, and visits it again when it was added meanwhile", async () => {
    const { queue, begun, end } = bench();
    queue.start();
    queue.add("a");
    queue.add("a");
    queue.add("a");
    await settle();
    assert.deepEqual(begun, ["a"]);
    await end("a");
    assert.deepEqual(begun, ["a", "a"]);
    await end("a");
    assert.deepEqual([begun, queue.active], [["a", "a"], 0]);
  });

  it("has no more visits at a time than workers, oldest wish first", async () => {
    const { queue, begun, end } = bench({ workers: 2 });
    for (const key of ["a", "b", "c", "d"]) queue.add(key);
    queue.start();
    await settle();
    assert.deepEqual(begun, ["a", "b"]);
    await end("b");
    assert.deepEqual(begun, ["a", "b", "c"]);
  });

  it("backs off per key, up to the longest delay, and begins anew after a success", async () => {
    const { queue, clock, begun, end } = bench();
    queue.start();
    queue.add("a");
    for (const delayMs of [100, 200, 400, 800, 1000, 1000]) {
      await end("a", { next: "retry" });
      const visits = begun.length;
      clock.advance(delayMs - 1);
      assert.equal(begun.length, visits, `before ${delayMs} ms`);
      clock.advance(1);
      assert.equal(begun.length, visits + 1, `after ${delayMs} ms`);
    }
    assert.equal(queue.failuresOf("a"), 6);
    await end("a");
    assert.equal(queue.failuresOf("a"), 0);
    queue.add("a");
    await end("a", new Error("boom"));
    clock.advance(100);
    assert.equal(begun.filter((key) => key === "a").length, 9);
  });

  it("takes a thrown error for a retry, and tells of it", async () => {
    const errors: unknown[] = [];
    const { queue, clock, begun, end } = bench({ onError: (key, error) => errors.push([key, error]) });
    queue.start();
    queue.add("a");
    const boom = new Error("boom");
    await end("a", boom);
    clock.advance(100);
    assert.deepEqual([begun, errors], [["a", "a"], [["a", boom]]]);
  });

  it("waits at least as long as the server asked", async () => {
    const { queue, clock, begun, end } = bench();
    queue.start();
    queue.add("a");
    await end("a", { next: "retry", minDelayMs: 5000 });
    clock.advance(4999);
    assert.equal(begun.length, 1);
    clock.advance(1);
    assert.equal(begun.length, 2);
  });

  it("keeps the soonest of several wishes for later, and a wish for now fulfils them", async () => {
    const { queue, clock, begun, end } = bench();
    queue.start();
    queue.addAfter("a", 500);
    queue.addAfter("a", 300);
    queue.addAfter("a", 900);
    clock.advance(300);
    assert.deepEqual(begun, ["a"]);
    await end("a");
    clock.advance(10_000);
    assert.deepEqual(begun, ["a"]);
    queue.addAfter("b", 500);
    queue.add("b");
    await end("b");
    clock.advance(10_000);
    assert.deepEqual(begun, ["a", "b"]);
  });

  it("looks again after the time that a visit asks for", async () => {
    const { queue, clock, begun, end } = bench();
    queue.start();
    queue.add("a");
    await end("a", { next: "again", afterMs: 250 });
    clock.advance(249);
    assert.equal(begun.length, 1);
    clock.advance(1);
    assert.equal(begun.length, 2);
  });

  it("bounds the rate of all retries together", async () => {
    const { queue, clock, begun, end } = bench({
      workers: 100,
      retriesPerSecond: 1,
      backoff: { ...steady, initialMs: 1 },
    });
    queue.start();
    const keys = Array.from({ length: 14 }, (_, i) => `k${i}`);
    for (const key of keys) queue.add(key);
    for (const key of keys) await end(key, { next: "retry" });
    clock.advance(1);
    assert.equal(begun.length - keys.length, 10);
    clock.advance(2000);
    assert.equal(begun.length - keys.length, 12);
    clock.advance(2000);
    assert.equal(begun.length - keys.length, 14);
  });

  it("waits for the visits under way when it stops, and begins no more", async () => {
    const { queue, clock, begun, end } = bench({ workers: 1 });
    queue.start();
    for (const key of ["a", "b", "a"]) queue.add(key);
    queue.addAfter("c", 100);
    let hasStopped = false;
    const stopping = queue.stop().then(() => (hasStopped = true));
    await settle();
    assert.equal(hasStopped, false);
    await end("a", { next: "retry" });
    await stopping;
    queue.add("d");
    clock.advance(10_000);
    assert.deepEqual([begun, clock.timers], [["a"], 0]);
  });
});
