/** Between invocations, where the function's processes are to stand still. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { waitUntil } from "../cluster/wait-until.ts";
import { AgentEnvironment } from "../kit/agent-environment.ts";
import { buildSupervisor } from "../kit/build-supervisor.ts";
import { extensionProgram } from "../kit/scripted-extension.ts";
import { runtimeProgram } from "../kit/scripted-runtime.ts";

const runtime = runtimeProgram(`
  process.on("SIGTERM", () => { console.log("runtime heard SIGTERM"); process.exit(0); });
  for (;;) {
    const { id } = await next();
    await respond(id, String(process.pid));
  }`);
const extension = extensionProgram(`await register(["INVOKE", "SHUTDOWN"]); console.log("extension is", process.pid);
  for (;;) { const { eventType } = await next(); console.log("extension got", eventType); if (eventType === "SHUTDOWN") process.exit(0); }`);

const stateOf = (pid: number): string => /\) (\S)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1] ?? "";
const untilState = async (pid: number, wanted: string): Promise<void> => {
  const wait = { what: `process ${pid} in state ${wanted}`, timeoutMs: 10_000, everyMs: 5 };
  await waitUntil(wait, () => (stateOf(pid) === wanted ? true : undefined));
};

describe("Environment that stops between invocations", () => {
  let environment: AgentEnvironment;

  before(async function () {
    this.timeout(120_000);
    await buildSupervisor();
  });
  afterEach(async () => environment.stop());

  for (const ownContainers of [[], ["extension"]]) {
    const place = ownContainers.length === 0 ? "one container" : "containers of their own";
    it(`runtime and extension in ${place} stand still while they wait, and hear of an event and of the end`, async () => {
      environment = await AgentEnvironment.start({
        files: { bootstrap: runtime },
        layerFiles: { "extensions/extension": extension },
        ownContainers,
        document: { stopsBetweenInvocations: true },
      });
      const answered = await environment.invoke("{}");
      const pids = [Number(answered.body.toString()), Number(/extension is (\d+)/.exec(environment.output)?.[1])];
      for (const pid of pids) await untilState(pid, "T");
      for (let call = 2; call < 20; call++) {
        assert.equal((await environment.invoke("{}")).body.toString(), String(pids[0]));
        await environment.printed("extension got INVOKE", call);
      }
      for (const pid of pids) await untilState(pid, "T");
      await environment.agent.stop();
      await environment.printed("extension got SHUTDOWN");
      await environment.printed("runtime heard SIGTERM");
      assert.equal(await environment.agent.ended, 0);
    });
  }

  it("who is killed while it stands still is started anew", async () => {
    environment = await AgentEnvironment.start({
      files: { bootstrap: runtime },
      document: { stopsBetweenInvocations: true },
    });
    const pid = Number((await environment.invoke("{}")).body.toString());
    await untilState(pid, "T");
    process.kill(pid, "SIGKILL");
    const wait = { what: `the end of process ${pid}`, timeoutMs: 10_000, everyMs: 5 };
    await waitUntil(wait, () => (existsSync(`/proc/${pid}`) ? undefined : true));
    let answer = (await environment.invoke("{}")).body.toString();
    // An event that crossed with the news of the end is told it.
    if (answer.includes("signal: killed")) answer = (await environment.invoke("{}")).body.toString();
    const again = Number(answer);
    assert.notEqual(again, pid);
    assert.ok(again > 0, answer);
    await untilState(again, "T");
  });
});
