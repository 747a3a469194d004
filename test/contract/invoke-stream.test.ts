/** InvokeWithResponseStream through real sockets: the AWS SDK as client, scripted agents as environments. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import {
  InvokeCommand,
  InvokeWithResponseStreamCommand,
  LambdaClient,
  type InvokeWithResponseStreamCommandInput,
  type InvokeWithResponseStreamCompleteEvent,
} from "@aws-sdk/client-lambda";
import { EventStreamCodec } from "@smithy/core/event-streams";
import { request, type Dispatcher } from "undici";
import type { FunctionObject } from "../../crds/v1alpha1/function.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";
import { RouterWorld } from "../kit/router-world.ts";
import type { ScriptedAgent, ScriptedStream, Script } from "../kit/scripted-agent.ts";

/** What a client of the stream has seen of it, in order. */
interface SeenStream {
  readonly chunks: string[];
  readonly completions: InvokeWithResponseStreamCompleteEvent[];
  readonly last: "PayloadChunk" | "InvokeComplete" | undefined;
}

describe("InvokeWithResponseStream", () => {
  let world: RouterWorld;
  let hello: Stored<FunctionObject>;
  let agent: ScriptedAgent;
  let sdk: LambdaClient;

  beforeEach(async () => {
    world = new RouterWorld();
    await world.startRouter();
    hello = await world.addFunction({ name: "hello" });
    agent = await world.addEnvironment(hello);
    sdk = new LambdaClient({
      endpoint: `http://127.0.0.1:${world.router.invokePort}`,
      region: "us-east-1",
      credentials: { accessKeyId: "dummy", secretAccessKey: "dummy" },
      maxAttempts: 1,
    });
  });
  afterEach(async () => {
    sdk.destroy();
    await world.close();
  });

  const path = "/2021-11-15/functions/hello/response-streaming-invocations";

  async function stream(input: Partial<InvokeWithResponseStreamCommandInput> = {}): Promise<SeenStream> {
    const answer = await sdk.send(new InvokeWithResponseStreamCommand({ FunctionName: "hello", ...input }));
    assert.equal(answer.StatusCode, 200);
    assert.equal(answer.ExecutedVersion, "$LATEST");
    assert.equal(answer.ResponseStreamContentType, "application/vnd.amazon.eventstream");
    const seen = { chunks: [] as string[], completions: [] as InvokeWithResponseStreamCompleteEvent[] };
    let last: SeenStream["last"];
    for await (const { PayloadChunk, InvokeComplete } of answer.EventStream ?? []) {
      if (PayloadChunk !== undefined) seen.chunks.push(Buffer.from(PayloadChunk.Payload ?? []).toString());
      if (InvokeComplete !== undefined) seen.completions.push(InvokeComplete);
      last = PayloadChunk === undefined ? "InvokeComplete" : "PayloadChunk";
    }
    return { ...seen, last };
  }

  /** The answer as raw HTTP, unread. */
  async function open(headers: Record<string, string> = {}, signal?: AbortSignal): Promise<Dispatcher.ResponseData> {
    return await request(`http://127.0.0.1:${world.router.invokePort}${path}`, {
      method: "POST",
      body: '{"a":1}',
      headers,
      ...(signal !== undefined && { signal }),
    });
  }

  const streams =
    (chunks: ScriptedStream["chunks"], rest: Partial<ScriptedStream> = {}): Script =>
    () => ({ chunks, ...rest });

  describe("an answer", () => {
    it("invoke-api 27: comes in chunks with one InvokeComplete at its end, for the AWS SDK without special settings", async () => {
      agent.script = streams(["first ", "second ", "third"]);
      const seen = await stream({ Payload: '{"a":"ä"}' });
      assert.equal(seen.chunks.join(""), "first second third");
      assert.deepEqual(seen.completions, [{}]);
      assert.equal(seen.last, "InvokeComplete");
      assert.equal(agent.calls[0]?.event, '{"a":"ä"}');
      assert.equal(agent.calls[0].headers["x-kubelambda-response-mode"], "streaming");
    });

    it("invoke-api 27: has headers and checksums that the SDK's own decoder takes", async () => {
      agent.script = streams(["some", "bytes"], { end: { endOfResponse: "Complete", logResult: "TE9H" } });
      const { statusCode, headers, body } = await open();
      assert.equal(statusCode, 200);
      assert.equal(headers["content-type"], "application/vnd.amazon.eventstream");
      assert.equal(headers["x-amz-executed-version"], "$LATEST");
      assert.equal(headers["x-amzn-requestid"], agent.calls[0]?.requestId);
      assert.match(String(headers["x-amzn-trace-id"]), /^Root=1-/);
      const messages = decode(Buffer.from(await body.arrayBuffer()));
      const completion = messages.pop();
      assert.equal(messages.map(({ payload }) => payload).join(""), "somebytes");
      for (const message of messages) {
        assert.deepEqual(message.headers, {
          ":message-type": "event",
          ":event-type": "PayloadChunk",
          ":content-type": "application/octet-stream",
        });
      }
      assert.deepEqual(completion?.headers, {
        ":message-type": "event",
        ":event-type": "InvokeComplete",
        ":content-type": "application/json",
      });
      assert.deepEqual(JSON.parse(completion.payload), { LogResult: "TE9H" });
    });

    it("comes as the function writes it, not when it is whole", async () => {
      const gate = Promise.withResolvers<undefined>();
      agent.script = streams(
        (async function* () {
          yield "first";
          await gate.promise;
          yield "second";
        })(),
      );
      const answer = await sdk.send(new InvokeWithResponseStreamCommand({ FunctionName: "hello" }));
      const seen: string[] = [];
      for await (const { PayloadChunk } of answer.EventStream ?? []) {
        seen.push(PayloadChunk === undefined ? "end" : Buffer.from(PayloadChunk.Payload ?? []).toString());
        // Only who has the first gets the second.
        gate.resolve(undefined);
      }
      assert.deepEqual(seen, ["first", "second", "end"]);
    });

    it("of a function that does not stream comes whole, and an empty one as one empty chunk", async () => {
      agent.script = () => ({ body: '"whole"', headers: { "x-amz-log-result": "TE9H" } });
      const whole = await stream({ LogType: "Tail" });
      assert.deepEqual(whole, { chunks: ['"whole"'], completions: [{ LogResult: "TE9H" }], last: "InvokeComplete" });
      assert.equal(agent.calls[0]?.headers["x-amz-log-type"], "Tail");
      for (const script of [streams([]), (): { body: string } => ({ body: "" })]) {
        agent.script = script;
        assert.deepEqual(await stream(), { chunks: [""], completions: [{}], last: "InvokeComplete" });
      }
    });

    it("of 20 MB is whole, in chunks of any size", async () => {
      const [sent, got] = [createHash("sha256"), createHash("sha256")];
      agent.script = streams(
        (function* () {
          for (let bytes = 0, n = 1; bytes < 20e6; n += 1) {
            const chunk = Buffer.alloc(1 + ((n * 7919) % 200_000), String(n));
            bytes += chunk.length;
            sent.update(chunk);
            yield chunk;
          }
        })(),
      );
      for (const { headers, bytes } of decode(Buffer.from(await (await open()).body.arrayBuffer()))) {
        if (headers[":event-type"] === "PayloadChunk") got.update(bytes);
      }
      assert.equal(got.digest("hex"), sent.digest("hex"));
    });

    it("of a streaming function to a plain Invoke is whole", async () => {
      agent.script = streams(["first ", "second"]);
      const answer = await sdk.send(new InvokeCommand({ FunctionName: "hello" }));
      assert.equal(answer.Payload?.transformToString(), "first second");
      assert.equal(agent.calls[0]?.headers["x-kubelambda-response-mode"], undefined);
    });

    it("may be silent between two chunks, and larger than a whole one may be", async () => {
      const chunk = Buffer.alloc(1e6, "x");
      agent.script = streams(
        (async function* () {
          for (let n = 0; n < 8; n += 1) {
            yield chunk;
            await new Promise((resolve) => setImmediate(resolve));
          }
        })(),
      );
      assert.equal((await stream()).chunks.join("").length, 8e6);
    });
  });

  describe("a failure", () => {
    const error = { errorType: "Error", errorMessage: "halfway: ü" };
    const errorBody = Buffer.from(JSON.stringify(error)).toString("base64");
    const inMidStream: Record<string, { end: Exclude<ScriptedStream["end"], string | undefined>; details: object }> = {
      "invoke-api 28: of a handler that fails halfway": {
        end: { endOfResponse: "Complete", errorType: "Error", errorBody, logResult: "TE9H" },
        details: error,
      },
      "of a function that is reset in the middle": {
        end: { endOfResponse: "Truncated", errorType: "Sandbox.Timedout", errorBody },
        details: error,
      },
      "of a runtime that breaks off": {
        end: { endOfResponse: "Truncated" },
        details: { errorType: "Runtime.TruncatedResponse" },
      },
      "of a payload that is too large": {
        end: { endOfResponse: "Oversized" },
        details: { errorType: "Function.ResponseSizeTooLarge" },
      },
      "that has a name alone": {
        end: { endOfResponse: "Complete", errorType: "Lonely" },
        details: { errorType: "Lonely" },
      },
    };
    for (const [title, { end, details }] of Object.entries(inMidStream)) {
      it(`${title}: 200, what came before, and InvokeComplete with its code`, async () => {
        agent.script = streams(["some ", "bytes"], { end });
        const seen = await stream();
        assert.equal(seen.chunks.join(""), "some bytes");
        const [completion] = seen.completions;
        assert.equal(completion?.ErrorCode, "Unhandled");
        assert.deepEqual(JSON.parse(completion.ErrorDetails ?? ""), details);
        assert.equal(completion.LogResult, end.logResult);
        assert.equal((await stream()).chunks.join(""), "some bytes");
      });
    }

    it("with a long stack comes whole", async () => {
      const long = { errorType: "Error", trace: Array.from({ length: 3000 }, (_, n) => `at frame ${n}`) };
      agent.script = streams(["x"], {
        end: {
          endOfResponse: "Complete",
          errorType: "Error",
          errorBody: Buffer.from(JSON.stringify(long)).toString("base64"),
        },
      });
      assert.deepEqual(JSON.parse((await stream()).completions[0]?.ErrorDetails ?? ""), long);
    });

    it("invoke-api 12: before the first byte is in InvokeComplete too, and no chunk", async () => {
      const body = JSON.stringify(error);
      agent.script = () => ({ body, headers: { "x-amz-function-error": "Unhandled" } });
      const seen = await stream();
      assert.deepEqual(seen, {
        chunks: [],
        completions: [{ ErrorCode: "Unhandled", ErrorDetails: body }],
        last: "InvokeComplete",
      });
    });

    for (const end of ["cut", "none"] as const) {
      it(`of the agent in mid-stream (${end}) is InvokeComplete with ServiceException, and nothing runs again`, async () => {
        const other = await world.addEnvironment(hello);
        const script = streams(["some bytes"], { end });
        agent.script = script;
        other.script = script;
        const seen = await stream();
        assert.equal(seen.chunks.join(""), "some bytes");
        assert.equal(seen.completions[0]?.ErrorCode, "ServiceException");
        const requestId = [...agent.calls, ...other.calls][0]?.requestId ?? "";
        assert.match(
          seen.completions[0].ErrorDetails ?? "",
          new RegExp(`^RequestId: ${requestId} Error: .* broke during the call$`),
        );
        assert.equal(agent.calls.length + other.calls.length, 1);
        const [idle, used] = agent.calls.length === 0 ? [agent, other] : [other, agent];
        idle.script = streams(["again"]);
        assert.equal((await stream()).chunks.join(""), "again");
        assert.equal(used.calls.length, 1);
      });
    }
  });

  describe("before the first byte", () => {
    it("what provably never reached a runtime is tried elsewhere, with the same request id", async () => {
      const [busy, gone] = [await world.addEnvironment(hello), await world.addEnvironment(hello)];
      busy.script = () => ({ code: "Busy", message: "runs another" });
      busy.state = "busy";
      await gone.close();
      agent.script = streams(["elsewhere"]);
      for (let n = 0; n < 3; n += 1) assert.equal((await stream()).chunks.join(""), "elsewhere");
      assert.equal(busy.calls.length, 1);
      assert.ok(agent.calls.some(({ requestId }) => requestId === busy.calls[0]?.requestId));
    });

    it("a connection that breaks is 500 and runs nothing again", async () => {
      const other = await world.addEnvironment(hello);
      agent.script = () => "cut";
      other.script = () => "cut";
      const answer = await world.call(path);
      assert.equal(answer.status, 500);
      assert.equal(answer.headers["x-amzn-errortype"], "ServiceException");
      assert.equal(agent.calls.length + other.calls.length, 1);
    });

    const refusals: Record<
      string,
      { path?: string; body?: string | Buffer; headers?: Record<string, string>; status: number; code: string }
    > = {
      "invoke-api 18: an unknown function": {
        path: path.replace("hello", "nobody"),
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
        path: path.replace("hello", "off"),
        status: 429,
        code: "TooManyRequestsException",
      },
      "an Event": { headers: { "x-amz-invocation-type": "Event" }, status: 400, code: "ValidationException" },
    };
    for (const [title, { status, code, ...call }] of Object.entries(refusals)) {
      it(`${title} is refused as Invoke refuses it`, async () => {
        await world.addFunction({ name: "off", spec: { reservedConcurrentExecutions: 0 } });
        const answer = await world.call(call.path ?? path, call);
        assert.equal(answer.status, status);
        assert.equal(answer.headers["x-amzn-errortype"], code);
        assert.equal(answer.headers["content-type"], "application/json");
        assert.equal(agent.calls.length, 0);
        if (code === "ValidationException") assert.match(answer.body, /enum value set: \[RequestResponse, DryRun\]/);
      });
    }

    it("invoke-api 5: DryRun answers 204 and runs nothing", async () => {
      const answer = await world.call(path, { headers: { "x-amz-invocation-type": "DryRun" } });
      assert.deepEqual([answer.status, answer.body, agent.calls.length], [204, "", 0]);
    });
  });

  describe("a client", () => {
    /** An endless stream that counts what the agent could write. */
    function endless(): { stream: ScriptedStream; written: () => number; stop: () => void; ended: Promise<unknown> } {
      let [bytes, isStopped] = [0, false];
      const ended = Promise.withResolvers<undefined>();
      const stop = (): void => {
        isStopped = true;
      };
      const chunks = (async function* () {
        while (!isStopped) {
          bytes += 65_536;
          yield Buffer.alloc(65_536, "x");
          await new Promise((resolve) => setImmediate(resolve));
        }
        ended.resolve(undefined);
      })();
      return { stream: { chunks }, written: () => bytes, stop, ended: ended.promise };
    }

    it("that reads slowly slows the function down: nothing is held but what sockets hold", async () => {
      const endlessly = endless();
      agent.script = () => endlessly.stream;
      const { body } = await open();
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
      const { body } = await open({}, client.signal);
      body.on("error", () => undefined);
      await comesToRest(endlessly.written);
      const atAbort = endlessly.written();
      client.abort();
      await reaches(() => endlessly.written() > 4 * atAbort);
      agent.script = streams(["next"]);
      const next = stream();
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
      const opening = open({}, client.signal);
      await asked.promise;
      client.abort();
      await assert.rejects(opening);
      gate.resolve(undefined);
      await reaches(() => isThrough);
      agent.script = streams(["next"]);
      assert.equal((await stream()).chunks.join(""), "next");
    });

    it("holds its place in the function's concurrency until the stream has ended", async () => {
      const one = await world.addFunction({ name: "one", spec: { reservedConcurrentExecutions: 1 } });
      const [first, second] = [await world.addEnvironment(one), await world.addEnvironment(one)];
      const endlessly = endless();
      first.script = () => endlessly.stream;
      second.script = () => endlessly.stream;
      const streaming = stream({ FunctionName: "one" });
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
      const agents = [agent, ...(await Promise.all([1, 2, 3].map(() => world.addEnvironment(hello))))];
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
      const calls = Array.from({ length: 40 }, (_, n) => stream({ Payload: String(n) }));
      for (const [n, { chunks, completions }] of (await Promise.all(calls)).entries()) {
        assert.equal(chunks.join(""), Array.from({ length: 20 }, (_, i) => `${n}:${i} `).join(""));
        assert.deepEqual(completions, [{}]);
      }
      assert.ok(agents.every(({ mostAtOnce }) => mostAtOnce <= 1));
    });
  });
});

const codec = new EventStreamCodec(
  (bytes) => Buffer.from(bytes as Uint8Array).toString(),
  (text) => Buffer.from(text),
);

/** Takes messages apart with the SDK's decoder, which checks both checksums. */
function decode(bytes: Buffer): { headers: Record<string, unknown>; payload: string; bytes: Buffer }[] {
  const messages = [];
  for (let at = 0; at < bytes.length; at += bytes.readUInt32BE(at)) {
    const { headers, body } = codec.decode(bytes.subarray(at, at + bytes.readUInt32BE(at)));
    const values = Object.entries(headers).map(([name, { value }]) => [name, value]);
    messages.push({
      headers: Object.fromEntries(values) as Record<string, unknown>,
      payload: Buffer.from(body).toString(),
      bytes: Buffer.from(body),
    });
  }
  return messages;
}

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
