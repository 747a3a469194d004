import assert from "node:assert/strict";
import { once } from "node:events";
import { Readable } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { beforeEach, describe, it } from "mocha";
import { ManualClock } from "../../test/kit/manual-clock.ts";
import type { StreamedAnswer, StreamEnd } from "../environments/streamed-answer.ts";
import { ClientStream, watchClient } from "./client-stream.ts";

const afterMs = 100_000;

describe("a stream's client", () => {
  let clock: ManualClock;
  let ended: PromiseWithResolvers<StreamEnd>;
  let stream: ClientStream;

  beforeEach(() => {
    clock = new ManualClock();
    ended = Promise.withResolvers<StreamEnd>();
    const body = new Readable({ read: () => undefined });
    const answer: StreamedAnswer = {
      ...{ kind: "streaming", headers: {}, body, bytes: 0 },
      ended: ended.promise,
      discard: () => undefined,
    };
    stream = new ClientStream(answer, { chunk: (payload) => [payload], end: () => [] });
    stream.on("error", () => undefined);
    watchClient(stream, afterMs, clock);
    body.push(Buffer.alloc(100));
    body.push(null);
  });

  async function end(): Promise<void> {
    ended.resolve({ kind: "ended", trailers: {} });
    await setImmediate();
  }

  it("may take nothing while the function runs, and is cut off when it goes on with that once the function must have ended", () => {
    clock.advance(afterMs + 29_000);
    assert.equal(stream.destroyed, false);
    clock.advance(2000);
    assert.equal(stream.destroyed, true);
  });

  it("is cut off 30 s after the function's end, not sooner, when it takes nothing of what is left", async () => {
    clock.advance(afterMs);
    clock.advance(20_000);
    await end();
    clock.advance(29_000);
    assert.equal(stream.destroyed, false);
    clock.advance(2000);
    assert.equal(stream.destroyed, true);
  });

  it("that has taken all is watched no more", async () => {
    await end();
    stream.resume();
    await once(stream, "close");
    assert.equal(clock.timers, 0);
  });
});
