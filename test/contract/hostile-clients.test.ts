/** Whatever function code sends to the agent: it is answered or cut off, and the next invocation works. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import fc from "fast-check";
import { buildSupervisor } from "../kit/build-supervisor.ts";
import { exchange } from "../kit/exchange.ts";
import { silentExtension } from "../kit/scripted-extension.ts";
import {
  requestIdOf,
  runtimeProgram,
  startPlayed,
  whenReady,
  type PlayedEnvironment,
} from "../kit/scripted-runtime.ts";
import { AgentEnvironment } from "../kit/agent-environment.ts";

const root = "/2018-06-01/runtime";
const closed = (socket: Socket): Promise<unknown> => new Promise((resolve) => socket.once("close", resolve));

describe("Hostile clients", () => {
  let played: PlayedEnvironment;

  before(async function () {
    this.timeout(120_000);
    await buildSupervisor();
  });
  afterEach(async () => played.environment.stop());

  async function idle(): Promise<{ readonly first: Promise<string> }> {
    played = await startPlayed();
    const first = take();
    await whenReady(played);
    return { first };
  }
  const take = async (): Promise<string> => requestIdOf(await played.runtime.next());
  const invoke = (): ReturnType<AgentEnvironment["invoke"]> => played.environment.invoke("{}");

  async function dial(): Promise<{ readonly socket: Socket; readonly heard: () => string }> {
    const [host, port] = played.environment.agent.runtimeApi.split(":");
    const socket = connect({ host: host!, port: Number(port) });
    const chunks: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.on("error", () => undefined);
    await once(socket, "connect");
    return { socket, heard: () => Buffer.concat(chunks).toString() };
  }
  const head = (id: string, length: number): string =>
    `POST ${root}/invocation/${id}/response HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n`;

  it("an answer that comes byte by byte is an answer", async () => {
    const { first } = await idle();
    const answer = invoke();
    const { socket } = await dial();
    for (const byte of `${head(await first, 5)}slow!`) {
      socket.write(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal((await answer).body.toString(), "slow!");
    socket.destroy();
  });

  it("answer and next in one piece are taken one after the other", async () => {
    const { first } = await idle();
    const answer = invoke();
    const { socket, heard } = await dial();
    socket.write(`${head(await first, 1)}1GET ${root}/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n`);
    assert.equal((await answer).body.toString(), "1");
    const second = invoke();
    while (!/Request-Id: (\S+)/i.test(heard())) await once(socket, "data");
    const id = /Request-Id: (\S+)/i.exec(heard())?.[1] ?? "";
    socket.write(`${head(id, 1)}2`);
    assert.equal((await second).body.toString(), "2");
    socket.destroy();
  });

  it("a length that is too great: what is missing never comes, the call breaks off", async () => {
    const { first } = await idle();
    const answer = invoke();
    const { socket } = await dial();
    socket.end(`${head(await first, 100)}short`);
    const told = JSON.parse((await answer).body.toString()) as { errorType: string };
    assert.equal(told.errorType, "Runtime.TruncatedResponse");
  });

  it("a length that is too small: what is too much is no request", async () => {
    const { first } = await idle();
    const answer = invoke();
    const { socket, heard } = await dial();
    socket.write(`${head(await first, 2)}12345`);
    assert.equal((await answer).body.toString(), "12");
    await closed(socket);
    assert.match(heard(), /^HTTP\/1\.1 202 [\s\S]*HTTP\/1\.1 400 /);
  });

  it("a second answer beside one that is under way is refused, and the first one counts", async () => {
    const { first } = await idle();
    const answer = invoke();
    const id = await first;
    const { socket } = await dial();
    socket.write(`${head(id, 5)}fir`);
    while ((await played.runtime.next()).status !== 403);
    assert.equal((await played.runtime.respond(id, "second")).status, 403);
    socket.write("st");
    assert.equal((await answer).body.toString(), "first");
    socket.destroy();
  });

  it("header lines without end, methods and versions that are none", async () => {
    await idle();
    for (const nonsense of [
      "\0\0\0\0",
      "GET",
      "BREW / HTTP/1.1\r\n\r\n",
      "GET / HTTP/9.9\r\n\r\n",
      "\r\n\r\nPOST x\r\n\r\n",
    ]) {
      const { socket } = await dial();
      socket.end(nonsense);
      await closed(socket);
    }
    const { socket, heard } = await dial();
    socket.write("GET / HTTP/1.1\r\n");
    for (let n = 0; n < 400 && !socket.destroyed; n++) socket.write(`x-${n}: ${"y".repeat(8000)}\r\n`);
    await closed(socket);
    assert.match(heard(), /^(HTTP\/1\.1 431 |$)/);
    assert.equal((await played.runtime.call("/ping")).status, 200);
  });

  it("a flood of extensions' calls leaves the invocations alone", async () => {
    const { first } = await idle();
    const { runtimeApi } = played.environment.agent;
    const calls = Array.from({ length: 500 }, (_, n) =>
      exchange(runtimeApi, "/2020-01-01/extension/register", {
        method: "POST",
        headers: { "lambda-extension-name": `flood-${n}` },
        body: '{"events":["INVOKE"]}',
      }),
    );
    const answer = invoke();
    await played.runtime.respond(await first, "through");
    assert.equal((await answer).body.toString(), "through");
    for (const { status } of await Promise.all(calls)) assert.equal(status, 403);
  });

  it("words of a megabyte where a few letters belong", async () => {
    const { first } = await idle();
    const long = "x".repeat(1_000_000);
    const answer = invoke();
    await played.runtime.respond(await first, "1", { headers: { "content-type": long } });
    assert.equal((await answer).headers["content-type"], "application/octet-stream");
    const named = await exchange(played.environment.agent.runtimeApi, "/2020-01-01/extension/register", {
      method: "POST",
      headers: { "lambda-extension-name": long },
      body: "{}",
    });
    assert.equal(named.status, 403);
    await played.environment.stop();
    played = await startPlayed();
    const type = `Runtime.A${"a".repeat(1_000_000)}`;
    assert.equal((await played.runtime.failInit("{}", { "lambda-runtime-function-error-type": type })).status, 202);
    await played.environment.printed("Status: error\tError Type: Runtime.Aaaa");
    assert.equal(((await played.environment.state()) as { state: string }).state, "ready");
  });

  it("fuzzed requests to every endpoint: the agent lives, and so does the environment", async function () {
    this.timeout(120_000);
    const bootstrap = runtimeProgram(`console.log("the runtime runs");
      for (;;) { try { const { id, body } = await next(); await respond(id, body); } catch { process.exit(1); } }`);
    played = await startPlayed({ files: { bootstrap } });
    await whenReady(played);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...templates), mutations, async (template, changes) => {
        const { socket } = await dial();
        socket.end(mutate(Buffer.from(template), changes));
        await Promise.race([closed(socket), played.runtime.call("/ping").then(() => socket.destroy())]);
        assert.equal((await played.runtime.call("/ping")).status, 200);
      }),
      { numRuns: 600 },
    );
    const answered = await played.environment.invoke('"after all"');
    assert.equal(answered.status, 200);
    assert.equal((await played.environment.invoke('"once more"')).body.toString(), '"once more"');
  });

  it("a flood of names does not keep an extension from registering", async () => {
    const environment = await AgentEnvironment.start({
      isUnwatched: true,
      layerFiles: { "extensions/real": silentExtension },
    });
    played = { environment, runtime: played.runtime };
    await environment.printed("extension real runs");
    const register = (name: string): ReturnType<typeof exchange> =>
      exchange(environment.agent.runtimeApi, "/2020-01-01/extension/register", {
        method: "POST",
        headers: { "lambda-extension-name": name },
        body: "{}",
      });
    const statuses = await Promise.all(Array.from({ length: 50 }, async (_, n) => (await register(`x-${n}`)).status));
    assert.equal(statuses.filter((status) => status === 200).length, 9);
    assert.equal((await register("real")).status, 200);
    await environment.printed("the runtime runs");
  });
});

const id = "11111111-2222-4333-8444-555555555555";
const post = (path: string, headers: string, body: string): string =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`;
const templates: readonly string[] = [
  `GET ${root}/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n`,
  post(`${root}/invocation/${id}/response`, "Lambda-Runtime-Function-Response-Mode: streaming\r\n", '{"a":1}'),
  `POST ${root}/invocation/${id}/response HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n`,
  post(
    `${root}/invocation/${id}/error`,
    "Content-Type: application/vnd.aws.lambda.error.cause+json\r\n",
    '{"errorCause":1}',
  ),
  post(`${root}/init/error`, "Lambda-Runtime-Function-Error-Type: x\r\n", "{}"),
  post("/2020-01-01/extension/register", "Lambda-Extension-Name: x\r\n", '{"events":["INVOKE"]}'),
  `GET /2020-01-01/extension/event/next HTTP/1.1\r\nHost: x\r\nLambda-Extension-Identifier: ${id}\r\n\r\n`,
  post(
    "/2020-01-01/extension/init/error",
    `Lambda-Extension-Identifier: ${id}\r\nLambda-Extension-Function-Error-Type: x\r\n`,
    "{}",
  ),
  `PUT /2022-07-01/telemetry HTTP/1.1\r\nHost: x\r\nLambda-Extension-Identifier: ${id}\r\nContent-Length: 2\r\n\r\n{}`,
];

interface Mutation {
  readonly at: number;
  readonly kind: "replace" | "insert" | "remove" | "double";
  readonly bytes: Uint8Array;
}
const mutations = fc.array(
  fc.record<Mutation>({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    kind: fc.constantFrom("replace", "insert", "remove", "double"),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 4 }),
  }),
  { maxLength: 6 },
);

function mutate(bytes: Buffer, changes: readonly Mutation[]): Buffer {
  return changes.reduce((all, { at, kind, bytes: more }) => {
    const index = Math.floor(at * all.length);
    const [before, after] = [all.subarray(0, index), all.subarray(index)];
    switch (kind) {
      case "replace":
        return Buffer.concat([before, more, after.subarray(more.length)]);
      case "insert":
        return Buffer.concat([before, more, after]);
      case "remove":
        return Buffer.concat([before, after.subarray(more.length)]);
      case "double":
        return Buffer.concat([before, after, after]);
    }
  }, bytes);
}
