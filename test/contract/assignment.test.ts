/** A generic pod's agent: the first function that it is given is its own, filled from the store, for the rest of its life. */
import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import { once } from "node:events";
import { lstat, readdir, readFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { FILL_FAILED_EXIT_CODE, type Assignment, type AssignmentRefusal } from "../../crds/wire/assignment.ts";
import type { EnvironmentDocument } from "../../crds/wire/environment.ts";
import { formatGrant, GRANT_HEADER, OWNER_HEADER } from "../../crds/wire/position.ts";
import { routes } from "../../crds/wire/routes.ts";
import { signClaim } from "../../lib/http/signed-claim.ts";
import { HttpPoolAgents } from "../../operator/scaling/pool-agents.ts";
import type { Pod } from "../../operator/pod.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";
import { waitUntil } from "../cluster/wait-until.ts";
import { AgentEnvironment, defaultDocument, privateKey } from "../kit/agent-environment.ts";
import { buildSupervisor } from "../kit/build-supervisor.ts";
import { exchange, type Exchange } from "../kit/exchange.ts";
import { startTestStore, type TestStore } from "../kit/package-store-server.ts";
import { runtimeProgram } from "../kit/scripted-runtime.ts";

const echo = runtimeProgram("for (;;) { const { id, body } = await next(); await respond(id, body); }");
const token = "team-a/default";
const epoch = 5;

describe("assignment of a generic pod", () => {
  let store: TestStore;
  let environment: AgentEnvironment;
  let agents: HttpPoolAgents;
  const silentStores: Server[] = [];

  before(async function () {
    this.timeout(120_000);
    await buildSupervisor();
    store = await startTestStore();
  });
  after(async () => await store.stop());
  afterEach(async () => {
    await agents.close();
    await environment.stop();
    for (const server of silentStores.splice(0)) server.close().closeAllConnections();
  });

  async function wait(packagesUrl = store.url): Promise<void> {
    environment = await AgentEnvironment.start({ waits: { packagesUrl, token, epoch } });
    agents = new HttpPoolAgents(privateKey, Date.now, Number(environment.agent.address.split(":")[1]));
  }

  /** As the operator's cache has it. */
  function pod(): Stored<Pod> {
    return { metadata: { uid: environment.podUid }, status: { podIP: "127.0.0.1" } } as Stored<Pod>;
  }

  async function documentOf(changes: Partial<EnvironmentDocument> = {}): Promise<EnvironmentDocument> {
    const code = await store.resolve({ type: "files", files: { bootstrap: echo } });
    return { ...defaultDocument, code, ...changes };
  }

  async function post(assignment: unknown, claim: object = { purpose: "assign" }): Promise<Exchange> {
    const expiresAt = Math.floor(Date.now() / 1000) + 60;
    const bearer = signClaim({ podUid: environment.podUid, expiresAt, ...claim }, privateKey);
    const body = typeof assignment === "string" ? assignment : JSON.stringify(assignment);
    const headers = { authorization: `Bearer ${bearer}` };
    return await exchange(environment.agent.address, routes.assignment, { method: "POST", headers, body });
  }

  async function refusalOf(answer: Promise<Exchange>): Promise<string> {
    const { status, body } = await answer;
    return `${status} ${(JSON.parse(body.toString()) as AssignmentRefusal).code}`;
  }

  const ready = async () => await environment.router.announced(({ state }) => state === "ready");

  async function silentStore(): Promise<string> {
    const server = createServer(() => undefined).listen(0, "127.0.0.1");
    silentStores.push(server);
    await once(server, "listening");
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  it("fills itself, starts, and serves under the epoch that it was given", async () => {
    await wait();
    assert.equal(await agents.ask(pod()), "free");
    assert.equal(environment.router.received.length, 0, "nobody is told of what is nobody's");
    assert.equal(await agents.assign(pod(), { document: await documentOf(), epoch: 7 }), "assigned");
    const announcement = await ready();
    assert.deepEqual(announcement.position, { epoch: 7, turn: 0 });
    const headers = { [GRANT_HEADER]: formatGrant({ epoch: 7, turn: 1, heardMs: announcement.atMs ?? 0 }) };
    assert.equal((await environment.invoke('"hello"', { headers })).body.toString(), '"hello"');
    assert.equal(
      (await environment.invoke('"none"')).status,
      409,
      "a roster has been, so nobody may call without a grant",
    );
    assert.equal(await agents.ask(pod()), "taken");
  });

  it("has the function's files as assemble leaves them, and nothing else", async () => {
    await wait();
    await agents.assign(pod(), { document: await documentOf(), epoch });
    await ready();
    const task = join(environment.folder, "task");
    assert.deepEqual(await readdir(task), ["bootstrap"]);
    assert.equal((await lstat(join(task, "bootstrap"))).mode & 0o777, 0o755);
  });

  it("is one function's when two are given at once", async () => {
    await wait();
    const first = await documentOf({ functionUid: "first" });
    const second = await documentOf({ functionUid: "second" });
    const answers = await Promise.all(
      [first, second].map(async (document) => await agents.assign(pod(), { document, epoch })),
    );
    assert.deepEqual(answers.toSorted(), ["assigned", "taken"]);
  });

  it("stays the function's that it is: another function, another revision and an older word are refused, the same is heard again", async () => {
    await wait();
    const document = await documentOf();
    assert.equal(await refusalOf(post({ document, epoch: epoch - 1 })), "409 Stale");
    assert.equal(await agents.ask(pod()), "free");
    assert.equal(await agents.assign(pod(), { document, epoch }), "assigned");
    assert.equal(await refusalOf(post({ document: { ...document, functionUid: "other" }, epoch })), "409 Taken");
    assert.equal(await refusalOf(post({ document: { ...document, revisionID: "other" }, epoch: 9 })), "409 Taken");
    assert.equal(await agents.assign(pod(), { document, epoch: 8 }), "assigned");
    assert.equal(await refusalOf(post({ document, epoch: 7 })), "409 Stale");
    assert.deepEqual((await ready()).position?.epoch, 8);
  });

  it("takes it from the operator alone, and nothing that is no assignment", async () => {
    await wait();
    const assignment: Assignment = { document: await documentOf(), epoch };
    assert.equal(await refusalOf(post(assignment, {})), "401 Unauthorized", "a router's claim");
    assert.equal(await refusalOf(post(assignment, { purpose: "assign", podUid: "another" })), "401 Unauthorized");
    assert.equal(await refusalOf(post(assignment, { purpose: "assign", expiresAt: 1 })), "401 Unauthorized");
    for (const broken of [
      "{",
      "null",
      { document: null, epoch },
      { ...assignment, epoch: -1 },
      { epoch },
      "x".repeat(300_000),
    ])
      assert.equal(await refusalOf(post(broken)), "400 BadRequest", JSON.stringify(broken).slice(0, 50));
    const headers = {
      authorization: `Bearer ${signClaim({ podUid: environment.podUid, expiresAt: 9e9, purpose: "assign" }, privateKey)}`,
    };
    assert.equal(
      (await exchange(environment.agent.address, routes.state, { headers })).status,
      401,
      "opens nothing else",
    );
    assert.equal(await agents.ask(pod()), "free");
  });

  it("knows no such request where the pod was made for its function", async () => {
    environment = await AgentEnvironment.start({ files: { bootstrap: echo } });
    agents = new HttpPoolAgents(privateKey, Date.now, Number(environment.agent.address.split(":")[1]));
    assert.equal(await agents.assign(pod(), { document: await documentOf({ functionUid: "other" }), epoch }), "taken");
    assert.equal((await environment.invoke('"mine"')).body.toString(), '"mine"');
  });

  it("ends with the cause when the content is not what its digest names", async () => {
    await wait(await damagedStore());
    assert.equal(await agents.assign(pod(), { document: await documentOf(), epoch }), "assigned");
    assert.equal(await environment.agent.ended, FILL_FAILED_EXIT_CODE);
    const words = await readFile(join(environment.folder, "termination-log"), "utf8");
    assert.match(words, /^Cannot assemble code \(sha256:[0-9a-f]{64}\): .*digest/);
    assert.equal(environment.router.received.length, 0);
  });

  it("ends with the cause when the store has no such package", async () => {
    await wait();
    const document = await documentOf({ layers: [{ name: "lost", digest: `sha256:${"0".repeat(64)}` }] });
    await agents.assign(pod(), { document, epoch });
    assert.equal(await environment.agent.ended, FILL_FAILED_EXIT_CODE);
    assert.match(await readFile(join(environment.folder, "termination-log"), "utf8"), /layer "lost"/);
  });

  it("ends when its runtime's container is killed while it is being filled, and leaves nothing half-filled to start", async () => {
    await wait(await silentStore());
    assert.equal(await agents.assign(pod(), { document: await documentOf(), epoch }), "assigned");
    // The agent takes its socket away once the supervisor has called; one that never did is waited for.
    await waitUntil({ what: "the supervisor to have called", timeoutMs: 15_000, everyMs: 10 }, async () =>
      (await readdir(environment.folder)).includes("socket") ? undefined : true,
    );
    environment.supervisor.kill("SIGKILL");
    assert.equal(await environment.agent.ended, 1);
    assert.equal(environment.output, "");
    assert.equal(await agents.ask(pod()), "absent");
  });

  it("ends when nobody needs it, also while it is being filled", async () => {
    for (const isFilling of [false, true]) {
      await wait(isFilling ? await silentStore() : store.url);
      if (isFilling) await agents.assign(pod(), { document: await documentOf(), epoch });
      await environment.agent.stop();
      assert.equal(await environment.agent.ended, 0);
      if (!isFilling) {
        await agents.close();
        await environment.stop();
      }
    }
  });

  for (const [who, ask] of Object.entries({
    "claimed by a router": async () =>
      await exchange(environment.agent.address, routes.claim, {
        method: "POST",
        headers: {
          authorization: `Bearer ${environment.claim()}`,
          [GRANT_HEADER]: formatGrant({ epoch, turn: 1, heardMs: 0 }),
          [OWNER_HEADER]: "127.0.0.1:1",
        },
      }),
    "called by a router": async () => await environment.invoke("{}"),
  })) {
    it(`ends when it is ${who} before it is any function's: its labels lie`, async () => {
      await wait();
      assert.notEqual((await ask().catch(() => ({ status: 0 }))).status, 500);
      assert.equal(await environment.agent.ended, 1);
      assert.match(environment.agentLog.join(""), /no function was assigned to it/);
    });
  }

  /** Answers every package with other bytes of the same length. */
  async function damagedStore(): Promise<string> {
    const server = createServer((request, response) => {
      const headers = { authorization: request.headers.authorization ?? "" };
      void fetch(`${store.url}${request.url ?? ""}`, { headers }).then(async (answer) => {
        const bytes = Buffer.from(await answer.arrayBuffer()).fill(0, 0, 10);
        response.writeHead(answer.status, { "content-length": bytes.length }).end(bytes);
      });
    }).listen(0, "127.0.0.1");
    silentStores.push(server);
    await once(server, "listening");
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }
});
