/** The life of an execution environment: real processes under a real supervisor, and how they fail. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { AgentEnvironment, type EnvironmentOptions } from "../kit/agent-environment.ts";
import { buildSupervisor } from "../kit/build-supervisor.ts";
import type { Exchange } from "../kit/exchange.ts";
import { waitUntil } from "../cluster/wait-until.ts";
import { runtimeProgram } from "../kit/scripted-runtime.ts";

interface Told {
  readonly errorType?: string;
  readonly errorMessage?: string;
}
type Answered = Exchange & { readonly requestId: string };

const tail = { headers: { "x-amz-log-type": "Tail" } };
const parsed = (answer: Exchange): unknown => JSON.parse(answer.body.toString());
const logOf = (answer: Exchange): string =>
  Buffer.from(String(answer.headers["x-amz-log-result"]), "base64").toString();

function isGone(pid: number): boolean {
  try {
    return !process.kill(pid, 0);
  } catch {
    return true;
  }
}

/** Serves each event by what it asks for; `starts` is a file in the task directory that counts the starts. */
const versatile = runtimeProgram(`
  fs.appendFileSync("starts", "x");
  let served = 0;
  for (;;) {
    const { id, body } = await next();
    const { say, error, exit, kill, hang, leave, until } = JSON.parse(body);
    if (say !== undefined) console.log(say);
    if (until) while (!fs.existsSync(until)) await sleep(2);
    if (hang) await sleep(60_000);
    if (exit !== undefined) process.exit(exit);
    if (kill) { process.kill(process.pid, kill); await sleep(60_000); }
    if (error) { await fail(id, error); continue; }
    const starts = fs.readFileSync("starts", "utf8").length;
    await respond(id, JSON.stringify({ pid: process.pid, served: ++served, starts }));
    if (leave) process.exit(0);
  }`);

