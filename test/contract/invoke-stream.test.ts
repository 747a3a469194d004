/** InvokeWithResponseStream through real sockets: what comes, how, and how it fails. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { InvokeCommand, InvokeWithResponseStreamCommand } from "@aws-sdk/client-lambda";
import type { RouterWorld } from "../kit/router-world.ts";
import type { ScriptedAgent, ScriptedStream } from "../kit/scripted-agent.ts";
import { describeWithRouters } from "../kit/with-routers.ts";
import { decode, StreamBench, streams } from "./stream-bench.ts";

describeWithRouters("InvokeWithResponseStream", (routers) => {
  let bench: StreamBench;
  let world: RouterWorld;
  let agent: ScriptedAgent;

  beforeEach(async () => {
    bench = await StreamBench.start(routers);
    ({ world, agent } = bench);
  });
  afterEach(async () => bench.stop());

  describe("an answer", () => {
    it("invoke-api 27: comes in chunks with one InvokeComplete at its end, for the AWS SDK without special settings", async () => {
      agent.script = streams(["first ", "second ", "third"]);
      const seen = await bench.stream({ Payload: '{"a":"ä"}' });
      assert.equal(seen.chunks.join(""), "first second third");
      assert.deepEqual(seen.completions, [{}]);
      assert.equal(seen.last, "InvokeComplete");
      assert.equal(agent.calls[0]?.event, '{"a":"ä"}');
      assert.equal(agent.calls[0].headers["x-kubelambda-response-mode"], "streaming");
    });

    it("invoke-api 27: has headers and checksums that the SDK's own decoder takes", async () => {
      agent.script = streams(["some", "bytes"], { end: { endOfResponse: "Complete", logResult: "TE9H" } });
      const { statusCode, headers, body } = await bench.open();
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
      const answer = await bench.sdk.send(new InvokeWithResponseStreamCommand({ FunctionName: "hello" }));
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
      const whole = await bench.stream({ LogType: "Tail" });
      assert.deepEqual(whole, { chunks: ['"whole"'], completions: [{ LogResult: "TE9H" }], last: "InvokeComplete" });
      assert.equal(agent.calls[0]?.headers["x-amz-log-type"], "Tail");
      for (const script of [streams([]), (): { body: string } => ({ body: "" })]) {
        agent.script = script;
        assert.deepEqual(await bench.stream(), { chunks: [""], completions: [{}], last: "InvokeComplete" });
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
      for (const { headers, bytes } of decode(Buffer.from(await (await bench.open()).body.arrayBuffer()))) {
        if (headers[":event-type"] === "PayloadChunk") got.update(bytes);
      }
      assert.equal(got.digest("hex"), sent.digest("hex"));
    });

    it("of a streaming function to a plain Invoke is whole", async () => {
      agent.script = streams(["first ", "second"]);
      const answer = await bench.sdk.send(new InvokeCommand({ FunctionName: "hello" }));
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
      assert.equal((await bench.stream()).chunks.join("").length, 8e6);
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
        const seen = await bench.stream();
        assert.equal(seen.chunks.join(""), "some bytes");
        const [completion] = seen.completions;
        assert.equal(completion?.ErrorCode, "Unhandled");
        assert.deepEqual(JSON.parse(completion.ErrorDetails ?? ""), details);
        assert.equal(completion.LogResult, end.logResult);
        assert.equal((await bench.stream()).chunks.join(""), "some bytes");
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
      assert.deepEqual(JSON.parse((await bench.stream()).completions[0]?.ErrorDetails ?? ""), long);
    });

    it("invoke-api 12: before the first byte is in InvokeComplete too, and no chunk", async () => {
      const body = JSON.stringify(error);
      agent.script = () => ({ body, headers: { "x-amz-function-error": "Unhandled" } });
      const seen = await bench.stream();
      assert.deepEqual(seen, {
        chunks: [],
        completions: [{ ErrorCode: "Unhandled", ErrorDetails: body }],
        last: "InvokeComplete",
      });
    });

    for (const end of ["cut", "none"] as const) {
      it(`of the agent in mid-stream (${end}) is InvokeComplete with ServiceException, and nothing runs again`, async () => {
        const other = await world.addEnvironment(bench.hello);
        const script = streams(["some bytes"], { end });
        agent.script = script;
        other.script = script;
        const seen = await bench.stream();
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
        assert.equal((await bench.stream()).chunks.join(""), "again");
        assert.equal(used.calls.length, 1);
      });
    }
  });
});
