/** Extensions as processes: how they start, what their ends do, how they are shut down. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { AgentEnvironment, type EnvironmentOptions } from "../kit/agent-environment.ts";
import { buildSupervisor } from "../kit/build-supervisor.ts";
import type { Exchange } from "../kit/exchange.ts";
import { extensionProgram } from "../kit/scripted-extension.ts";
import { runtimeProgram } from "../kit/scripted-runtime.ts";

const parsed = (answer: Exchange): unknown => JSON.parse(answer.body.toString());

/** Answers with its own pid and what it finds under the name that the event asks for; prints SIGTERM when it hears it. */
const runtime = runtimeProgram(`
  process.on("SIGTERM", () => { console.log("runtime heard SIGTERM at", Date.now()); setTimeout(() => process.exit(0), 150); });
  for (;;) {
    const { id, body } = await next();
    const { exit, hang } = JSON.parse(body);
    if (hang) await sleep(60_000);
    if (exit !== undefined) process.exit(exit);
    await respond(id, JSON.stringify({ pid: process.pid }));
  }`);

/** Prints every event that it gets, and its identifier at the beginning. */
const talkative = extensionProgram(`
  await register(["INVOKE", "SHUTDOWN"]);
  console.log(name, "is", id);
  for (;;) {
    const event = await next();
    console.log(name, "got", JSON.stringify({ ...event, leftMs: event.deadlineMs - Date.now(), at: Date.now() }));
    if (event.eventType === "SHUTDOWN") process.exit(0);
  }`);

interface Got {
  readonly eventType: string;
  readonly shutdownReason?: string;
  readonly leftMs: number;
  readonly at: number;
}