describe("Execution environment", () => {
  let environment: AgentEnvironment;

  before(async function () {
    this.timeout(120_000);
    await buildSupervisor();
  });
  afterEach(async () => environment.stop());

  async function start(bootstrap: string, document: EnvironmentOptions["document"] = {}): Promise<void> {
    environment = await AgentEnvironment.start({ files: { bootstrap }, document });
  }
  const invoke = (event: object, options = {}): Promise<Answered> => environment.invoke(JSON.stringify(event), options);
  const assertError = (answer: Answered, errorType: string, message: string): void => {
    assert.equal(answer.status, 200);
    assert.equal(answer.headers["x-amz-function-error"], "Unhandled");
    const payload = { errorType, errorMessage: `RequestId: ${answer.requestId} Error: ${message}` };
    assert.equal(answer.body.toString(), JSON.stringify(payload));
  };

  it("lifecycle 1: a handler's error is the caller's, and the process stays", async () => {
    await start(versatile);
    const before = parsed(await invoke({})) as { pid: number };
    const failed = await invoke({ error: '{"errorType":"E","trace":[]}' });
    assert.equal(failed.headers["x-amz-function-error"], "Unhandled");
    assert.equal(failed.body.toString(), '{"errorType":"E","trace":[]}');
    assert.equal((parsed(await invoke({})) as { pid: number }).pid, before.pid);
  });

  it("lifecycle 2, 3, 29, 31: a timeout is told at the deadline, files stay, memory does not", async () => {
    await start(versatile, { timeoutSeconds: 0.5 });
    const began = performance.now();
    const late = await invoke({ hang: true }, tail);
    const tookMs = performance.now() - began;
    assert.ok(tookMs >= 490, `took ${tookMs} ms`);
    assertError(late, "Sandbox.Timedout", "Task timed out after 0.50 seconds");
    assert.match(logOf(late), /\tDuration: 500\.00 ms\t.*\tInit Duration: [\d.]+ ms\tStatus: timeout\n$/);
    const after = await invoke({}, tail);
    assert.deepEqual({ ...(parsed(after) as object), pid: 0 }, { pid: 0, served: 1, starts: 2 });
    assert.doesNotMatch(logOf(after), /Init Duration/);
    const durationMs = Number(/\tDuration: ([\d.]+) ms/.exec(logOf(after))?.[1]);
    assert.ok(durationMs > 15, `the init counts into ${durationMs} ms`);
  });

  const exits: Record<string, { event: object; message: string }> = {
    "lifecycle 5: exit(0) gives no reason": {
      event: { exit: 0 },
      message: "Runtime exited without providing a reason",
    },
    "lifecycle 6: exit(3) gives its status": {
      event: { exit: 3 },
      message: "Runtime exited with error: exit status 3",
    },
    "lifecycle 7: SIGKILL is told by Go's word for it": {
      event: { kill: "SIGKILL" },
      message: "Runtime exited with error: signal: killed",
    },
    "lifecycle 7: so is a segmentation fault": {
      event: { kill: "SIGSEGV" },
      message: "Runtime exited with error: signal: segmentation fault",
    },
  };
  for (const [title, { event, message }] of Object.entries(exits)) {
    it(title, async () => {
      await start(versatile);
      const answer = await invoke(event, tail);
      assertError(answer, "Runtime.ExitError", message);
      assert.match(logOf(answer), /\tStatus: error\tError Type: Runtime\.ExitError\n$/);
      assert.equal((parsed(await invoke({})) as { starts: number }).starts, 2);
    });
  }

  it("lifecycle 8, 34: an exit in init repeats the init in the first call and in each later one", async () => {
    await start(runtimeProgram('fs.appendFileSync("starts", "x"); console.log("top level"); process.exit(7);'));
    const message = "Runtime exited with error: exit status 7";
    assertError(await invoke({}), "Runtime.ExitError", message);
    await environment.printed("top level", 2);
    assertError(await invoke({}), "Runtime.ExitError", message);
    await environment.printed("top level", 3);
    await environment.printed("Phase: invoke\tStatus: error\tError Type: Runtime.ExitError\n", 2);
    assert.equal(environment.output.split("Phase: init").length, 2);
    const { init } = await environment.router.announced((said) => said.init?.ok === false);
    assert.equal(init?.errorType, "Runtime.ExitError");
  });

  it("lifecycle 9, 10: what init/error says reaches the caller unchanged", async () => {
    const body = '{"errorMessage":"no module","errorType":"Runtime.ImportModuleError","requestId":"","stackTrace":[]}';
    await start(runtimeProgram(`await failInit(${JSON.stringify(body)}); process.exit(1);`));
    const answer = await invoke({});
    assert.equal(answer.headers["x-amz-function-error"], "Unhandled");
    assert.equal(answer.headers["content-type"], "application/json");
    assert.equal(answer.body.toString(), body);
    const { init } = await environment.router.announced((said) => said.init?.ok === false);
    assert.equal(init?.errorMessage, "no module");
  });

  const slowTop = runtimeProgram(`console.log("top level"); await sleep(600);
    for (;;) { const { id } = await next(); await respond(id, '"served"'); }`);

  it("lifecycle 11, 13: an init past its limit is repeated inside the call", async () => {
    await start(slowTop, { initTimeoutMs: 300, timeoutSeconds: 10 });
    const answer = await invoke({}, tail);
    assert.equal(answer.body.toString(), '"served"');
    const durationMs = Number(/\tDuration: ([\d.]+) ms/.exec(logOf(answer))?.[1]);
    assert.ok(durationMs >= 600, `the init counts into ${durationMs} ms`);
    assert.match(environment.output, /INIT_REPORT Init Duration: (29|3\d)\d\.\d\d ms\tPhase: init\tStatus: timeout\n/);
    await environment.router.announced(({ init }) => init?.ok === true);
  });

  it("lifecycle 12: an init past the call's own time is a timeout", async () => {
    await start(slowTop, { initTimeoutMs: 200, timeoutSeconds: 0.4 });
    assertError(await invoke({}), "Sandbox.Timedout", "Task timed out after 0.40 seconds");
    await environment.printed("Phase: invoke\tStatus: timeout\n");
  });

  it("lifecycle 16: without a bootstrap the paths tried are named", async () => {
    environment = await AgentEnvironment.start({ files: { "readme.txt": "nothing" } });
    const { folder } = environment;
    const message = `Couldn't find valid bootstrap(s): [${folder}/task/bootstrap ${folder}/layers/bootstrap]`;
    assertError(await invoke({}), "Runtime.InvalidEntrypoint", message);
  });

  it("lifecycle 17, 18: a bootstrap that cannot be executed", async () => {
    environment = await AgentEnvironment.start({ files: { bootstrap: { bytes: "#!/bin/sh\n", mode: 0o644 } } });
    const path = `${environment.folder}/task/bootstrap`;
    assertError(await invoke({}), "Runtime.InvalidEntrypoint", `fork/exec ${path}: permission denied`);
  });

  it("lifecycle 18: a bootstrap for no machine of ours", async () => {
    environment = await AgentEnvironment.start({ files: { bootstrap: { bytes: "\x7fELF nonsense", mode: 0o755 } } });
    const path = `${environment.folder}/task/bootstrap`;
    assertError(await invoke({}), "Runtime.InvalidEntrypoint", `fork/exec ${path}: exec format error`);
  });

  it("a working directory that is not there", async () => {
    await start(versatile, { workingDirectory: "/nowhere/at/all" });
    assert.equal((parsed(await invoke({})) as Told).errorType, "Runtime.InvalidWorkingDir");
  });

  it("lifecycle 22: a runtime that answers and leaves is started anew", async () => {
    await start(versatile);
    for (const starts of [1, 2, 3]) {
      const answer = await invoke({ leave: true });
      assert.deepEqual({ ...(parsed(answer) as object), pid: 0 }, { pid: 0, served: 1, starts });
    }
  });

  it("lifecycle 22: an answer counts even when its process ends without reading the reply", async () => {
    await start(
      runtimeProgram(`const { id } = await next();
        const socket = require("node:net").connect(port, host, () => {
          const head = "POST /2018-06-01/runtime/invocation/" + id + "/response HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 6\\r\\n\\r\\n";
          socket.write(head + '"last"', () => process.exit(0));
        });`),
    );
    for (let call = 0; call < 5; call++) assert.equal((await invoke({})).body.toString(), '"last"');
  });

  it("lifecycle 23: slow to ask again past the deadline, the answer stands and the environment is reset", async () => {
    await start(
      runtimeProgram(`fs.appendFileSync("starts", "x");
        const { id } = await next(); await respond(id, fs.readFileSync("starts", "utf8")); await sleep(60_000);`),
      { timeoutSeconds: 0.4 },
    );
    assert.equal((await invoke({})).body.toString(), "x");
    assert.equal((await invoke({})).body.toString(), "xx");
  });

  it("lifecycle 20, 25: an exit while idle is made good by the next call; timers may run between calls", async () => {
    await start(
      runtimeProgram(`let ticks = 0; setInterval(() => ticks++, 1); fs.appendFileSync("starts", "x");
        for (;;) {
          const { id, body } = await next();
          await respond(id, JSON.stringify({ pid: process.pid, starts: fs.readFileSync("starts", "utf8").length }));
          if (body.includes("soon")) setTimeout(() => process.exit(0), 30);
        }`),
    );
    const first = parsed(await invoke({})) as { pid: number; starts: number };
    assert.deepEqual(parsed(await invoke({ soon: 1 })), { ...first, starts: 1 });
    await waitUntil({ what: "the runtime's end", timeoutMs: 10_000, everyMs: 5 }, () => isGone(first.pid) || undefined);
    assert.equal((parsed(await invoke({})) as { starts: number }).starts, 2);
  });

  it("lifecycle 24: the first reason counts: what init/error said, not the exit after it", async () => {
    await start(runtimeProgram(`await failInit('{"errorType":"First"}'); process.exit(9);`));
    assert.equal((parsed(await invoke({})) as Told).errorType, "First");
  });

  it("lifecycle 27: ended while idle, a runtime without extensions hears no SIGTERM", async () => {
    await start(
      runtimeProgram(`process.on("SIGTERM", () => console.log("heard SIGTERM"));
        for (;;) { const { id } = await next(); await respond(id, "1"); }`),
    );
    await invoke({});
    await environment.agent.stop();
    assert.equal(await environment.agent.ended, 0);
    assert.doesNotMatch(environment.output, /heard SIGTERM/);
    await environment.router.announced(({ state }) => state === "draining");
  });

  it("lifecycle 30: a cold start bills its init, a warm call does not", async () => {
    await start(versatile);
    const cold = logOf(await invoke({ say: "cold" }, tail));
    const report =
      /^START RequestId: (\S+) Version: \$LATEST\ncold\nEND RequestId: \1\nREPORT RequestId: \1\tDuration: (\d+\.\d\d) ms\tBilled Duration: (\d+) ms\tMemory Size: 128 MB\tMax Memory Used: \d+ MB\tInit Duration: (\d+\.\d\d) ms\t\n$/.exec(
        cold,
      );
    assert.ok(report, cold);
    assert.equal(Number(report[3]), Math.ceil(Number((Number(report[2]) + Number(report[4])).toFixed(2))));
    const warm = logOf(await invoke({ say: "warm" }, tail));
    assert.match(
      warm,
      /\tDuration: \d+\.\d\d ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\tMax Memory Used: \d+ MB\t\n$/,
    );
  });

  it("a supervisor that wakes late takes no line of a call for the call before", async () => {
    await start(versatile);
    const ids: string[] = [];
    for (let round = 0; round < 4; round += 1) {
      ids.push((await invoke({ say: "line" })).requestId);
      environment.supervisor.kill("SIGSTOP");
      const invoking = invoke({ say: "line" });
      await setTimeout(100);
      environment.supervisor.kill("SIGCONT");
      ids.push((await invoking).requestId);
    }
    await environment.printed("REPORT RequestId", ids.length);
    const told = environment.output.split("\n").flatMap((line) => /^(START|line|END|REPORT)/.exec(line)?.[0] ?? []);
    assert.deepEqual(
      told,
      ids.flatMap(() => ["START", "line", "END", "REPORT"]),
    );
  });

  it("lifecycle 32: of calls at once one runs, the others are refused and were not started", async () => {
    await start(versatile);
    const running = invoke({ say: "ran", until: "release" });
    await environment.printed("ran\n");
    const others = await Promise.all(Array.from({ length: 8 }, () => invoke({ say: "ran" })));
    for (const { status } of others) assert.equal(status, 409);
    await writeFile(join(environment.folder, "task", "release"), "");
    assert.equal((await running).status, 200);
    assert.equal((await invoke({ say: "ran" })).status, 200);
    await environment.printed("END RequestId", 2);
    assert.equal(environment.output.split("ran\n").length, 3);
  });

  it("lifecycle 33: the deadline is the timeout from hand-out", async () => {
    await start(
      runtimeProgram(`for (;;) { const { id, headers } = await next();
        await respond(id, String(headers["lambda-runtime-deadline-ms"] - Date.now())); }`),
    );
    for (let call = 0; call < 3; call++) {
      const leftMs = Number((await invoke({})).body.toString());
      assert.ok(leftMs <= 3000 && leftMs > 1000, `${leftMs} ms`);
    }
  });
});
