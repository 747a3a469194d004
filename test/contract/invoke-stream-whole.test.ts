/** InvokeWithResponseStream from end to end in processes: the AWS SDK, a router, an agent, the Go supervisor and a runtime that streams. */
import assert from "node:assert/strict";
import { existsSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  InvokeCommand,
  InvokeWithResponseStreamCommand,
  type LambdaClient,
  type InvokeWithResponseStreamCompleteEvent,
} from "@aws-sdk/client-lambda";
import { request } from "undici";
import { waitUntil } from "../cluster/wait-until.ts";
import type { AgentEnvironment } from "../kit/agent-environment.ts";
import { buildSupervisor } from "../kit/build-supervisor.ts";
import { RoutedEnvironment } from "../kit/routed-environment.ts";
import type { RouterWorld } from "../kit/router-world.ts";
import { runtimeProgram } from "../kit/scripted-runtime.ts";
import { describeWithRouters } from "../kit/with-routers.ts";

/** Streams what the event asks for: texts, each after a file of that name is there if it says so; then an error, an exit, a hang. */
const streaming = runtimeProgram(`
  const names = ["Lambda-Runtime-Function-Error-Type", "Lambda-Runtime-Function-Error-Body"];
  for (;;) {
    const { id, body } = await next();
    const { texts = [], after, megabytes = 0, error, exit, hang, early, whole } = JSON.parse(body);
    console.log("handles " + id);
    if (early) { await fail(id, JSON.stringify(early)); continue; }
    if (whole !== undefined) { await respond(id, JSON.stringify(whole)); continue; }
    await new Promise((resolve) => {
      const headers = { "Lambda-Runtime-Function-Response-Mode": "streaming", "Transfer-Encoding": "chunked", Trailer: names.join(", ") };
      const path = "/2018-06-01/runtime/invocation/" + id + "/response";
      const sent = http.request({ host, port, agent, method: "POST", path, headers }, (answer) => answer.resume().on("end", resolve));
      sent.on("error", resolve);
      (async () => {
        const write = (chunk) => new Promise((taken) => sent.write(chunk, taken));
        for (const text of texts) {
          if (after) while (!fs.existsSync(after + "-" + text)) await sleep(2);
          await write(text);
        }
        for (let n = 0; n < megabytes; n++) {
          await write(Buffer.alloc(1e6, "m"));
          fs.appendFileSync("written", "m");
        }
        if (exit !== undefined) { await sleep(50); process.exit(exit); }
        if (hang) await sleep(60_000);
        if (error) sent.addTrailers({ [names[0]]: error.errorType, [names[1]]: Buffer.from(JSON.stringify(error)).toString("base64") });
        sent.end();
      })();
    });
  }`);

interface Streamed {
  readonly text: string;
  readonly completion: InvokeWithResponseStreamCompleteEvent | undefined;
}

async function reaches(what: string, isSo: () => boolean): Promise<void> {
  await waitUntil({ what, timeoutMs: 20_000, everyMs: 300 }, () => isSo() || undefined);
}

