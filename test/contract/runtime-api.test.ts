/** The Runtime API as runtimes see it: real sockets, a real agent and supervisor, the test in the runtime's place. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { buildSupervisor } from "../kit/build-supervisor.ts";
import { arn } from "../kit/agent-environment.ts";
import { exchange } from "../kit/exchange.ts";
import { requestIdOf, startPlayed, whenReady, type PlayedEnvironment } from "../kit/scripted-runtime.ts";

const largestBytes = 6_291_556;
const refused = (from: string, to: string): object => ({
  errorMessage: `State transition from ${from} to ${to} failed for runtime. Error: State transition is not allowed`,
  errorType: "InvalidStateTransition",
});
const invalidRequestId = { errorMessage: "Invalid request ID", errorType: "InvalidRequestID" };
const parsed = (answer: { readonly body: Buffer }): unknown => JSON.parse(answer.body.toString());

describe("Runtime API", () => {
  let played: PlayedEnvironment;

  before(async function () {
    this.timeout(120_000);
    await buildSupervisor();
  });
  afterEach(async () => played.environment.stop());

  /** An environment whose runtime is blocked in its first `next`. */
  async function idle(options: Parameters<typeof startPlayed>[0] = {}): Promise<{ first: ReturnType<typeof take> }> {
    played = await startPlayed(options);
    const first = take();
    await whenReady(played);
    return { first };
  }
  const take = (): ReturnType<PlayedEnvironment["runtime"]["next"]> => played.runtime.next();
  const invoke = (
    payload: Uint8Array | string = "{}",
    options: Parameters<PlayedEnvironment["environment"]["invoke"]>[1] = {},
  ): ReturnType<PlayedEnvironment["environment"]["invoke"]> => played.environment.invoke(payload, options);

  it("runtime-api 2, 3, 5, 7: next waits for an event and says whose it is and until when", async () => {
    const { first } = await idle({ document: { timeoutSeconds: 7 } });
    let isAnswered = false;
    void first.then(() => (isAnswered = true));
    await played.environment.state();
    assert.equal(isAnswered, false);
    const before = Date.now();
    const answer = invoke('{"a":1}', { requestId: "11111111-aaaa-4bbb-8ccc-000000000001" });
    const event = await first;
    assert.equal(event.status, 200);
    assert.equal(event.headers["lambda-runtime-aws-request-id"], "11111111-aaaa-4bbb-8ccc-000000000001");
    assert.equal(event.headers["lambda-runtime-invoked-function-arn"], arn);
    assert.equal(event.headers["content-type"], "application/json");
    assert.equal(event.headers["content-length"], "7");
    const deadlineMs = Number(event.headers["lambda-runtime-deadline-ms"]);
    assert.ok(Number.isInteger(deadlineMs) && deadlineMs >= before + 7000 && deadlineMs <= Date.now() + 7000);
    for (const absent of ["client-context", "cognito-identity", "trace-id", "aws-tenant-id"]) {
      assert.equal(event.headers[`lambda-runtime-${absent}`], undefined, absent);
    }
    assert.equal(event.body.toString(), '{"a":1}');
    await played.runtime.respond(requestIdOf(event), "null");
    assert.equal((await answer).body.toString(), "null");
  });

  it("runtime-api 4, 6, 32: the ARN as invoked, the client context decoded, a complete trace", async () => {
    const { first } = await idle();
    const answer = invoke("{}", {
      headers: {
        "x-kubelambda-function-arn": `${arn}:$LATEST`,
        "x-amz-client-context": Buffer.from('{"custom":{"ä":"€\\n"},\n"b":1}').toString("base64"),
        "x-amzn-trace-id": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
      },
    });
    const { headers } = await first;
    assert.equal(headers["lambda-runtime-invoked-function-arn"], `${arn}:$LATEST`);
    const context = Buffer.from(String(headers["lambda-runtime-client-context"]), "latin1").toString();
    assert.deepEqual(JSON.parse(context), { custom: { ä: "€\n" }, b: 1 });
    assert.match(String(headers["lambda-runtime-trace-id"]), /^Root=1-5759e988.*;Sampled=1$/);
    await played.runtime.respond(String(headers["lambda-runtime-aws-request-id"]), "1");
    await answer;
    const second = take();
    const untraced = invoke("{}", { headers: { "x-amzn-trace-id": "Root=1-5759e988-bd862e3fe1be46a994272793" } });
    const event = await second;
    assert.equal(event.headers["lambda-runtime-trace-id"], undefined);
    await played.runtime.respond(requestIdOf(event), "1");
    await untraced;
  });

  it("runtime-api 8, 9: a running event is handed out again, its response accepted", async () => {
    const { first } = await idle();
    const answer = invoke('{"again":true}', { headers: { "content-type": "text/plain" } });
    const event = await first;
    const again = await take();
    assert.equal(requestIdOf(again), requestIdOf(event));
    assert.deepEqual(again.body, event.body);
    assert.equal(again.headers["content-type"], "text/plain");
    const accepted = await played.runtime.respond(requestIdOf(event), '"ok"');
    assert.equal(accepted.status, 202);
    assert.equal(accepted.headers["content-type"], "application/json");
    assert.equal(accepted.body.toString(), '{"status":"OK"}\n');
    assert.equal(accepted.headers["content-length"], "16");
    const { status, body, headers } = await answer;
    assert.equal(status, 200);
    assert.equal(body.toString(), '"ok"');
    assert.equal(headers["x-amz-function-error"], undefined);
    assert.equal(headers["x-amz-executed-version"], "$LATEST");
  });

  it("runtime-api 10, 11, 12: only one answer, and only for the current id", async () => {
    const { first } = await idle();
    assert.deepEqual(parsed(await played.runtime.respond("whatever", "1")), invalidRequestId);
    const answer = invoke();
    const id = requestIdOf(await first);
    const other = await played.runtime.respond("00000000-0000-4000-8000-000000000000", "1");
    assert.equal(other.status, 400);
    assert.deepEqual(parsed(other), invalidRequestId);
    assert.deepEqual(parsed(await played.runtime.fail("00000000-0000-4000-8000-000000000000", "1")), invalidRequestId);
    assert.equal((await played.runtime.respond(id, "2")).status, 202);
    const twice = await played.runtime.respond(id, "3");
    assert.equal(twice.status, 403);
    assert.deepEqual(parsed(twice), refused("RuntimeResponseSentState", "InvocationResponse"));
    assert.deepEqual(
      parsed(await played.runtime.fail(id, "3")),
      refused("RuntimeResponseSentState", "InvocationErrorResponse"),
    );
    assert.equal((await answer).body.toString(), "2");
  });

  it("runtime-api 13, 14, 15: the largest response, one byte more, and the next event", async function () {
    this.timeout(60_000);
    const { first } = await idle({ document: { timeoutSeconds: 30 } });
    const largest = invoke();
    assert.equal((await played.runtime.respond(requestIdOf(await first), Buffer.alloc(largestBytes, "a"))).status, 202);
    const { body } = await largest;
    assert.ok(body.equals(Buffer.alloc(largestBytes, "a")));
    for (const length of [undefined, { "transfer-encoding": "chunked" }]) {
      const second = take();
      const tooLarge = invoke();
      const id = requestIdOf(await second);
      const sent = await played.runtime.respond(id, Buffer.alloc(largestBytes + 1), length && { headers: length });
      assert.equal(sent.status, 413);
      assert.deepEqual(parsed(sent), {
        errorMessage: "Exceeded maximum allowed payload size (6291556 bytes).",
        errorType: "RequestEntityTooLarge",
      });
      const told = await tooLarge;
      assert.equal(told.headers["x-amz-function-error"], "Unhandled");
      assert.equal(
        told.body.toString(),
        '{"errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes).","errorType":"Function.ResponseSizeTooLarge"}',
      );
    }
    const third = take();
    const ok = invoke('"third"');
    const event = await third;
    assert.equal(event.body.toString(), '"third"');
    await played.runtime.respond(requestIdOf(event), "3");
    assert.equal((await ok).body.toString(), "3");
  });

  it("runtime-api 16: the response mode is streaming, spelled exactly so, or absent", async () => {
    const { first } = await idle({ document: { timeoutSeconds: 0.4 } });
    const streamed = invoke();
    const streaming = { "lambda-runtime-function-response-mode": "streaming", "transfer-encoding": "chunked" };
    assert.equal((await played.runtime.respond(requestIdOf(await first), "{}", { headers: streaming })).status, 202);
    assert.equal((await streamed).body.toString(), "{}");
    const second = take();
    const answer = invoke();
    const id = requestIdOf(await second);
    const wrong = await played.runtime.respond(id, "{}", {
      headers: { "lambda-runtime-function-response-mode": "Streaming" },
    });
    assert.equal(wrong.status, 400);
    assert.deepEqual(parsed(wrong), {
      errorMessage: "Invalid function response mode",
      errorType: "InvalidFunctionResponseMode",
    });
    assert.deepEqual(parsed(await take()), refused("InvocationResponse", "Ready"));
    const { headers, body } = await answer;
    assert.equal(headers["x-amz-function-error"], "Unhandled");
    assert.equal(body.length, 0);
    await played.environment.printed("Error Type: Runtime.InvalidResponseModeHeader");
  });

  it("runtime-api 17, 18: a chunked response with announced but empty trailers is a success", async () => {
    const { first } = await idle();
    const answer = invoke();
    const names = "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body";
    const sent = await played.runtime.respond(requestIdOf(await first), '{"go":1}', {
      headers: { trailer: names, "content-type": "application/json" },
      trailers: {},
    });
    assert.equal(sent.status, 202);
    const { headers, body } = await answer;
    assert.equal(headers["x-amz-function-error"], undefined);
    assert.equal(body.toString(), '{"go":1}');
  });

  it("runtime-api 19: error trailers make a collected stream a function error with the decoded body", async () => {
    const { first } = await idle();
    const answer = invoke();
    const error = '{"errorType":"Late","errorMessage":"after the first byte"}';
    await played.runtime.respond(requestIdOf(await first), "partial", {
      headers: {
        trailer: "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body",
        "lambda-runtime-function-response-mode": "streaming",
      },
      trailers: {
        "Lambda-Runtime-Function-Error-Type": "Late",
        "Lambda-Runtime-Function-Error-Body": Buffer.from(error).toString("base64"),
      },
    });
    const { headers, body } = await answer;
    assert.equal(headers["x-amz-function-error"], "Unhandled");
    assert.equal(body.toString(), error);
  });

  it("runtime-api 20: a body that breaks off ends the invocation, and a client that still reads is told", async () => {
    const { first } = await idle();
    for (const event of [first, undefined]) {
      const taken = event ?? take();
      const answer = invoke();
      const id = requestIdOf(await taken);
      const [host, port] = played.environment.agent.runtimeApi.split(":");
      const socket = connect({ host: host!, port: Number(port), allowHalfOpen: true });
      const heard: Buffer[] = [];
      socket.on("data", (chunk: Buffer) => heard.push(chunk));
      const head = `POST /2018-06-01/runtime/invocation/${id}/response HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n`;
      socket.write(`${head}5\r\nhello\r\n`);
      socket.end();
      await once(socket, "close");
      const { headers, body } = await answer;
      assert.equal(headers["x-amz-function-error"], "Unhandled");
      assert.equal((JSON.parse(body.toString()) as { errorType: string }).errorType, "Runtime.TruncatedResponse");
      assert.match(Buffer.concat(heard).toString(), /^HTTP\/1.1 400 .*TruncatedHTTPRequest/s);
    }
  });

  const errorBodies: Record<string, { body: string; headers?: Record<string, string>; want: string }> = {
    "runtime-api 21: an error's body is the payload, whatever it is": { body: "abc", want: "abc" },
    "runtime-api 22: a type that is no type changes nothing": {
      body: '{"errorType":"x","errorMessage":"y"}',
      headers: { "lambda-runtime-function-error-type": "unhandled" },
      want: '{"errorType":"x","errorMessage":"y"}',
    },
    "runtime-api 24: an error cause is not for the caller": {
      body: '{"errorMessage":"m","errorCause":{"paths":[]},"errorType":"t"}',
      headers: { "content-type": "application/vnd.aws.lambda.error.cause+json" },
      want: '{"errorMessage":"m","errorType":"t"}',
    },
    "runtime-api 24: a broken error with a cause is said to be one": {
      body: '{"errorMessage":',
      headers: { "content-type": "application/vnd.aws.lambda.error.cause+json" },
      want: '"Invalid error body"',
    },
    "runtime-api 25: an X-Ray cause of 900 KiB fits into the headers": {
      body: "{}",
      headers: { "lambda-runtime-function-xray-error-cause": "x".repeat(900 * 1024) },
      want: "{}",
    },
  };
  for (const [title, { body, headers, want }] of Object.entries(errorBodies)) {
    it(title, async () => {
      const { first } = await idle();
      const answer = invoke("{}", { headers: { "x-amz-log-type": "Tail" } });
      assert.equal((await played.runtime.fail(requestIdOf(await first), body, headers)).status, 202);
      const told = await answer;
      assert.equal(told.headers["x-amz-function-error"], "Unhandled");
      assert.equal(told.body.toString(), want);
      const log = Buffer.from(String(told.headers["x-amz-log-result"]), "base64").toString();
      assert.doesNotMatch(log, /Status:/);
    });
  }

  it("runtime-api 26: init/error is accepted once and ends the init", async () => {
    played = await startPlayed();
    const { runtime, environment } = played;
    assert.equal((await runtime.failInit('{"errorType":"Mine","errorMessage":"why"}')).status, 202);
    const again = await runtime.failInit("{}");
    assert.equal(again.status, 403);
    assert.deepEqual(parsed(again), refused("InitError", "InitError"));
    assert.deepEqual(parsed(await runtime.next()), refused("InitError", "Ready"));
    const { init, state } = await environment.router.announced((said) => said.init !== undefined);
    assert.equal(state, "ready");
    assert.deepEqual({ ...init, durationMs: 0 }, { ok: false, durationMs: 0, errorType: "Mine", errorMessage: "why" });
  });

  for (const [said, want] of [
    ["Function.MyThing", "Function.MyThing"],
    ["foo", "Runtime.Unknown"],
  ] as const) {
    it(`runtime-api 23: a failed init of type ${said} is reported as ${want}`, async () => {
      played = await startPlayed();
      await played.runtime.failInit("{}", { "lambda-runtime-function-error-type": said });
      await played.environment.printed(`Phase: init\tStatus: error\tError Type: ${want}\n`);
    });
  }

  it("runtime-api 27: init/error is refused once next was called", async () => {
    await idle();
    const late = await played.runtime.failInit("{}");
    assert.equal(late.status, 403);
    assert.deepEqual(parsed(late), refused("Ready", "InitError"));
  });

  it("runtime-api 28, 29: what is not there, and what is not done that way", async () => {
    await idle();
    const { runtime, environment } = played;
    assert.equal((await runtime.call("/runtime/restore/next")).status, 404);
    assert.equal((await runtime.call("/runtime/nothing")).status, 404);
    assert.equal((await runtime.call("/runtime/invocation/next/")).status, 404);
    assert.equal((await runtime.call("/runtime/invocation/next", { method: "POST", body: "" })).status, 405);
    assert.equal((await runtime.call("/runtime/invocation/1/response")).status, 405);
    assert.equal((await exchange(environment.agent.runtimeApi, "/2020-08-15/nothing")).status, 404);
    const ping = await runtime.call("/ping");
    assert.equal(ping.status, 200);
    assert.equal(ping.body.toString(), "pong");
  });

  it("runtime-api 30, 31: the answer needs no next, the second event does", async () => {
    const { first } = await idle();
    const one = invoke('"one"');
    const id = requestIdOf(await first);
    await played.runtime.respond(id, "1");
    assert.equal((await one).body.toString(), "1");
    const two = invoke('"two"');
    const busy = await invoke('"three"');
    assert.equal(busy.status, 409);
    assert.equal((parsed(busy) as { code: string }).code, "Busy");
    const event = await take();
    assert.equal(event.body.toString(), '"two"');
    await played.runtime.respond(requestIdOf(event), "2");
    assert.equal((await two).body.toString(), "2");
  });

  it("runtime-api 34, 36: a body without a type and a form are raw bytes", async () => {
    const { first } = await idle();
    const untyped = invoke();
    await played.runtime.respond(requestIdOf(await first), '{"rust":1}');
    assert.equal((await untyped).body.toString(), '{"rust":1}');
    const second = take();
    const form = invoke();
    await played.runtime.respond(requestIdOf(await second), "a=b&c", {
      headers: { "content-type": "application/x-www-form-urlencoded" },
    });
    const { body, headers } = await form;
    assert.equal(body.toString(), "a=b&c");
    assert.equal(headers["content-type"], "application/x-www-form-urlencoded");
  });

  it("lifecycle 26, 35: a dropped next is forgotten, the next one gets the event on its connection", async () => {
    played = await startPlayed();
    const dropped = new AbortController();
    const first = played.runtime.next(dropped.signal);
    await whenReady(played);
    dropped.abort();
    await assert.rejects(first);
    const answer = invoke('"kept"');
    const event = await take();
    assert.equal(event.body.toString(), '"kept"');
    const accepted = await played.runtime.respond(requestIdOf(event), "1");
    assert.equal(accepted.localPort, event.localPort);
    assert.equal((await answer).body.toString(), "1");
  });
});
