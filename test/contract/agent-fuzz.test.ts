/** The agent outlives everything that anybody can send to its two ports, and what it does for others stays right. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { AgentEnvironment, type EnvironmentOptions } from "../kit/agent-environment.ts";
import { buildSupervisor } from "../kit/build-supervisor.ts";
import { exchange } from "../kit/exchange.ts";
import { sendRaw } from "../kit/raw-connection.ts";
import { runtimeProgram } from "../kit/scripted-runtime.ts";

const echo = "for (;;) { const { id, body } = await next(); await respond(id, body); }";
/** Hangs in its first init, then echoes: whatever spoke for it meanwhile, the second start is its own. */
const lateEcho =
  runtimeProgram(`if (!fs.existsSync(__filename + ".again")) { fs.writeFileSync(__filename + ".again", "");
  await sleep(600_000); } ${echo}`);
const id = "8476a536-e9f4-11e8-9739-2dfe598c3fcd";
const connectionLimitMs = 40;
const together = 16;
const parserErrors = new Set([400, 403, 404, 405, 408, 413, 417, 431, 500, 501, 505]);
const goodStatuses = new Set([200, 202]);

/** A request as a client would write it. */
function request(line: string, headers: readonly string[], body = ""): string {
  return [`${line} HTTP/1.1`, "Host: 127.0.0.1", ...headers, "", body].join("\r\n");
}

function post(path: string, body: string, headers: readonly string[] = []): string {
  return request(`POST ${path}`, [...headers, `Content-Length: ${Buffer.byteLength(body)}`], body);
}

const runtimeRequests = [
  request("GET /2018-06-01/ping", []),
  request("GET /2018-06-01/runtime/invocation/next", []),
  post(`/2018-06-01/runtime/invocation/${id}/response`, '"x"', ["Content-Type: application/json"]),
  request(
    `POST /2018-06-01/runtime/invocation/${id}/response`,
    ["Transfer-Encoding: chunked", "Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body"],
    "4\r\nabcd\r\n0\r\nLambda-Runtime-Function-Error-Type: Function.X\r\nLambda-Runtime-Function-Error-Body: e30=\r\n\r\n",
  ),
  post(`/2018-06-01/runtime/invocation/${id}/error`, '{"errorMessage":"m","errorType":"t"}', [
    "Lambda-Runtime-Function-Error-Type: Function.X",
    'Lambda-Runtime-Function-XRay-Error-Cause: {"working_directory":"/","exceptions":[],"paths":[]}',
    "Content-Type: application/vnd.aws.lambda.error.cause+json",
  ]),
  post("/2018-06-01/runtime/init/error", '{"errorMessage":"m"}'),
  post("/2020-01-01/extension/register", '{"events":["INVOKE"]}', [
    "Lambda-Extension-Name: probe",
    "Lambda-Extension-Accept-Feature: accountId",
  ]),
  request("GET /2020-01-01/extension/event/next", [`Lambda-Extension-Identifier: ${id}`]),
  post("/2020-01-01/extension/init/error", "{}", [
    `Lambda-Extension-Identifier: ${id}`,
    "Lambda-Extension-Function-Error-Type: Extension.X",
  ]),
  post("/2020-01-01/extension/exit/error", "{}", [
    `Lambda-Extension-Identifier: ${id}`,
    "Lambda-Extension-Function-Error-Type: Extension.X",
  ]),
  request(
    "PUT /2022-07-01/telemetry",
    [`Lambda-Extension-Identifier: ${id}`, "Content-Length: 127"],
    '{"schemaVersion":"2022-12-13","types":["platform"],"destination":{"protocol":"HTTP","URI":"http://sandbox.localdomain:4243/"}}',
  ),
];

const invocationRequests = [
  request("GET /healthz", []),
  request("GET /v1/state", ["Authorization: Bearer e30.e30"]),
  post(`/v1/invocations/${id}`, "{}", ["Authorization: Bearer e30.e30", "X-Amz-Log-Type: Tail"]),
];

type Change = {
  readonly at: number;
  readonly what: "set" | "insert" | "cut" | "twice" | "splice";
  readonly bytes: Uint8Array;
};

const change: fc.Arbitrary<Change> = fc.record({
  at: fc.nat(2000),
  what: fc.constantFrom("set", "set", "insert", "cut", "twice", "splice"),
  bytes: fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 4 }),
    fc
      .constantFrom(
        "\r\n",
        "\r\n\r\n",
        "\0",
        "Content-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\n",
        "-1",
        "99999999999",
        "%2e%2e/",
        "é",
      )
      .map((text) => Buffer.from(text)),
  ),
});

