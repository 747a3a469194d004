/** The Extensions API as extensions see it: real sockets, a real agent and supervisor, the test in the place of extensions and runtime. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { AgentEnvironment, arn, type EnvironmentOptions } from "../kit/agent-environment.ts";
import { buildSupervisor } from "../kit/build-supervisor.ts";
import { exchange, type Exchange } from "../kit/exchange.ts";
import { ScriptedExtension, silentExtension } from "../kit/scripted-extension.ts";
import { requestIdOf, ScriptedRuntime } from "../kit/scripted-runtime.ts";

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const parsed = (answer: Exchange): unknown => JSON.parse(answer.body.toString());
const both = { events: ["INVOKE", "SHUTDOWN"] };

function assertRefused(answer: Exchange, errorType: string, errorMessage?: string): void {
  const told = parsed(answer) as { errorType: string; errorMessage: string };
  assert.equal(answer.status, 403);
  assert.equal(answer.headers["content-type"], "application/json");
  assert.equal(told.errorType, errorType);
  if (errorMessage !== undefined) assert.equal(told.errorMessage, errorMessage);
}

const notAllowed = (from: string, to: string, whom: string): string =>
  `State transition from ${from} to ${to} failed for extension ${whom}. Error: State transition is not allowed`;

describe("Extensions API", () => {
  let environment: AgentEnvironment;
  let runtime: ScriptedRuntime;

  before(async function () {
    this.timeout(120_000);
    await buildSupervisor();
  });
  afterEach(async () => environment.stop());

  const extension = (name: string): ScriptedExtension => new ScriptedExtension(environment.agent.runtimeApi, name);
  const invoke = (): ReturnType<AgentEnvironment["invoke"]> => environment.invoke('{"for":"the runtime"}');

  /** An environment whose extension files, if there are any, run and have not called. */
  async function start(files: readonly string[] = [], options: EnvironmentOptions = {}): Promise<void> {
    const layerFiles = Object.fromEntries(files.map((file) => [`extensions/${file}`, silentExtension]));
    environment = await AgentEnvironment.start({ layerFiles, isUnwatched: true, ...options });
    runtime = new ScriptedRuntime(environment.agent.runtimeApi);
    for (const file of files) await environment.printed(`extension ${file} runs`);
    if (files.length === 0) await environment.printed("the runtime runs");
  }

  /** One with an extension file that has registered, and its runtime runs. */
  async function startRegistered(body: object = both, options: EnvironmentOptions = {}): Promise<ScriptedExtension> {
    await start(["agent.sh"], options);
    const registered = extension("agent.sh");
    assert.equal((await registered.register(body)).status, 200);
    await environment.printed("the runtime runs");
    return registered;
  }

  /** Ready for invocations: everybody waits in `next`. */
  async function untilReady(
    ...extensions: readonly ScriptedExtension[]
  ): Promise<{ readonly event: Promise<Exchange>; readonly heard: readonly Promise<Exchange>[] }> {
    const heard = extensions.map((each) => each.next());
    const event = runtime.next();
    await environment.router.announced(({ state }) => state === "ready");
    return { event, heard };
  }

  it("extensions-api 1: all files run before the runtime does, which waits for each to register", async () => {
    await start(["a", "b.sh"]);
    await extension("a").register(both);
    assert.doesNotMatch(environment.output, /the runtime runs/);
    await extension("b.sh").register({ events: [] });
    await environment.printed("the runtime runs");
  });

  it("extensions-api 2: directories and what is in them are not started", async () => {
    await start([], { layerFiles: { "extensions/folder/file": silentExtension } });
    assert.doesNotMatch(environment.output, /extension/);
  });

  it("extensions-api 4: a name that is no file's is an internal extension's", async () => {
    await start(["b.sh"]);
    const message = "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension";
    assertRefused(await extension("b").register(both), "Extension.InvalidEventType", message);
  });

  it("extensions-api 5, 6: who registers gets an identifier and hears whose function it is", async () => {
    await start(["agent.sh"]);
    const plain = await extension("internal").register({ events: ["INVOKE"], more: 1 });
    assert.match(String(plain.headers["lambda-extension-identifier"]), uuid);
    assert.equal(plain.headers["content-type"], "application/json");
    const function_ = { functionName: "probe", functionVersion: "$LATEST", handler: "index.handler" };
    assert.deepEqual(parsed(plain), function_);
    const account = await extension("agent.sh").register(both, { "lambda-extension-accept-feature": "foo, accountId" });
    assert.equal(account.status, 200);
    assert.deepEqual(parsed(account), { ...function_, accountId: arn.split(":")[4] });
  });

  it("extensions-api 7, 8, 9: names, bodies and events that are none", async () => {
    await start();
    const nobody = extension("");
    assertRefused(await nobody.register(both), "Extension.InvalidExtensionName", "Empty extension name");
    for (const [name, body] of Object.entries({ a: "{}", b: '{"events":null}', c: '{"events":[]}', d: "null" })) {
      assert.equal((await extension(name).register(body)).status, 200, body);
    }
    for (const body of ["", "{", "[]", '"INVOKE"', '{"events":"INVOKE"}', '{"events":[1]}']) {
      assertRefused(await extension("x").register(body), "InvalidRequestFormat");
    }
    assertRefused(await extension("x").register(""), "InvalidRequestFormat", "unexpected end of JSON input");
    const keys = await extension("x").register({ events: [], configurationKeys: ["a"] });
    const deprecated = "configurationKeys are deprecated; use environment variables instead";
    assertRefused(keys, "InvalidRequestFormat", deprecated);
    const lower = await extension("x").register({ events: ["invoke"] });
    assertRefused(lower, "Extension.InvalidEventType", "invoke: ErrorInvalidEventType");
    const large = await extension("x").register(`{"events":[],"more":"${"x".repeat(1024 * 1024)}"}`);
    assertRefused(large, "InvalidRequestFormat");
  });

  it("extensions-api 10, 11: nobody registers twice", async () => {
    await start(["agent.sh", "other"]);
    await extension("agent.sh").register(both);
    const again = await extension("agent.sh").register(both);
    const message = notAllowed("Registered", "Registered", "agent.sh");
    assertRefused(again, "Extension.InvalidExtensionState", message);
    assert.equal((await extension("internal").register({})).status, 200);
    const twice = await extension("internal").register({});
    assertRefused(twice, "Extension.InvalidExtensionState", "Extension with this name already registered");
  });

  it("extensions-api 12: ten are the limit, of both kinds together", async () => {
    await start(["agent.sh"]);
    for (let n = 1; n < 10; n++) assert.equal((await extension(`internal-${n}`).register({})).status, 200);
    const eleventh = await extension("internal-10").register({});
    assertRefused(eleventh, "Extension.TooManyExtensions", "Extension limit (10) reached");
  });

  it("extensions-api 13: registration closes with the runtime's first next", async () => {
    await start();
    await untilReady();
    const late = await extension("late").register({});
    assertRefused(late, "Extension.RegistrationClosed", "Extension registration closed already");
  });

  it("extensions-api 14: next without an identifier, with none and with one that nobody has", async () => {
    const registered = await startRegistered();
    const cases = {
      "": ["Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header"],
      abc: ["Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier"],
    } as const;
    for (const [id, [type, message]] of Object.entries(cases)) {
      registered.id = id;
      assertRefused(await registered.next(), type, message);
      assertRefused(await registered.reportError("init", "x"), type, message);
    }
    const id = randomUUID();
    registered.id = id;
    assertRefused(await registered.next(), "Extension.UnknownExtensionIdentifier", `Unknown extension ${id}`);
    for (const call of ["init", "exit"] as const) {
      const refused = await registered.reportError(call, "x");
      assertRefused(refused, "Extension.UnknownExtensionIdentifier", "Unknown Lambda-Extension-Identifier");
    }
  });

  it("extensions-api 15, lifecycle 35: one next at a time, and a new one once the first has gone", async () => {
    const registered = await startRegistered();
    const dropped = new AbortController();
    const first = registered.next(dropped.signal);
    const event = runtime.next();
    await environment.router.announced(({ state }) => state === "ready");
    const second = await registered.next();
    assertRefused(second, "Extension.InvalidExtensionState", notAllowed("Ready", "Ready", registered.id));
    dropped.abort();
    await assert.rejects(first);
    const third = registered.next();
    const answer = invoke();
    assert.equal((await third).status, 200);
    await runtime.respond(requestIdOf(await event), "1");
    await answer;
  });

  it("extensions-api 16, 17: a subscriber hears of the invocation what the runtime hears, but its payload", async () => {
    const registered = await startRegistered();
    const { event, heard } = await untilReady(registered);
    const trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    const answer = environment.invoke("{}", { headers: { "x-amzn-trace-id": trace } });
    const { headers } = await event;
    const told = await heard[0]!;
    assert.deepEqual(parsed(told), {
      eventType: "INVOKE",
      deadlineMs: Number(headers["lambda-runtime-deadline-ms"]),
      requestId: headers["lambda-runtime-aws-request-id"],
      invokedFunctionArn: arn,
      tracing: { type: "X-Amzn-Trace-Id", value: trace },
    });
    assert.match(String(told.headers["lambda-extension-event-identifier"]), uuid);
    assert.equal(told.headers["lambda-extension-identifier"], registered.id);
    assert.equal(told.headers["content-type"], "application/json");
    await runtime.respond(requestIdOf(await event), "1");
    await answer;
  });

  it("extensions-api 18, 19: init waits for everybody's next; who wants no INVOKE hears none and delays none", async () => {
    const registered = await startRegistered({ events: [] });
    const event = runtime.next();
    await environment.state();
    assert.deepEqual(environment.router.received, []);
    const heard = registered.next();
    await environment.router.announced(({ state }) => state === "ready");
    let isHeard = false;
    heard.then(
      () => (isHeard = true),
      () => undefined,
    );
    const answer = invoke();
    await runtime.respond(requestIdOf(await event), "1");
    await answer;
    const second = invoke();
    await runtime.serve("2");
    assert.equal((await second).body.toString(), "2");
    assert.equal(isHeard, false);
  });

  it("extensions-api 20: a slow subscriber holds up the next call, not the answer", async () => {
    const registered = await startRegistered();
    const { event, heard } = await untilReady(registered);
    const answer = invoke();
    await heard[0];
    await runtime.respond(requestIdOf(await event), "1");
    assert.equal((await answer).body.toString(), "1");
    const following = runtime.next();
    const second = environment.invoke('"second"');
    let isHandedOut = false;
    void following.then(() => (isHandedOut = true));
    await environment.state();
    assert.equal(isHandedOut, false);
    const heardAgain = registered.next();
    assert.equal((await following).body.toString(), '"second"');
    await runtime.respond(requestIdOf(await following), "2");
    await Promise.all([second, heardAgain]);
  });

  it("extensions-api 29: errors are reported with their type, in the states that have them", async () => {
    const registered = await startRegistered();
    const { id } = registered;
    assertRefused(
      await registered.reportError("init"),
      "Extension.MissingHeader",
      "Lambda-Extension-Function-Error-Type not found",
    );
    const accepted = await registered.reportError("init", "Extension.Mine");
    assert.equal(accepted.status, 202);
    assert.equal(accepted.body.toString(), '{"status":"OK"}\n');
    assert.equal((await registered.reportError("init", "again")).status, 202);
    const next = await registered.next();
    assertRefused(next, "Extension.InvalidExtensionState", notAllowed("InitError", "Ready", id));
    const exit = await registered.reportError("exit", "x");
    assertRefused(exit, "Extension.InvalidExtensionState", notAllowed("InitError", "Exited", id));
  });

  it("extensions-api 34: switched off, nothing is launched and there is no API", async () => {
    const layerFiles = { "extensions/agent.sh": silentExtension, "disable-extensions-jwigqn8j": "" };
    await start([], { layerFiles });
    for (const path of ["/2020-01-01/extension/register", "/2020-08-15/logs", "/2022-07-01/telemetry"]) {
      const { status, body } = await exchange(environment.agent.runtimeApi, path, { method: "POST", body: "{}" });
      assert.equal(status, 404);
      assert.equal(body.length, 0);
    }
    await untilReady();
    assert.doesNotMatch(environment.output, /agent\.sh/);
  });

  it("wrong methods and paths", async () => {
    await start();
    const { runtimeApi } = environment.agent;
    assert.equal((await exchange(runtimeApi, "/2020-01-01/extension/register")).status, 405);
    assert.equal((await exchange(runtimeApi, "/2020-01-01/extension/nothing")).status, 404);
  });
});
