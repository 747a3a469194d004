/** InvokeWithResponseStream before its first byte, and with clients that are slow, gone or many. */
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import type { RouterWorld } from "../kit/router-world.ts";
import type { ScriptedAgent } from "../kit/scripted-agent.ts";
import { describeWithRouters } from "../kit/with-routers.ts";
import { endless, StreamBench, streamPath, streams } from "./stream-bench.ts";

describeWithRouters("InvokeWithResponseStream under faults", (routers) => {
  let bench: StreamBench;
  let world: RouterWorld;
  let agent: ScriptedAgent;

  beforeEach(async () => {
    bench = await StreamBench.start(routers);
    ({ world, agent } = bench);
  });
  afterEach(async () => bench.stop());

  describe("before the first byte", () => {
    it("what provably never reached a runtime is tried elsewhere, with the same request id", async () => {
      agent.script = streams(["elsewhere"]);
      // Its router owns the account by then: what comes now is taken first.
      assert.equal((await bench.stream()).chunks.join(""), "elsewhere");
      const [busy, gone] = [await world.addEnvironment(bench.hello), await world.addEnvironment(bench.hello)];
      busy.script = () => {
        busy.state = "busy";
        return { code: "Busy", message: "runs another" };
      };
      await gone.close();
      for (let n = 0; n < 3; n += 1) assert.equal((await bench.stream()).chunks.join(""), "elsewhere");
      assert.equal(busy.calls.length, 1);
      assert.ok(agent.calls.some(({ requestId }) => requestId === busy.calls[0]?.requestId));
    });

    it("a connection that breaks is 500 and runs nothing again", async () => {
      const other = await world.addEnvironment(bench.hello);
      agent.script = () => "cut";
      other.script = () => "cut";
      const answer = await world.call(streamPath);
      assert.equal(answer.status, 500);
      assert.equal(answer.headers["x-amzn-errortype"], "ServiceException");
      assert.equal(agent.calls.length + other.calls.length, 1);
    });

    const refusals: Record<
      string,
      { path?: string; body?: string | Buffer; headers?: Record<string, string>; status: number; code: string }
    > = {
      "invoke-api 18: an unknown function": {
        path: streamPath.replace("hello", "nobody"),
        status: 404,
        code: "ResourceNotFoundException",
      },
      "invoke-api 11: what is no JSON": { body: "not json", status: 400, code: "InvalidRequestContentException" },
      "invoke-api 16: a request of 7 MB": {
        body: Buffer.alloc(7e6, "1"),
        status: 413,
        code: "RequestTooLargeException",
      },
      "invoke-api 23: reserved concurrency 0": {
        path: streamPath.replace("hello", "off"),
        status: 429,
        code: "TooManyRequestsException",
      },
      "an Event": { headers: { "x-amz-invocation-type": "Event" }, status: 400, code: "ValidationException" },
    };
    for (const [title, { status, code, ...call }] of Object.entries(refusals)) {
      it(`${title} is refused as Invoke refuses it`, async () => {
        await world.addFunction({ name: "off", spec: { reservedConcurrentExecutions: 0 } });
        const answer = await world.call(call.path ?? streamPath, call);
        assert.equal(answer.status, status);
        assert.equal(answer.headers["x-amzn-errortype"], code);
        assert.equal(answer.headers["content-type"], "application/json");
        assert.equal(agent.calls.length, 0);
        if (code === "ValidationException") assert.match(answer.body, /enum value set: \[RequestResponse, DryRun\]/);
      });
    }

    it("invoke-api 5: DryRun answers 204 and runs nothing", async () => {
      const answer = await world.call(streamPath, { headers: { "x-amz-invocation-type": "DryRun" } });
      assert.deepEqual([answer.status, answer.body, agent.calls.length], [204, "", 0]);
    });
  });

  describe("a client", () => {
    it("that reads slowly slows the function down: nothing is held but what sockets hold", async () => {
      const endlessly = endless();
      agent.script = () => endlessly.stream;
      const { body } = await bench.open();
      const written = await comesToRest(endlessly.written);
      assert.ok(written < 20e6, `${written} bytes were taken from the function`);
      let got = 0;
      for await (const chunk of body as AsyncIterable<Buffer>) {
        got += chunk.length;
        if (got > 3 * written) endlessly.stop();
      }
      assert.ok(got > 3 * written);
      await endlessly.ended;
    });

    it("that goes away stops no run: the function writes on to its end, and its environment is in use until then", async () => {
      const endlessly = endless();
      agent.script = () => endlessly.stream;
      const client = new AbortController();
      const { body } = await bench.open(client.signal);
      body.on("error", () => undefined);
      await comesToRest(endlessly.written);
      const atAbort = endlessly.written();
      client.abort();
      await reaches(() => endlessly.written() > 4 * atAbort);
      agent.script = streams(["next"]);
      const next = bench.stream();
      await reaches(() => world.reports.some(({ functions }) => (functions[0]?.needed ?? 0) > 0));
      assert.equal(agent.calls.length, 1);
      endlessly.stop();
      assert.equal((await next).chunks.join(""), "next");
      assert.equal(agent.mostAtOnce, 1);
    });

    it("that goes away before the first byte stops no run either", async () => {
      const [asked, gate] = [Promise.withResolvers<undefined>(), Promise.withResolvers<undefined>()];
      let isThrough = false;
      agent.script = async () => {
        asked.resolve(undefined);
        await gate.promise;
        return {
          chunks: (function* () {
            yield Buffer.alloc(5e6, "x");
            yield Buffer.alloc(5e6, "y");
            isThrough = true;
          })(),
        };
      };
      const client = new AbortController();
      const opening = bench.open(client.signal);
      await asked.promise;
      client.abort();
      await assert.rejects(opening);
      gate.resolve(undefined);
      await reaches(() => isThrough);
      agent.script = streams(["next"]);
      assert.equal((await bench.stream()).chunks.join(""), "next");
    });

    it("holds its place in the function's concurrency until the stream has ended", async () => {
      const one = await world.addFunction({ name: "one", spec: { reservedConcurrentExecutions: 1 } });
      const [first, second] = [await world.addEnvironment(one), await world.addEnvironment(one)];
      const endlessly = endless();
      first.script = () => endlessly.stream;
      second.script = () => endlessly.stream;
      const streaming = bench.stream({ FunctionName: "one" });
      await reaches(() => endlessly.written() > 1e6);
      const refused = await world.invoke("one");
      assert.equal(refused.status, 429);
      assert.match(refused.body, /ReservedFunctionConcurrentInvocationLimitExceeded/);
      endlessly.stop();
      assert.equal((await streaming).last, "InvokeComplete");
      for (const agent of [first, second]) agent.script = ({ event }) => ({ body: event });
      assert.equal((await world.invoke("one")).status, 200);
    });

    it("many at once get each its own", async () => {
      const agents = [agent, ...(await Promise.all([1, 2, 3].map(() => world.addEnvironment(bench.hello))))];
      for (const each of agents) {
        each.script = ({ event }) => ({
          chunks: (async function* () {
            for (let n = 0; n < 20; n += 1) {
              yield `${event}:${n} `;
              await new Promise((resolve) => setImmediate(resolve));
            }
          })(),
        });
      }
      const calls = Array.from({ length: 40 }, (_, n) => bench.stream({ Payload: String(n) }));
      for (const [n, { chunks, completions }] of (await Promise.all(calls)).entries()) {
        assert.equal(chunks.join(""), Array.from({ length: 20 }, (_, i) => `${n}:${i} `).join(""));
        assert.deepEqual(completions, [{}]);
      }
      assert.ok(agents.every(({ mostAtOnce }) => mostAtOnce <= 1));
    });
  });
});

const deadlineMs = 10_000;
const restMs = 300;

async function reaches(isSo: () => boolean): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!isSo()) {
    if (performance.now() > end) throw new Error(`Cannot see it: ${deadlineMs} ms are over`);
    await pause(5);
  }
}

/** The number at which a count has stayed for a while. */
async function comesToRest(count: () => number): Promise<number> {
  const end = performance.now() + deadlineMs;
  let [last, since] = [count(), performance.now()];
  while (performance.now() < end) {
    await pause(5);
    const now = count();
    if (now !== last) since = performance.now();
    last = now;
    if (performance.now() - since > restMs && last > 0) return last;
  }
  throw new Error(`Cannot see a count at rest: it is ${count()} and moves`);
}