function mutate(bytes: Buffer, changes: readonly Change[]): Buffer {
  let mutated = bytes;
  for (const { at, what, bytes: added } of changes) {
    const place = at % (mutated.length + 1);
    const [before, after] = [mutated.subarray(0, place), mutated.subarray(place)];
    switch (what) {
      case "set":
        mutated = Buffer.concat([before, added, after.subarray(added.length)]);
        break;
      case "insert":
        mutated = Buffer.concat([before, added, after]);
        break;
      case "cut":
        mutated = before;
        break;
      case "twice":
        mutated = Buffer.concat([mutated, mutated]);
        break;
      case "splice":
        mutated = Buffer.concat([after, before]);
        break;
    }
  }
  return mutated;
}

/** What one hostile client sends, and where its packets end. */
function attack(requests: readonly string[]): fc.Arbitrary<Buffer[]> {
  return fc
    .record({
      parts: fc.array(fc.constantFrom(...requests), { minLength: 1, maxLength: 3 }),
      changes: fc.array(change, { maxLength: 6 }),
      cuts: fc.array(fc.nat(1500), { maxLength: 3 }),
    })
    .map(({ parts, changes, cuts }) => {
      const bytes = mutate(Buffer.from(parts.join("")), changes);
      const places = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort(
        (a, b) => a - b,
      );
      return places.slice(1).map((place, i) => bytes.subarray(places[i], place));
    });
}

describe("the agent and hostile clients", function () {
  this.timeout(90_000);
  let environment: AgentEnvironment;

  before(async () => {
    await buildSupervisor();
  });
  afterEach(async () => await environment.stop());

  async function start(bootstrap: string, options: EnvironmentOptions = {}): Promise<void> {
    environment = await AgentEnvironment.start({ files: { bootstrap }, ...options });
  }

  /** Every answer begins as HTTP does, with a status of ours or of the parser. */
  async function survive(address: string, requests: readonly string[], runs: number, seed: number): Promise<void> {
    const attacks = fc.sample(attack(requests), { numRuns: runs, seed });
    for (let i = 0; i < attacks.length; i += together) {
      const answers = await Promise.all(
        attacks.slice(i, i + together).map((pieces) => sendRaw(address, pieces, connectionLimitMs)),
      );
      for (const { answer } of answers) {
        if (answer.length === 0) continue;
        const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer.toString("latin1"))?.[1]);
        assert.ok(parserErrors.has(status) || goodStatuses.has(status) || status === 401, answer.toString("latin1"));
      }
    }
    // Whoever dials last is heard last: nothing of an attack is still on its way.
    for (let round = 0; round < 3; round++) await exchange(address, "/");
  }

  async function requireServing(): Promise<void> {
    const { status, body } = await environment.invoke('{"still":"here"}');
    assert.equal(body.toString(), '{"still":"here"}');
    assert.equal(status, 200);
    const faults = environment.agentLog.filter((line) => line.includes("Cannot serve a request"));
    assert.deepEqual(faults, []);
  }

  it("serves on after 800 mutated requests to the port of runtimes and extensions", async () => {
    await start(runtimeProgram(echo));
    await survive(environment.agent.runtimeApi, runtimeRequests, 800, 1);
    await requireServing();
  });

  it("serves on after 400 mutated requests during its init, whatever they made of it", async () => {
    await start(lateEcho, { isUnwatched: true, document: { initTimeoutMs: 5000, timeoutSeconds: 20 } });
    await survive(environment.agent.runtimeApi, runtimeRequests, 400, 2);
    await environment.router.announced(({ init }) => init !== undefined);
    await requireServing();
  });

  it("serves on after 400 mutated requests to the port of routers, and runs none of them", async () => {
    await start(runtimeProgram(echo));
    await survive(environment.agent.address, invocationRequests, 400, 3);
    assert.equal(environment.output.includes("START RequestId"), false);
    await requireServing();
  });

  it("serves an invocation while 500 connections say nothing", async () => {
    await start(runtimeProgram(echo));
    const silent = Array.from({ length: 500 }, () => sendRaw(environment.agent.runtimeApi, [], 1500));
    await requireServing();
    await Promise.all(silent);
    await requireServing();
  });

  it("serves an invocation while clients drip a header, a chunk size or a body", async () => {
    await start(runtimeProgram(echo));
    const drips = [
      "GET /2018-06-01/ping HTTP/1.1\r\nX-A: bbbbbbbbbbbbbbbbbbbb",
      `POST /2018-06-01/runtime/invocation/${id}/response HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n00000000000000000001`,
      `POST /2018-06-01/runtime/invocation/${id}/error HTTP/1.1\r\nContent-Length: 4000000\r\n\r\nabcdefghijklmnopqrst`,
    ];
    const dripping = drips.map((text) =>
      sendRaw(
        environment.agent.runtimeApi,
        Array.from(text, (letter) => Buffer.from(letter)),
        1000,
      ),
    );
    await requireServing();
    await Promise.all(dripping);
    await requireServing();
  });
});
