import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { describe, it } from "mocha";
import { settle } from "../test/kit/kubernetes/settle.ts";
import { ManualClock } from "../test/kit/manual-clock.ts";
import { type GracefulStop, stopOnSignals, type StopStep } from "./graceful-stop.ts";
import { silentLogger } from "./logger.ts";

interface Bench {
  readonly signals: EventEmitter;
  readonly clock: ManualClock;
  readonly codes: number[];
  readonly gracefulStop: GracefulStop;
}

function bench(...steps: StopStep[]): Bench {
  const [signals, clock, codes] = [new EventEmitter(), new ManualClock(), [] as number[]];
  const exit = (code: number): void => void codes.push(code);
  const gracefulStop = stopOnSignals({ steps, deadlineMs: 1000, clock, logger: silentLogger, signals, exit });
  return { signals, clock, codes, gracefulStop };
}

describe("stopOnSignals", () => {
  it("ends one thing after the other, then the process", async () => {
    const story: string[] = [];
    const first = Promise.withResolvers<undefined>();
    const { signals, codes, clock } = bench(
      {
        name: "a",
        stop: async () => {
          story.push("a begins");
          await first.promise;
          story.push("a ends");
        },
      },
      { name: "b", stop: () => void story.push("b") },
    );
    signals.emit("SIGTERM");
    await settle();
    assert.deepEqual([story, codes], [["a begins"], []]);
    first.resolve(undefined);
    await settle();
    assert.deepEqual([story, codes, clock.timers], [["a begins", "a ends", "b"], [0], 0]);
  });

  it("goes on after a step that fails, and says so in the code", async () => {
    const story: string[] = [];
    const { signals, codes } = bench(
      { name: "a", stop: () => Promise.reject(new Error("no")) },
      {
        name: "b",
        stop: () => {
          throw new Error("no");
        },
      },
      { name: "c", stop: () => void story.push("c") },
    );
    signals.emit("SIGINT");
    await settle();
    assert.deepEqual([story, codes], [["c"], [1]]);
  });

  it("gives up at the deadline, and tells the step", async () => {
    let isCut = false;
    const { signals, codes, clock } = bench({
      name: "a",
      stop: (deadline) => new Promise(() => deadline.addEventListener("abort", () => (isCut = true))),
    });
    signals.emit("SIGTERM");
    await settle();
    clock.advance(1000);
    await settle();
    assert.deepEqual([isCut, codes], [true, [1]]);
  });

  it("ends at once on a second signal", async () => {
    const { signals, codes } = bench({ name: "a", stop: () => new Promise(() => undefined) });
    signals.emit("SIGTERM");
    await settle();
    signals.emit("SIGINT");
    assert.deepEqual(codes, [1]);
    const again = bench({ name: "a", stop: () => new Promise(() => undefined) });
    again.signals.emit("SIGTERM");
    again.signals.emit("SIGTERM");
    assert.deepEqual(again.codes, [1]);
  });

  it("stops once, however it is asked", async () => {
    let stops = 0;
    const { gracefulStop } = bench({
      name: "a",
      stop: () => {
        stops++;
      },
    });
    assert.deepEqual(await Promise.all([gracefulStop.stop("x"), gracefulStop.stop("y")]), [0, 0]);
    assert.equal(stops, 1);
  });

  it("listens no more when it is disposed of", () => {
    const { signals, gracefulStop } = bench();
    gracefulStop.dispose();
    assert.equal(signals.listenerCount("SIGTERM") + signals.listenerCount("SIGINT"), 0);
  });
});
