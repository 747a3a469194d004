import assert from "node:assert/strict";
import { ManualClock } from "../../test/kit/manual-clock.ts";
import type { DeliveryBudget } from "../domain/delivery-queue.ts";
import type { Delivery, Destination } from "./delivery.ts";
import { attemptLimitMs, maxRefusals, Subscriber } from "./subscriber.ts";

interface Attempt {
  readonly events: readonly string[];
  readonly signal: AbortSignal;
  readonly answer: (delivery: Delivery) => Promise<void>;
}

/** A listener that answers when the test says so. */
class HeldDestination implements Destination {
  readonly attempts: Attempt[] = [];
  isClosed = false;

  send(events: readonly string[], signal: AbortSignal): Promise<Delivery> {
    const { promise, resolve } = Promise.withResolvers<Delivery>();
    signal.addEventListener("abort", () => resolve("unreachable"));
    this.attempts.push({
      events,
      signal,
      answer: async (delivery) => {
        resolve(delivery);
        await settle();
      },
    });
    return promise;
  }

  close(): void {
    this.isClosed = true;
  }

  get last(): Attempt {
    return this.attempts.at(-1)!;
  }
}

/** Lets what waits on settled promises run. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

const buffering = { maxItems: 1_000, maxBytes: 262_144, timeoutMs: 100 };

function world(): {
  readonly clock: ManualClock;
  readonly destination: HeldDestination;
  readonly subscriber: Subscriber;
  readonly budget: DeliveryBudget;
  readonly say: (text: string) => void;
} {
  const clock = new ManualClock();
  const destination = new HeldDestination();
  const budget = { queues: 0, usedBytes: 0, limitBytes: 64 * 1024 * 1024 };
  const subscriber = new Subscriber({
    destination,
    buffering,
    budget,
    encodeDropped: ({ records }) => `dropped ${records}`,
    clock,
    draw: () => 0,
  });
  return { clock, destination, subscriber, budget, say: (text) => subscriber.addOutput(text.length, () => text) };
}

describe("Subscriber", () => {
  it("telemetry-api 16: a batch goes out when its first event is as old as was asked", async () => {
    const { clock, destination, say } = world();
    say("a");
    clock.advance(60);
    say("b");
    clock.advance(39);
    assert.equal(destination.attempts.length, 0);
    clock.advance(1);
    assert.deepEqual(destination.last.events, ["a", "b"]);
    await destination.last.answer("taken");
    assert.equal(clock.timers, 0);
  });

  it("a full batch does not wait", () => {
    const { destination, say } = world();
    for (let n = 0; n < 1_000; n += 1) say("a");
    assert.equal(destination.last.events.length, 1_000);
  });

  it("the age of what came while a batch was under way counts from when it came", async () => {
    const { clock, destination, say } = world();
    say("a");
    clock.advance(100);
    say("b");
    clock.advance(80);
    await destination.last.answer("taken");
    clock.advance(19);
    assert.equal(destination.attempts.length, 1);
    clock.advance(1);
    assert.deepEqual(destination.last.events, ["b"]);
  });

  it("telemetry-api 17: a batch is sent again until it is taken, and nothing overtakes it", async () => {
    const { clock, destination, say } = world();
    say("a");
    clock.advance(100);
    await destination.last.answer("refused");
    say("b");
    clock.advance(50);
    assert.deepEqual(destination.last.events, ["a"]);
    await destination.last.answer("unreachable");
    clock.advance(99);
    assert.equal(destination.attempts.length, 2);
    clock.advance(1);
    assert.deepEqual(destination.last.events, ["a"]);
    await destination.last.answer("taken");
    clock.advance(100);
    assert.deepEqual(destination.last.events, ["b"]);
  });

  it("while nobody listens it waits longer each time, 2 s at most", async () => {
    const { clock, destination, say } = world();
    say("a");
    clock.advance(100);
    for (const waitMs of [50, 100, 200, 400, 800, 1_600, 2_000, 2_000]) {
      const attempts = destination.attempts.length;
      await destination.last.answer("unreachable");
      clock.advance(waitMs - 1);
      assert.equal(destination.attempts.length, attempts, String(waitMs));
      clock.advance(1);
      assert.equal(destination.attempts.length, attempts + 1, String(waitMs));
    }
  });

  it("a batch that is refused again and again is given up and told of", async () => {
    const { clock, destination, say } = world();
    say("poison");
    clock.advance(100);
    say("b");
    for (let n = 0; n < maxRefusals; n += 1) {
      assert.deepEqual(destination.last.events, ["poison"]);
      await destination.last.answer("refused");
      clock.advance(2_000);
    }
    assert.deepEqual(destination.last.events, ["b", "dropped 1"]);
  });

  it("an attempt without an answer ends and is made again", async () => {
    const { clock, destination, say } = world();
    say("a");
    clock.advance(100);
    const first = destination.last;
    clock.advance(attemptLimitMs - 1);
    assert.equal(first.signal.aborted, false);
    clock.advance(1);
    assert.equal(first.signal.aborted, true);
    await settle();
    clock.advance(50);
    assert.equal(destination.attempts.length, 2);
  });

  it("telemetry-api 36: a flush sends at once and settles when all that was held is taken", async () => {
    const { destination, subscriber, say } = world();
    say("a");
    let isFlushed = false;
    const flushed = subscriber.flush(1_000).then(() => (isFlushed = true));
    assert.deepEqual(destination.last.events, ["a"]);
    say("later");
    await settle();
    assert.equal(isFlushed, false);
    await destination.last.answer("taken");
    await flushed;
    assert.equal(destination.attempts.length, 1);
  });

  it("a flush of what is under way waits for it and for what follows", async () => {
    const { clock, destination, subscriber, say } = world();
    say("a");
    clock.advance(100);
    say("b");
    const flushed = subscriber.flush(1_000);
    await destination.last.answer("taken");
    assert.deepEqual(destination.last.events, ["b"]);
    await destination.last.answer("taken");
    await flushed;
  });

  it("a flush tries once more where a retry waits, and ends in time", async () => {
    const { clock, destination, subscriber, say } = world();
    say("a");
    clock.advance(100);
    for (let n = 0; n < 3; n += 1) {
      await destination.last.answer("unreachable");
      clock.advance(2_000);
    }
    await destination.last.answer("unreachable");
    const attempts = destination.attempts.length;
    const flushed = subscriber.flush(1_000);
    assert.equal(destination.attempts.length, attempts + 1);
    clock.advance(1_000);
    await flushed;
  });

  it("a flush with nothing held is over", async () => {
    const { clock, subscriber } = world();
    await subscriber.flush(1_000);
    assert.equal(clock.timers, 0);
  });

  it("while paused nothing is sent and no attempt grows old", async () => {
    const { clock, destination, subscriber, say } = world();
    say("a");
    clock.advance(100);
    subscriber.pause();
    say("b");
    clock.advance(10 * attemptLimitMs);
    assert.equal(destination.last.signal.aborted, false);
    subscriber.resume();
    await destination.last.answer("taken");
    assert.deepEqual(destination.last.events, ["b"]);
    clock.advance(attemptLimitMs);
    assert.equal(destination.last.signal.aborted, true);
  });

  it("telemetry-api 18: a listener that never answers costs a bounded amount, and is told of what it missed", async () => {
    const { clock, destination, subscriber, budget, say } = world();
    const line = "x".repeat(1_000);
    for (let n = 0; n < 100_000; n += 1) say(line);
    assert.ok(budget.usedBytes < 3 * 1024 * 1024, String(budget.usedBytes));
    clock.advance(attemptLimitMs);
    await settle();
    const received: string[] = [];
    const flushed = subscriber.flush(60_000);
    for (let n = 0; n < 100 && !received.some((event) => event.startsWith("dropped")); n += 1) {
      received.push(...destination.last.events);
      await destination.last.answer("taken");
    }
    await flushed;
    const dropped = Number(/^dropped (\d+)$/.exec(received.at(-1)!)?.[1]);
    assert.equal(received.length - 1 + dropped, 100_000);
  });

  it("when stopped it lets go of everything", async () => {
    const { clock, destination, subscriber, budget, say } = world();
    say("a");
    clock.advance(100);
    const flushed = subscriber.flush(1_000);
    subscriber.stop();
    await flushed;
    await settle();
    assert.deepEqual([destination.last.signal.aborted, destination.isClosed], [true, true]);
    assert.deepEqual([budget.usedBytes, budget.queues, clock.timers], [0, 0, 0]);
  });
});
