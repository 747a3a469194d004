import assert from "node:assert/strict";
import { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { HttpRequest } from "../../lib/http/handler.ts";
import { silentLogger } from "../../lib/logger.ts";
import { ManualClock } from "../../test/kit/manual-clock.ts";
import type { CallTicket } from "../ownership/placement.ts";
import { openAccess } from "../access/access-control.ts";
import type { FunctionFacts } from "../domain/function-facts.ts";
import type { StreamedAnswer, StreamEnd } from "../environments/streamed-answer.ts";
import { FunctionMetrics } from "../function-metrics.ts";
import { createRouterMetrics } from "../router-metrics.ts";
import { MemoryBudget } from "../memory-budget.ts";
import { createInvokeWithResponseStream } from "./invoke-with-response-stream.ts";

/** A stream whose agent writes whenever it may, and an operation that answers with it. */
function world(): {
  clock: ManualClock;
  openCalls: number;
  end: (end: StreamEnd) => void;
  readonly isDiscarded: boolean;
  call: () => Promise<Readable>;
} {
  const clock = new ManualClock();
  let openCalls = 0;
  const calls = {
    ticket: (): CallTicket => {
      openCalls += 1;
      return {
        place: () => ({ kind: "refused", refusal: "timedOut" }),
        giveBack: () => undefined,
        close: () => void (openCalls -= 1),
      };
    },
  };
  const facts = {
    uid: "u",
    namespace: "default",
    objectName: "f",
    arn: "arn:f",
    timeoutSeconds: 3,
    state: "Active",
    revisionID: "r1",
  };
  const ended = Promise.withResolvers<StreamEnd>();
  let isDiscarded = false;
  const answer: StreamedAnswer = {
    kind: "streaming",
    headers: {},
    body: new Readable({
      read() {
        setImmediate(() => this.push(Buffer.alloc(65_536)));
      },
    }),
    ended: ended.promise,
    bytes: 0,
    discard: () => void (isDiscarded = true),
  };
  const bodyMemory = new MemoryBudget({ limitBytes: 1000, maxWaiting: 1, waitMs: 1000, clock });
  const serve = createInvokeWithResponseStream({
    runner: { stream: () => Promise.resolve(answer) },
    access: openAccess,
    finder: {
      locate: () => ({ target: { name: "f" }, place: {}, accountId: "0", arn: "arn:f", objectName: () => "f" }),
      find: () => ({ facts: { ...facts, arn: "arn:f" } as FunctionFacts, invokedArn: "arn:f" }),
    },
    metrics: createRouterMetrics({
      running: () => 0,
      bodyBytes: () => 0,
      waitingBodies: () => 0,
      answerBytes: () => 0,
      waitingAnswers: () => 0,
    }),
    functionMetrics: new FunctionMetrics({ clock }),
    log: silentLogger,
    bodyTimeoutMs: 1000,
    findSettled: (find) => find(),
    beginTrace: () => ({ header: "Root=1-2-3" }),
    waitMs: 1000,
    ...{ calls, bodyMemory, clock },
  });
  const request: HttpRequest = {
    method: "POST",
    path: "/",
    query: new URLSearchParams(),
    headers: {},
    body: Readable.from([]),
    signal: new AbortController().signal,
    whenAnswered: () => undefined,
  };
  return {
    clock,
    get openCalls() {
      return openCalls;
    },
    end: ended.resolve,
    get isDiscarded() {
      return isDiscarded;
    },
    call: async () => (await serve("f", request)).body as Readable,
  };
}

async function turn(): Promise<void> {
  for (let n = 0; n < 5; n += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** Time in which the function must have ended, and how long a client may then take nothing, ms. */
const [runMs, stallMs] = [26_000, 30_000];

describe("InvokeWithResponseStream's client", () => {
  it("is cut off when it takes nothing after the function's time, and the function runs on without it", async () => {
    const seen = world();
    const { clock, end, call } = seen;
    const body = await call();
    assert.equal(seen.openCalls, 1);
    body.on("error", () => undefined);
    await turn();
    clock.advance(runMs + stallMs - 1);
    assert.equal(body.destroyed, false);
    clock.advance(1);
    assert.equal(body.destroyed, true);
    await turn();
    assert.equal(seen.isDiscarded, true);
    assert.match(String(body.errored), /has taken nothing for 30000 ms/);
    assert.equal(seen.openCalls, 1);
    end({ kind: "ended", trailers: { endOfResponse: "Complete" } });
    await turn();
    assert.equal(seen.openCalls, 0);
    assert.equal(clock.timers, 0);
  });

  it("is left alone as long as it takes something, however little", async () => {
    const { clock, call, end } = world();
    const body = await call();
    clock.advance(runMs);
    body.read();
    await turn();
    for (let n = 0; n < 20; n += 1) {
      assert.notEqual(body.read(), null);
      await turn();
      clock.advance(stallMs);
    }
    assert.equal(body.destroyed, false);
    end({ kind: "ended", trailers: { endOfResponse: "Complete" } });
    await turn();
    for (let n = 0; n < 5; n += 1) {
      clock.advance(stallMs - 1);
      assert.notEqual(body.read(), null);
      await turn();
    }
    assert.equal(body.destroyed, false);
    body.on("error", () => undefined);
    clock.advance(2 * stallMs);
    assert.equal(body.destroyed, true, "what is left is held for nobody");
  });

  it("that goes away has the stream discarded, read or not", async () => {
    for (const hasRead of [false, true]) {
      const seen = world();
      const body = await seen.call();
      const gone = new Writable({ write: (_chunk, _encoding, done) => done(hasRead ? null : new Error("gone")) });
      const reading = pipeline(body, gone);
      if (hasRead) setImmediate(() => gone.destroy());
      await assert.rejects(reading);
      assert.equal(seen.isDiscarded, true);
    }
  });
});