describeWithRouters("InvokeWithResponseStream end to end", function (this: Mocha.Suite, routers) {
  this.timeout(60_000);
  let routed: RoutedEnvironment;
  let world: RouterWorld;
  let environment: AgentEnvironment;
  let sdk: LambdaClient;

  before(async function () {
    this.timeout(300_000);
    await buildSupervisor();
  });
  async function start(timeoutSeconds: number): Promise<void> {
    routed = await RoutedEnvironment.start({ routers, bootstrap: streaming, timeoutSeconds });
    ({ world, environment, sdk } = routed);
  }
  beforeEach(async () => start(30));
  afterEach(async () => routed.stop());

  async function stream(event: object, onChunk: (text: string) => void = () => undefined): Promise<Streamed> {
    const command = new InvokeWithResponseStreamCommand({
      FunctionName: "probe",
      Payload: JSON.stringify(event),
      LogType: "Tail",
    });
    let text = "";
    let completion: Streamed["completion"];
    for await (const { PayloadChunk, InvokeComplete } of (await sdk.send(command)).EventStream ?? []) {
      assert.equal(completion, undefined, "nothing comes after InvokeComplete");
      const chunk = Buffer.from(PayloadChunk?.Payload ?? []).toString();
      text += chunk;
      if (chunk !== "") onChunk(chunk);
      completion = InvokeComplete;
    }
    return { text, completion };
  }
  const inTask = (name: string): string => join(environment.folder, "task", name);
  const writtenMegabytes = (): number => (existsSync(inTask("written")) ? statSync(inTask("written")).size : 0);
  const logOf = ({ completion }: Streamed): string => Buffer.from(completion?.LogResult ?? "", "base64").toString();

  it("invoke-api 27, 7: brings chunks as the function writes them, then the end with its log", async () => {
    writeFileSync(inTask("go-first"), "");
    const streamed = await stream({ texts: ["first", "second"], after: "go" }, (text) => {
      // The second is written only once the first has come.
      if (text === "first") writeFileSync(inTask("go-second"), "");
    });
    assert.equal(streamed.text, "firstsecond");
    assert.equal(streamed.completion?.ErrorCode, undefined);
    assert.match(logOf(streamed), /^START RequestId: .*\nhandles .*\nEND RequestId: .*\nREPORT RequestId: /s);
  });

  it("invoke-api 28: tells a handler's error halfway, and the environment serves the next call", async () => {
    const error = { errorType: "Halfway", errorMessage: "it broke" };
    const { text, completion } = await stream({ texts: ["some"], error });
    assert.equal(text, "some");
    assert.equal(completion?.ErrorCode, "Unhandled");
    assert.deepEqual(JSON.parse(completion.ErrorDetails ?? ""), error);
    assert.equal((await stream({ texts: ["again"] })).text, "again");
  });

  it("invoke-api 14: tells a runtime that exits halfway, and the next call runs in a new one", async () => {
    const { text, completion } = await stream({ texts: ["some"], exit: 3 });
    assert.equal(text, "some");
    assert.equal(completion?.ErrorCode, "Unhandled");
    const { errorType, errorMessage } = JSON.parse(completion.ErrorDetails ?? "") as Record<string, string>;
    assert.equal(errorType, "Runtime.ExitError");
    assert.match(errorMessage ?? "", /^RequestId: \S+ Error: Runtime exited with error: exit status 3$/);
    assert.equal((await stream({ texts: ["again"] })).text, "again");
  });

  it("invoke-api 13: tells a timeout halfway", async () => {
    await routed.stop();
    await start(1);
    const { text, completion } = await stream({ texts: ["some"], hang: true });
    assert.equal(text, "some");
    assert.equal(completion?.ErrorCode, "Unhandled");
    assert.match(completion.ErrorDetails ?? "", /Task timed out after 1\.00 seconds/);
    assert.equal((await stream({ texts: ["again"] })).text, "again");
  });

  it("invoke-api 12: tells an error before the first byte", async () => {
    const error = { errorType: "Early", errorMessage: "no byte" };
    const { text, completion } = await stream({ early: error });
    assert.equal(text, "");
    assert.deepEqual([completion?.ErrorCode, completion?.ErrorDetails], ["Unhandled", JSON.stringify(error)]);
  });

  it("brings the result of a handler that does not stream", async () => {
    assert.equal((await stream({ whole: { a: 1 } })).text, '{"a":1}');
  });

  it("invoke-api 15: an answer of 7 MB to a plain Invoke is too large, and says so", async () => {
    const Payload = JSON.stringify({ megabytes: 7 });
    const answer = await sdk.send(new InvokeCommand({ FunctionName: "probe", Payload }));
    assert.equal(answer.FunctionError, "Unhandled");
    assert.deepEqual(JSON.parse(answer.Payload?.transformToString() ?? ""), {
      errorType: "Function.ResponseSizeTooLarge",
      errorMessage: "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
    });
  });

  it("brings the bytes of a streaming handler whole to a plain Invoke", async () => {
    const answer = await sdk.send(new InvokeCommand({ FunctionName: "probe", Payload: '{"texts":["a","b"]}' }));
    assert.equal(answer.Payload?.transformToString(), "ab");
    assert.equal(answer.FunctionError, undefined);
  });

  it("brings more than a whole answer may have", async () => {
    assert.equal((await stream({ megabytes: 20 })).text.length, 20e6);
  });

  it("holds the function back while its client reads nothing, and brings the rest when it does", async () => {
    const url = `http://127.0.0.1:${world.router.invokePort}/2021-11-15/functions/probe/response-streaming-invocations`;
    const { body } = await request(url, { method: "POST", body: '{"megabytes":60}' });
    let last = -1;
    await reaches("the function is held back", () => {
      const isStill = last === writtenMegabytes() && last > 0;
      last = writtenMegabytes();
      return isStill;
    });
    assert.ok(last < 40, `${last} MB were taken`);
    let bytes = 0;
    for await (const chunk of body as AsyncIterable<Buffer>) bytes += chunk.length;
    assert.ok(bytes > 60e6);
    assert.equal(writtenMegabytes(), 60);
  });

  it("lets the function run to its end when its client goes away", async () => {
    const client = new AbortController();
    const url = `http://127.0.0.1:${world.router.invokePort}/2021-11-15/functions/probe/response-streaming-invocations`;
    const { body } = await request(url, { method: "POST", body: '{"megabytes":100}', signal: client.signal });
    body.on("error", () => undefined);
    await reaches("it writes", () => writtenMegabytes() > 0);
    client.abort();
    await reaches("it has written all", () => writtenMegabytes() === 100);
    assert.equal((await stream({ texts: ["next"] })).text, "next");
  });
});
