import assert from "node:assert/strict";
import fc from "fast-check";
import { beforeEach, describe, it } from "mocha";
import { ManualClock } from "../test/kit/manual-clock.ts";
import { MemoryBudget, type MemoryRoom } from "./memory-budget.ts";

describe("memory that accounts share", () => {
  let clock: ManualClock;
  let memory: MemoryBudget;
  beforeEach(() => {
    clock = new ManualClock();
    memory = new MemoryBudget({ limitBytes: 100, maxWaiting: 4, waitMs: 1000, clock });
  });

  function now(bytes: number, account: string): MemoryRoom {
    const room = memory.take(bytes, account);
    assert.ok(!(room instanceof Promise), `${bytes} bytes of "${account}" wait`);
    return room;
  }

  function later(bytes: number, account: string): Promise<MemoryRoom | undefined> {
    const room = memory.take(bytes, account);
    assert.ok(room instanceof Promise, `${bytes} bytes of "${account}" do not wait`);
    return room;
  }

  it("takes one body however large, and the next when that is gone", async () => {
    const large = now(500, "a");
    const next = later(10, "b");
    large.release();
    assert.equal((await next)?.release(), undefined);
    assert.equal(memory.usedBytes, 0);
  });

  it("gives an account half, and what is left to others at once, also while that account's wait", async () => {
    const rooms = [1, 2, 3, 4, 5].map(() => now(10, "flood"));
    const waiting = later(10, "flood");
    const other = now(10, "quiet");
    now(10, "quiet");
    other.release();
    for (const room of rooms.slice(0, 2)) room.release();
    assert.notEqual(await waiting, undefined);
    assert.equal(memory.waiting, 0);
  });

  it("gives an account's first body whatever room there is", () => {
    now(50, "flood");
    now(45, "quiet");
  });

  it("lets nobody pass who waits for room that nobody has", async () => {
    const first = now(60, "a");
    const large = later(60, "b");
    const small = later(10, "c");
    first.release();
    assert.notEqual(await large, undefined);
    assert.notEqual(await small, undefined);
  });

  it("refuses an account more than half of the places to wait, and gives up in time", async () => {
    for (let n = 0; n < 5; n += 1) now(10, "flood");
    const waiting = [later(10, "flood"), later(10, "flood")];
    assert.equal(await later(10, "flood"), undefined);
    clock.advance(1001);
    assert.deepEqual(await Promise.all(waiting), [undefined, undefined]);
    assert.equal(memory.waiting, 0);
  });

  it("charges room to another account: at once where that has a share, else when it has one", async () => {
    const unproven = [now(20, "unproven a"), now(20, "unproven a")];
    assert.equal(unproven[0]?.chargeTo("a"), true);
    const running = now(15, "a");
    const charged = unproven[1]?.chargeTo("a");
    assert.ok(charged instanceof Promise);
    const next = later(1, "a");
    running.release();
    assert.deepEqual([await charged, memory.usedBytes, memory.waiting], [true, 41, 0]);
    (await next)?.release();
    for (const room of unproven) room.release();
    assert.equal(memory.usedBytes, 0);
  });

  it("lets who holds its room already go before those who wait for room", async () => {
    const room = now(60, "unproven a");
    const taking = [later(60, "b"), later(60, "a")];
    assert.equal(room.chargeTo("a"), true);
    room.release();
    (await taking[0])?.release();
    (await taking[1])?.release();
    assert.equal(memory.usedBytes, 0);
  });

  it("leaves room with whom it was charged to when no share comes in time", async () => {
    now(30, "a");
    const room = now(20, "unproven a");
    const more = now(20, "b");
    const charged = room.chargeTo("a");
    clock.advance(1001);
    assert.deepEqual([await charged, memory.usedBytes, memory.waiting], [false, 70, 0]);
    room.release();
    more.release();
    assert.equal(memory.usedBytes, 30);
  });

  it("never holds more than its bound but for one body, forgets nothing, and in the end serves all", () => {
    const step = fc.record({
      account: fc.constantFrom("a", "b", "c"),
      bytes: fc.integer({ min: 1, max: 120 }),
      gives: fc.boolean(),
      isUnproven: fc.boolean(),
    });
    return fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const bound = new MemoryBudget({ limitBytes: 100, maxWaiting: 100, waitMs: 1000, clock });
        const held: { room: MemoryRoom; bytes: number }[] = [];
        const asked: Promise<void>[] = [];
        for (const { account, bytes, gives, isUnproven } of steps) {
          asked.push(
            Promise.resolve(bound.take(bytes, isUnproven ? `unproven ${account}` : account)).then(async (room) => {
              if (room === undefined) return;
              assert.equal(await room.chargeTo(account), true);
              held.push({ room, bytes });
            }),
          );
          await Promise.resolve();
          if (gives) held.shift()?.room.release();
          assert.ok(bound.usedBytes <= 100 || held.length <= 1);
          assert.ok(bound.usedBytes >= held.reduce((sum, { bytes: one }) => sum + one, 0));
        }
        while (bound.usedBytes > 0) {
          await new Promise((resolve) => setImmediate(resolve));
          held.shift()?.room.release();
        }
        await Promise.all(asked);
        assert.equal(bound.waiting, 0);
      }),
      { numRuns: 200 },
    );
  });
});
