/** Streamed answers from the runtime's first chunk to the router's last trailer. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { routes } from "../../crds/wire/routes.ts";
import { buildSupervisor } from "../kit/build-supervisor.ts";
import {
  runtimeProgram,
  requestIdOf,
  startPlayed,
  whenReady,
  type PlayedEnvironment,
} from "../kit/scripted-runtime.ts";
import { beginPost, openStream, type StreamedAnswer } from "../kit/stream-exchange.ts";

const streaming = { "x-kubelambda-response-mode": "streaming" };
const mode = { "lambda-runtime-function-response-mode": "streaming" };
const errorTrailers = { trailer: "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body" };
const mib = 1024 * 1024;

describe("Response streaming", () => {
  let played: PlayedEnvironment;

  before(async function () {
    this.timeout(120_000);
    await buildSupervisor();
  });
  afterEach(async () => played.environment.stop());

  /** An environment whose runtime is blocked in its first `next`. */
  async function idle(options: Parameters<typeof startPlayed>[0] = {}): Promise<{ readonly first: Promise<string> }> {
    played = await startPlayed(options);
    const first = take();
    await whenReady(played);
    return { first };
  }
  const take = async (): Promise<string> => requestIdOf(await played.runtime.next());
  const open = (headers: Readonly<Record<string, string>> = {}): Promise<StreamedAnswer> => {
    const { environment } = played;
    const authorization = `Bearer ${environment.claim()}`;
    return openStream(environment.agent.address, routes.invocation(randomUUID()), {
      headers: { authorization, ...streaming, ...headers },
      body: "{}",
    });
  };
  const post = (requestId: string, headers: Readonly<Record<string, string>> = mode): ReturnType<typeof beginPost> =>
    beginPost(played.environment.agent.runtimeApi, `/2018-06-01/runtime/invocation/${requestId}/response`, headers);

  it("runtime-api 16: chunks come as they are sent, the end says that it is the end", async () => {
    const { first } = await idle();
    const opened = open();
    const { sent, answer } = post(await first, { ...mode, "content-type": "text/event-stream" });
    sent.write("one");
    const stream = await opened;
    assert.equal(stream.status, 200);
    assert.equal(stream.headers["content-type"], "text/event-stream");
    assert.equal(stream.headers["x-kubelambda-response-mode"], "streaming");
    assert.equal(stream.headers["x-amz-executed-version"], "$LATEST");
    assert.equal(String(await stream.chunk()), "one");
    sent.write("two");
    assert.equal(String(await stream.chunk()), "two");
    sent.end();
    assert.equal(await answer, 202);
    assert.equal(await stream.chunk(), undefined);
    assert.equal(stream.trailers()["end-of-response"], "Complete");
    assert.equal(stream.trailers()["lambda-runtime-function-error-type"], undefined);
  });

  it("runtime-api 17: an answer without the mode is forwarded the same way, its length known or not", async () => {
    const { first } = await idle();
    const opened = open({ "x-amz-log-type": "Tail" });
    await played.runtime.respond(await first, "whole", { headers: { "content-type": "text/plain" } });
    const stream = await opened;
    assert.equal(String(await stream.rest()), "whole");
    assert.equal(stream.trailers()["end-of-response"], "Complete");
    const log = Buffer.from(String(stream.trailers()["x-amz-log-result"]), "base64").toString();
    assert.match(log, /^START.*\nEND.*\nREPORT/);
  });

  it("an empty stream and an error before the first byte are answers as any other", async () => {
    const { first } = await idle();
    const empty = open();
    await played.runtime.respond(await first, "", { headers: mode });
    assert.equal((await (await empty).rest()).length, 0);
    const second = take();
    const failed = open();
    await played.runtime.fail(await second, '{"errorType":"Early"}');
    const stream = await failed;
    assert.equal(stream.headers["x-kubelambda-response-mode"], undefined);
    assert.equal(stream.headers["x-amz-function-error"], "Unhandled");
    assert.equal(String(await stream.rest()), '{"errorType":"Early"}');
  });

  it("runtime-api 19: an error on the way comes after the payload, in trailers", async () => {
    const { first } = await idle();
    const opened = open();
    const body = Buffer.from('{"errorType":"Late","errorMessage":"after the first byte"}').toString("base64");
    const id = await first;
    const sent = played.runtime.respond(id, "partial", {
      headers: { ...mode, ...errorTrailers },
      trailers: { "Lambda-Runtime-Function-Error-Type": "Late", "Lambda-Runtime-Function-Error-Body": body },
    });
    const stream = await opened;
    assert.equal(String(await stream.rest()), "partial");
    assert.equal(stream.trailers()["end-of-response"], "Complete");
    assert.equal(stream.trailers()["lambda-runtime-function-error-type"], "Late");
    assert.equal(stream.trailers()["lambda-runtime-function-error-body"], body);
    assert.equal((await sent).status, 202);
    const refused = await played.runtime.fail(id, "{}");
    assert.equal(refused.status, 403);
  });

  it("runtime-api 20: a stream that breaks off is truncated, and the next call works", async () => {
    const { first } = await idle();
    const opened = open();
    const { sent, answer } = post(await first);
    sent.write("half");
    const stream = await opened;
    assert.equal(String(await stream.chunk()), "half");
    sent.destroy();
    assert.equal(await answer, 0);
    assert.equal((await stream.rest()).length, 0);
    assert.equal(stream.trailers()["end-of-response"], "Truncated");
    assert.equal(stream.trailers()["lambda-runtime-function-error-type"], "Runtime.TruncatedResponse");
    const second = take();
    const following = open();
    await played.runtime.respond(await second, "2", { headers: mode });
    assert.equal(String(await (await following).rest()), "2");
  });

  it("a timeout on the way ends the stream at the deadline", async () => {
    const { first } = await idle({ document: { timeoutSeconds: 0.5 } });
    const opened = open();
    const { sent } = post(await first);
    sent.write("half");
    const stream = await opened;
    assert.equal(String(await stream.rest()), "half");
    const trailers = stream.trailers();
    assert.equal(trailers["end-of-response"], "Truncated");
    assert.equal(trailers["lambda-runtime-function-error-type"], "Sandbox.Timeout");
    const body = Buffer.from(String(trailers["lambda-runtime-function-error-body"]), "base64").toString();
    assert.match(
      body,
      /^\{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: .* Error: Task timed out after 0.50/,
    );
    await played.environment.printed("Status: timeout");
  });

  it("an exit on the way is told in the trailers", async () => {
    const program = `const { id } = await next();
      const sent = http.request({ host, port, method: "POST", path: "/2018-06-01/runtime/invocation/" + id + "/response",
        headers: { "Lambda-Runtime-Function-Response-Mode": "streaming" } });
      sent.write("half", () => setTimeout(() => process.exit(3), 50));`;
    played = await startPlayed({ files: { bootstrap: runtimeProgram(`console.log("the runtime runs"); ${program}`) } });
    await whenReady(played);
    const stream = await open();
    assert.equal(String(await stream.rest()), "half");
    assert.equal(stream.trailers()["lambda-runtime-function-error-type"], "Sandbox.Failure");
    const body = Buffer.from(String(stream.trailers()["lambda-runtime-function-error-body"]), "base64").toString();
    assert.equal((JSON.parse(body) as { errorType: string }).errorType, "Runtime.ExitError");
    assert.match(body, /exit status 3/);
  });

  it("a caller who takes nothing holds the runtime back, and the agent keeps nothing", async function () {
    this.timeout(60_000);
    const { first } = await idle({ document: { timeoutSeconds: 50 } });
    const opened = open();
    const { sent, answer } = post(await first);
    let isWritten = false;
    sent.write(Buffer.alloc(mib, "x"));
    const stream = await opened;
    stream.message.pause();
    const before = process.memoryUsage().arrayBuffers;
    for (let n = 1; n < 64; n++) sent.write(Buffer.alloc(mib, "x"), () => (isWritten = n === 63));
    for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(isWritten, false);
    assert.ok(process.memoryUsage().arrayBuffers - before < 80 * mib);
    sent.end();
    let bytes = 0;
    for (let next = await stream.chunk(); next !== undefined; next = await stream.chunk()) bytes += next.length;
    assert.equal(bytes, 64 * mib);
    assert.equal(await answer, 202);
    assert.equal(stream.trailers()["end-of-response"], "Complete");
  });

  it("past 6 MiB a stream goes at its rate", async function () {
    this.timeout(60_000);
    const { first } = await idle({ document: { timeoutSeconds: 50, streamBytesPerSecond: 4 * mib } });
    const opened = open();
    const { sent } = post(await first);
    const began = performance.now();
    sent.end(Buffer.alloc(8 * mib, "x"));
    assert.equal((await (await opened).rest()).length, 8 * mib);
    assert.ok(performance.now() - began >= 490, "2 MiB at 4 MiB/s");
  });

  it("past 200 MiB a stream is too large: the caller has what came before, the runtime is told", async function () {
    this.timeout(120_000);
    const { first } = await idle({ document: { timeoutSeconds: 100 } });
    const opened = open();
    const { sent, answer } = post(await first);
    const chunk = Buffer.alloc(mib, "x");
    void (async () => {
      for (let n = 0; n < 201; n++) if (!sent.write(chunk)) await once(sent, "drain");
      sent.end();
    })();
    const stream = await opened;
    let bytes = 0;
    for (let next = await stream.chunk(); next !== undefined; next = await stream.chunk()) bytes += next.length;
    assert.ok(bytes <= 200 * mib && bytes > 199 * mib, String(bytes));
    assert.equal(stream.trailers()["end-of-response"], "Oversized");
    assert.equal(stream.trailers()["lambda-runtime-function-error-type"], "Function.ResponseSizeTooLarge");
    assert.equal(await answer, 413);
  });

  it("a caller who goes away does not stop the runtime", async () => {
    const { first } = await idle();
    const opened = open();
    const { sent, answer } = post(await first);
    sent.write("one");
    const stream = await opened;
    stream.message.destroy();
    for (let n = 0; n < 20; n++) sent.write(Buffer.alloc(256 * 1024));
    sent.end();
    assert.equal(await answer, 202);
    const second = take();
    const following = open();
    await played.runtime.respond(await second, "2");
    assert.equal(String(await (await following).rest()), "2");
  });
});