describe("Extensions", () => {
  let environment: AgentEnvironment;

  before(async function () {
    this.timeout(120_000);
    await buildSupervisor();
  });
  afterEach(async () => environment.stop());

  /** `extensions`: file → program. */
  async function start(extensions: Readonly<Record<string, string>>, options: EnvironmentOptions = {}): Promise<void> {
    const layerFiles = Object.fromEntries(
      Object.entries(extensions).map(([file, text]) => [`extensions/${file}`, text]),
    );
    environment = await AgentEnvironment.start({ files: { bootstrap: runtime }, layerFiles, ...options });
  }
  const invoke = (event: object = {}, options = {}): ReturnType<AgentEnvironment["invoke"]> =>
    environment.invoke(JSON.stringify(event), options);
  const pidOf = async (): Promise<number> => (parsed(await invoke()) as { pid: number }).pid;
  const gotBy = (name: string): Got[] =>
    environment.output
      .split("\n")
      .filter((line) => line.startsWith(`${name} got `))
      .map((line) => JSON.parse(line.slice(name.length + 5)) as Got);
  const assertError = (answer: Awaited<ReturnType<typeof invoke>>, errorType: string, message: string): void => {
    assert.equal(answer.headers["x-amz-function-error"], "Unhandled");
    assert.deepEqual(parsed(answer), {
      errorType,
      errorMessage: `RequestId: ${answer.requestId} Error: ${message}`,
    });
  };

  const places: Record<string, EnvironmentOptions> = {
    "beside the runtime": {},
    "in a container of its own": { ownContainers: ["talkative"] },
  };
  for (const [place, options] of Object.entries(places)) {
    it(`extensions-api 22, 23, lifecycle 28: ${place}, idle removal asks the runtime first, then the extension`, async () => {
      await start({ talkative }, options);
      await pidOf();
      await environment.printed('"eventType":"INVOKE"');
      await environment.agent.stop();
      assert.equal(await environment.agent.ended, 0);
      const [, shutdown] = gotBy("talkative");
      assert.equal(shutdown?.eventType, "SHUTDOWN");
      assert.equal(shutdown.shutdownReason, "SPINDOWN");
      assert.ok(shutdown.leftMs > 0 && shutdown.leftMs <= 2000, `${shutdown.leftMs} ms are left`);
      const askedAt = Number(/runtime heard SIGTERM at (\d+)/.exec(environment.output)?.[1]);
      assert.ok(shutdown.at >= askedAt + 140, "the runtime had no time to end");
      for (const supervisor of [environment.supervisor, ...environment.extensionSupervisors.values()]) {
        if (supervisor.exitCode === null) await once(supervisor, "close");
        assert.equal(supervisor.exitCode, 0);
      }
    });

    it(`extensions-api 32, lifecycle 4: ${place}, a timeout resets everything and identifiers are new`, async () => {
      await start({ talkative }, { ...options, document: { timeoutSeconds: 0.6 } });
      const late = await invoke({ hang: true });
      assertError(late, "Sandbox.Timedout", "Task timed out after 0.60 seconds");
      await environment.printed('"shutdownReason":"TIMEOUT"');
    });
  }

  it("extensions-api 32: the next call after a reset finds new processes, which have new identifiers", async () => {
    await start({ talkative });
    const before = await pidOf();
    assertError(await invoke({ exit: 3 }), "Runtime.ExitError", "Runtime exited with error: exit status 3");
    assert.notEqual(await pidOf(), before);
    await environment.printed('"shutdownReason":"FAILURE"');
    const ids = [...environment.output.matchAll(/talkative is (\S+)/g)].map(([, id]) => id);
    assert.equal(new Set(ids).size, 2);
  });

  it("extensions-api 3: a file that cannot be executed fails the init", async () => {
    await start({ plain: "no program\n" });
    const answer = await invoke();
    const message = `fork/exec ${environment.folder}/layers/extensions/plain: permission denied`;
    assertError(answer, "Extension.LaunchError", message);
    await environment.printed("EXTENSION\tName: plain\tState: LaunchError\tEvents: []\tError Type: PermissionDenied\n");
  });

  it("an eleventh file: too many", async () => {
    await start(Object.fromEntries(Array.from({ length: 11 }, (_, n) => [`talkative-${n}`, talkative])));
    assertError(await invoke(), "Extension.LaunchError", "Extension limit (10) reached");
    await environment.printed("\tState: LaunchError\tEvents: []\tError Type: TooManyExtensions\n");
    assert.doesNotMatch(environment.output, / is /);
  });

  const ends: Record<string, { program: string; errorType: string; message: string }> = {
    "lifecycle 19: an exit in init": {
      program: "process.exit(1);",
      errorType: "Extension.Crash",
      message: "exit status 1",
    },
    "an exit 0 in init": {
      program: 'await register(["INVOKE"]); process.exit(0);',
      errorType: "Extension.Crash",
      message: "exit code 0",
    },
    "a kill in init": {
      program: 'await register([]); process.kill(process.pid, "SIGKILL"); await sleep(60_000);',
      errorType: "Extension.Crash",
      message: "signal: killed",
    },
    "extensions-api 30: init/error and then an exit": {
      program: 'await register(["INVOKE"]); await reportError("init"); process.exit(1);',
      errorType: "Extension.InitError",
      message: "exit status 1",
    },
    "extensions-api 31: exit/error and then an exit in a call": {
      program: 'await register(["INVOKE"]); await next(); await reportError("exit"); process.exit(2);',
      errorType: "Extension.ExitError",
      message: "exit status 2",
    },
    "an exit in a call": {
      program: 'await register(["INVOKE"]); await next(); process.exit(2);',
      errorType: "Extension.Crash",
      message: "exit status 2",
    },
  };
  for (const [title, { program, errorType, message }] of Object.entries(ends)) {
    it(title, async () => {
      await start({ broken: extensionProgram(program) });
      assertError(await invoke({ hang: true }), errorType, message);
      await environment.printed(`Status: error\tError Type: ${errorType}\n`);
    });
  }

  it("lifecycle 24: of two ends the first is told", async () => {
    await start(
      { first: extensionProgram('await register(["INVOKE"]); await next(); process.exit(4);') },
      {
        files: {
          bootstrap: runtimeProgram(
            `const { id } = await next(); process.on("SIGTERM", () => process.exit(5)); await sleep(60_000);`,
          ),
        },
      },
    );
    assertError(await invoke(), "Extension.Crash", "exit status 4");
  });

  it("extensions-api 28, lifecycle 20: an exit while idle is made good by the next call", async () => {
    await start({
      short: extensionProgram(
        'await register(["INVOKE"]); console.log("short began"); await next(); setTimeout(() => process.exit(0), 50); await next();',
      ),
      talkative,
    });
    const before = await pidOf();
    await environment.printed('"shutdownReason":"FAILURE"');
    assert.notEqual(await pidOf(), before);
    await environment.printed("short began", 2);
  });

  it("extensions-api 21, lifecycle 23: a subscriber that does not come back is a timeout, the answer stands", async () => {
    await start(
      {
        stuck: extensionProgram('await register(["INVOKE", "SHUTDOWN"]); await next(); await sleep(60_000);'),
        talkative,
      },
      { document: { timeoutSeconds: 0.6 } },
    );
    const first = await invoke();
    assert.equal(first.headers["x-amz-function-error"], undefined);
    await environment.printed('"shutdownReason":"TIMEOUT"');
    await environment.printed("Status: timeout\n");
    assert.notEqual(await pidOf(), (parsed(first) as { pid: number }).pid);
  });

  it("extensions-api 24, 25: SIGTERM and 500 ms with an internal extension", async () => {
    const internal = `const registered = await new Promise((resolve) => http.request(
      { host, port, method: "POST", path: "/2020-01-01/extension/register", headers: { "Lambda-Extension-Name": "inside" } },
      (answer) => { answer.resume(); resolve(answer.headers["lambda-extension-identifier"]); }).end('{"events":null}'));
      http.get({ host, port, path: "/2020-01-01/extension/event/next", headers: { "Lambda-Extension-Identifier": registered } });
      process.on("SIGTERM", () => { console.log("heard SIGTERM"); setTimeout(() => console.log("after 100"), 100); setTimeout(() => console.log("after 5000"), 5000); });
      for (;;) { const { id } = await next(); await respond(id, "1"); }`;
    await start({}, { files: { bootstrap: runtimeProgram(internal) } });
    await invoke();
    await environment.agent.stop();
    assert.equal(await environment.agent.ended, 0);
    await environment.printed("after 100");
    assert.match(environment.output, /heard SIGTERM/);
    assert.doesNotMatch(environment.output, /after 5000/);
  });

  it("extensions-api 26, 27: who ignores SHUTDOWN is killed at its deadline, who did not ask for it at once", async function () {
    this.timeout(30_000);
    const deaf =
      'for (;;) { const event = await next(); if (event.eventType === "SHUTDOWN") { console.log("deaf"); await sleep(60_000); } }';
    await start({
      deaf: extensionProgram(`await register(["SHUTDOWN"]); ${deaf}`),
      unasked: extensionProgram(
        `process.on("SIGTERM", () => console.log("unasked heard SIGTERM")); await register(["INVOKE"]); for (;;) await next();`,
      ),
    });
    await invoke();
    const began = performance.now();
    await environment.agent.stop();
    const tookMs = performance.now() - began;
    await environment.printed("deaf");
    assert.doesNotMatch(environment.output, /unasked heard/);
    assert.ok(tookMs >= 1990, `${tookMs} ms`);
    assert.equal(await environment.agent.ended, 0);
  });

  it("extensions-api 33: an extension's environment is the function's, less what is the runtime's", async () => {
    await start(
      { env: extensionProgram("console.log(JSON.stringify(process.env)); await register([]); for (;;) await next();") },
      { document: { variables: { MINE: "$(HOME) ä" } } },
    );
    const line = environment.output.split("\n").find((each) => each.startsWith("{"));
    const variables = JSON.parse(line!) as Record<string, string>;
    assert.equal(variables["MINE"], "$(HOME) ä");
    assert.equal(variables["AWS_LAMBDA_RUNTIME_API"], environment.agent.runtimeApi);
    assert.equal(variables["AWS_LAMBDA_FUNCTION_NAME"], "probe");
    const own = ["_HANDLER", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR", "AWS_EXECUTION_ENV", "AWS_XRAY_CONTEXT_MISSING"];
    for (const name of own) assert.equal(variables[name], undefined, name);
  });

  it("runtime-api 37: an extension that asks for events in the runtime's place serves them", async () => {
    const adapter = `await register([]);
      const runtime = (method, path, body) => new Promise((resolve, reject) => {
        const sent = http.request({ host, port, agent, method, path: "/2018-06-01/runtime/invocation/" + path }, (answer) => {
          const chunks = [];
          answer.on("data", (chunk) => chunks.push(chunk));
          answer.on("end", () => resolve({ headers: answer.headers, body: Buffer.concat(chunks).toString() }));
        });
        sent.on("error", reject);
        sent.end(body);
      });
      next();
      for (;;) {
        const { headers, body } = await runtime("GET", "next");
        await runtime("POST", headers["lambda-runtime-aws-request-id"] + "/response", "adapted " + body);
      }`;
    await start({ adapter: extensionProgram(adapter) }, { files: { bootstrap: "#!/bin/sh\nexec sleep 1000\n" } });
    for (const n of [1, 2]) assert.equal((await environment.invoke(String(n))).body.toString(), `adapted ${n}`);
  });

  it("the loss of an extension's container is the end of the environment", async () => {
    await start({ talkative }, { ownContainers: ["talkative"] });
    const running = invoke({ hang: true });
    await environment.printed('"eventType":"INVOKE"');
    environment.extensionSupervisors.get("talkative")?.kill("SIGKILL");
    const answer = await running;
    assert.equal(answer.headers["x-amz-function-error"], "Unhandled");
    assert.equal(await environment.agent.ended, 1);
  });

  it("extensions-api 35, telemetry-api 35: EXTENSION stands in the log before START", async () => {
    await start({ talkative });
    await invoke();
    const line = "EXTENSION\tName: talkative\tState: Ready\tEvents: [INVOKE, SHUTDOWN]\n";
    await environment.printed("START RequestId");
    assert.ok(environment.output.indexOf(line) < environment.output.indexOf("START RequestId"), environment.output);
    assert.ok(environment.output.includes(line));
  });
});
