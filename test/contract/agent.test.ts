/** The agent towards routers and its container: proof, announcements, bounds, the end. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { stat } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { AgentEnvironment, type EnvironmentOptions } from "../kit/agent-environment.ts";
import { AnnouncementReceiver } from "../kit/announcement-receiver.ts";
import { buildSupervisor } from "../kit/build-supervisor.ts";
import { exchange } from "../kit/exchange.ts";
import { runtimeProgram } from "../kit/scripted-runtime.ts";

const echo = runtimeProgram("for (;;) { const { id, body } = await next(); await respond(id, body); }");
const slow = runtimeProgram(`for (;;) { const { id, body } = await next(); console.log("began");
  await sleep(300); await respond(id, body); }`);

describe("agent", () => {
  let environment: AgentEnvironment;
  const extraRouters: AnnouncementReceiver[] = [];

  before(async function () {
    this.timeout(120_000);
    await buildSupervisor();
  });
  afterEach(async () => {
    await environment.stop();
    for (const router of extraRouters.splice(0)) await router.close();
  });

  async function start(bootstrap: string, options: EnvironmentOptions = {}): Promise<void> {
    environment = await AgentEnvironment.start({ files: { bootstrap }, ...options });
  }

  it("serves nobody without a router's claim for this very pod, but the kubelet's question", async () => {
    await start(echo);
    const { agent } = environment;
    const claims = {
      expired: environment.claim({ expiresInSeconds: -1 }),
      another: environment.claim({ podUid: "another-pod" }),
      broken: `${environment.claim()}x`,
      nothing: "",
    };
    for (const [name, claim] of Object.entries(claims)) {
      const { status, body } = await environment.invoke("{}", { claim });
      assert.equal(status, 401, name);
      assert.equal((JSON.parse(body.toString()) as { code: string }).code, "Unauthorized");
    }
    assert.equal((await exchange(agent.address, "/v1/state")).status, 401);
    const health = await exchange(agent.address, "/healthz");
    assert.equal(health.status, 200);
    assert.equal(health.body.length, 0);
    assert.equal((await environment.invoke('"ok"')).body.toString(), '"ok"');
    assert.equal(environment.output.split("\nSTART").length, 2);
  });

  it("refuses what is no invocation and what is too large, and goes on", async () => {
    await start(echo);
    assert.equal((await environment.invoke("{}", { requestId: "a%0ab" })).status, 400);
    assert.equal((await environment.invoke(Buffer.alloc(6_291_557, "1"))).status, 413);
    const headers = { authorization: `Bearer ${environment.claim()}` };
    assert.equal((await exchange(environment.agent.address, "/v1/nothing", { headers })).status, 404);
    const largest = Buffer.alloc(6_291_556, "1");
    assert.ok((await environment.invoke(largest)).body.equals(largest));
  });

  it("announces itself to every router until each has acknowledged", async () => {
    const late = new AnnouncementReceiver();
    late.status = 401;
    extraRouters.push(late);
    await start(echo, { routerUrls: [await late.listen()] });
    const ready = await environment.router.announced(({ state }) => state === "ready");
    assert.equal(ready.address, environment.agent.address);
    assert.equal(ready.podUid, environment.podUid);
    assert.equal(ready.init?.ok, true);
    const [first] = environment.router.received;
    assert.equal(first?.path, `/v1/environments/${environment.podUid}`);
    assert.equal(first.authorization, "Bearer token-of-this-pod");
    await late.announced(({ sequence }) => sequence === ready.sequence);
    const refusedTimes = late.received.length;
    late.status = 204;
    await environment.agent.stop();
    await late.announced(({ state }) => state === "draining");
    assert.ok(late.received.length > refusedTimes);
    // A state may be told again with what else has changed.
    const states = new Set(environment.router.received.map(({ announcement }) => announcement.state));
    assert.deepEqual([...states], ["ready", "draining"]);
  });

  it("lets the running invocation end, refuses others, then ends the container with status 0", async () => {
    await start(slow);
    const running = environment.invoke('"last"');
    await environment.printed("began");
    const stopped = environment.agent.stop();
    const refused = await environment.invoke('"late"');
    assert.equal(refused.status, 503);
    assert.equal((JSON.parse(refused.body.toString()) as { code: string }).code, "Draining");
    assert.equal((await running).body.toString(), '"last"');
    await stopped;
    assert.equal(await environment.agent.ended, 0);
    if (environment.supervisor.exitCode === null) await once(environment.supervisor, "close");
    assert.equal(environment.supervisor.exitCode, 0);
    assert.match(environment.output, /END RequestId/);
  });

  it("answers the running invocation when its container goes, then ends with status 1", async () => {
    await start(slow);
    const running = environment.invoke('"lost"');
    await environment.printed("began");
    environment.crash();
    const answer = await running;
    assert.equal(answer.headers["x-amz-function-error"], "Unhandled");
    assert.deepEqual(JSON.parse(answer.body.toString()), {
      errorType: "Runtime.ExitError",
      errorMessage: `RequestId: ${answer.requestId} Error: Runtime exited with error: signal: killed`,
    });
    assert.equal(await environment.agent.ended, 1);
    await environment.router.announced(({ state }) => state === "draining");
  });

  it("answers the running invocation when its container goes while the environment drains", async () => {
    const hanging = runtimeProgram('await next(); console.log("began"); setInterval(() => undefined, 1000);');
    await start(hanging, { document: { timeoutSeconds: 900 } });
    const running = environment.invoke('"lost"');
    await environment.printed("began");
    const stopped = environment.agent.stop();
    environment.crash();
    const answer = await running;
    assert.equal((JSON.parse(answer.body.toString()) as { errorType: string }).errorType, "Runtime.ExitError");
    await stopped;
  });

  it("goes on when the router goes away, and is busy until the run ends", async () => {
    await start(slow);
    const gone = new AbortController();
    const abandoned = environment.invoke('"abandoned"', { signal: gone.signal });
    await environment.printed("began");
    gone.abort();
    await assert.rejects(abandoned);
    assert.equal((await environment.invoke('"early"')).status, 409);
    await environment.printed("END RequestId");
    assert.equal((await environment.invoke('"next"')).body.toString(), '"next"');
    assert.doesNotMatch(environment.output, /Status:/);
  });

  it("takes one supervisor: its socket is gone before the runtime starts", async () => {
    await start(echo);
    const path = join(environment.folder, "socket");
    await assert.rejects(stat(path), { code: "ENOENT" });
    const socket = connect(path);
    await assert.rejects(once(socket, "connect"));
  });

  it("keeps each line once and in its place over many calls", async () => {
    await start(
      runtimeProgram(
        `let n = 0; for (;;) { const { id } = await next(); console.log("line " + ++n); await respond(id, "1"); }`,
      ),
    );
    const calls = 150;
    for (let call = 0; call < calls; call++) assert.equal((await environment.invoke("1")).status, 200);
    await environment.printed("END RequestId", calls);
    const lines = environment.output.split("\n").filter((line) => line.startsWith("line "));
    assert.deepEqual(
      lines,
      Array.from({ length: calls }, (_, index) => `line ${index + 1}`),
    );
  });

  it("gives the last 4,096 bytes of a long log, and JSON lines where the function wants them", async () => {
    await start(
      runtimeProgram(
        `for (;;) { const { id } = await next(); process.stdout.write("x".repeat(100_000) + "\\n"); await respond(id, "1"); }`,
      ),
      { document: { logFormat: "JSON", systemLogLevel: "DEBUG" } },
    );
    const { headers } = await environment.invoke("1", { headers: { "x-amz-log-type": "Tail" } });
    const log = Buffer.from(String(headers["x-amz-log-result"]), "base64");
    assert.equal(log.length, 4096);
    const [, done, report] = log.toString().split("\n");
    assert.equal((JSON.parse(done!) as { type: string }).type, "platform.runtimeDone");
    assert.equal((JSON.parse(report!) as { type: string }).type, "platform.report");
  });
});
