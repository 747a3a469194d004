/** Function URLs in mode RESPONSE_STREAM: the prelude, what comes after it, and what breaks. */
import assert from "node:assert/strict";
import { request } from "undici";
import { waitUntil } from "../cluster/wait-until.ts";
import type { ScriptedStream } from "../kit/scripted-agent.ts";
import { urlId, UrlWorld } from "../kit/url-world.ts";

const integration = { "content-type": "application/vnd.awslambda.http-integration-response" };
const nuls = "\0".repeat(8);
const prelude = JSON.stringify({ statusCode: 201, headers: { "Content-Type": "text/plain" }, cookies: ["a=1", "b=2"] });

function described(chunks: ScriptedStream["chunks"], end?: ScriptedStream["end"]): () => ScriptedStream {
  return () => ({ chunks, headers: integration, ...(end !== undefined && { end }) });
}

describe("function URLs that stream", () => {
  let world: UrlWorld;

  beforeEach(async () => {
    world = await UrlWorld.start();
    await world.configure({ invokeMode: "RESPONSE_STREAM" });
  });
  afterEach(() => world.close());

  const whole: Record<string, readonly (string | Buffer)[]> = {
    "in pieces of their own": [prelude, nuls, "first ", "second"],
    "in one piece": [`${prelude}${nuls}first second`],
    "with NULs cut through": [`${prelude}\0\0\0`, "\0\0\0\0", "\0first ", "second"],
    "byte by byte": [...Buffer.from(`${prelude}${nuls}first second`)].map((byte) => Buffer.of(byte)),
  };
  for (const [how, chunks] of Object.entries(whole)) {
    it(`prelude and body ${how}`, async () => {
      world.agent.script = described(chunks);
      const { status, headers, body } = await world.url("/");
      assert.deepEqual([status, body], [201, "first second"]);
      assert.equal(headers["content-type"], "text/plain");
      assert.deepEqual(headers["set-cookie"], ["a=1", "b=2"]);
      assert.equal(headers["x-amzn-requestid"], world.agent.calls[0]?.requestId);
    });
  }

  it("a prelude alone is an answer without a body", async () => {
    world.agent.script = described([`{"statusCode":302,"headers":{"location":"/"}}${nuls}`]);
    const { status, headers, body } = await world.url("/");
    assert.deepEqual([status, headers["location"], body], [302, "/", ""]);
  });

  it("HEAD gets status and headers, and the environment is free again", async () => {
    world.agent.script = described([prelude, nuls, "not sent"]);
    for (let n = 0; n < 2; n += 1) {
      const { status, headers, body } = await world.url("/", { method: "HEAD" });
      assert.deepEqual([status, headers["content-type"], body], [201, "text/plain", ""]);
    }
  });

  it("without a prelude bytes come as they are, with the runtime's type", async () => {
    world.agent.script = () => ({
      chunks: ['{"statusCode":500}', nuls],
      headers: { "content-type": "text/event-stream" },
    });
    const { status, headers, body } = await world.url("/");
    assert.deepEqual([status, headers["content-type"], body], [200, "text/event-stream", `{"statusCode":500}${nuls}`]);
  });

  it("a handler that does not stream is answered as it is", async () => {
    world.agent.script = () => ({
      body: '{"statusCode":201,"body":"x"}',
      headers: { "content-type": "application/json" },
    });
    const { status, body } = await world.url("/");
    assert.deepEqual([status, body], [200, '{"statusCode":201,"body":"x"}']);
  });

  it("the first chunk comes before the second is written", async () => {
    const gate = Promise.withResolvers<undefined>();
    world.agent.script = described(
      (async function* () {
        yield `{}${nuls}first`;
        await gate.promise;
        yield "second";
      })(),
    );
    const { body } = await request(`http://127.0.0.1:${world.router.invokePort}/lambda-url/${urlId}/`);
    let text = "";
    for await (const chunk of body.setEncoding("utf8") as AsyncIterable<string>) {
      text += chunk;
      gate.resolve(undefined);
    }
    assert.equal(text, "firstsecond");
  });

  const broken: Record<string, ScriptedStream["chunks"]> = {
    "no JSON": [`hello${nuls}body`],
    "too few NULs": [`${prelude}\0\0\0`],
    "a status that is none": [`{"statusCode":7}${nuls}`],
    "a cookie that has no text": [`{"cookies":[{"toString":null}]}${nuls}`],
    "a header that lies deep": [`{"headers":{"a":${"[".repeat(50_000)}${"]".repeat(50_000)}}}${nuls}`],
    "no end": [Buffer.alloc(300 * 1024, "x")],
  };
  for (const [what, chunks] of Object.entries(broken)) {
    it(`a prelude with ${what} is 502, and the environment takes the next call`, async () => {
      world.agent.script = described(chunks);
      const { status, body } = await world.url("/");
      assert.deepEqual([status, body], [502, "Internal Server Error"]);
      world.agent.script = described([`{}${nuls}fine`]);
      assert.equal((await world.url("/")).body, "fine");
      assert.equal(world.agent.mostAtOnce, 1);
    });
  }

  it("an error before the first byte is 502", async () => {
    const headers = { "x-amz-function-error": "Unhandled" };
    world.agent.script = () => ({ body: '{"errorType":"E"}', headers });
    assert.equal((await world.url("/")).status, 502);
  });

  const ends: Record<string, NonNullable<ScriptedStream["end"]>> = {
    "that the runtime reports": { endOfResponse: "Complete", errorType: "Error", errorBody: "e30=" },
    "that cuts it short": { endOfResponse: "Truncated" },
    "in which its environment is lost": "cut",
  };
  for (const [what, end] of Object.entries(ends)) {
    it(`an error halfway ${what} cuts the client off: it never takes half for all`, async () => {
      world.agent.script = described([`{}${nuls}some`], end);
      await assert.rejects(world.url("/"));
    });
  }

  it("a client that goes away does not stop the function; the environment is free when it has ended", async () => {
    const gate = Promise.withResolvers<undefined>();
    let hasEnded = false;
    world.agent.script = described(
      (async function* () {
        yield `{}${nuls}first`;
        await gate.promise;
        yield "second";
        hasEnded = true;
      })(),
    );
    const leaving = new AbortController();
    const url = `http://127.0.0.1:${world.router.invokePort}/lambda-url/${urlId}/`;
    const { body } = await request(url, { signal: leaving.signal });
    body.on("error", () => undefined);
    await new Promise((resolve) => body.once("data", resolve));
    leaving.abort();
    gate.resolve(undefined);
    await waitUntil({ what: "the function has ended", timeoutMs: 10_000 }, () => hasEnded || undefined);
    world.agent.script = described([`{}${nuls}fine`]);
    assert.equal((await world.url("/")).body, "fine");
  });

  it("BUFFERED sends a streaming handler's answer when it is whole, by its prelude", async () => {
    await world.configure({ invokeMode: "BUFFERED" });
    world.agent.script = described([prelude, nuls, "all"]);
    const { status, body, headers } = await world.url("/");
    assert.deepEqual([status, body, headers["content-length"]], [201, "all", "3"]);
  });
});
