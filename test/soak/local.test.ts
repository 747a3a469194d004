/** Local mode under a steady load while processes are killed and manifests change and break. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, afterEach, before, describe, it } from "mocha";
import { seededRandom } from "../../bench/seeded-random.ts";
import { ExecutionLedger } from "./execution-ledger.ts";
import { doesNotAlwaysLoad, goesAndReturns, kills, LocalFaults } from "./local-faults.ts";
import { becomesTrue, LocalWorld } from "./local-world.ts";
import { nodeFunction, pythonFunction, shellFunction, type SoakFunction } from "./soak-functions.ts";
import { SoakReport } from "./soak-report.ts";
import { soakSettings } from "./soak-settings.ts";
import { SteadyLoad } from "./steady-load.ts";

const { minutes, seed } = soakSettings(process.env);
const connections = 5;
const functions: ReadonlyMap<string, SoakFunction> = new Map([
  ["node", nodeFunction],
  ["python", pythonFunction("python3.11")],
  ["shell", shellFunction],
  [goesAndReturns, nodeFunction],
  [doesNotAlwaysLoad, nodeFunction],
]);
const names = [...functions.keys()];
const probes = 20;
/** A call that was to be carried out may wait out a hang, a reset and a cold start of every runtime on a busy machine. */
const settleMs = 60_000;
/** Keep-alive of the functions, the operator's look at it, and the drain. */
const goneMs = 45_000;

describe(`local mode for ${minutes} min under load and faults, seed ${seed}`, function () {
  this.timeout(minutes * 60_000 + 300_000);
  const nowMs = (): number => performance.now();
  const report = new SoakReport();
  const ledger = new ExecutionLedger();
  let world: LocalWorld;
  let faults: LocalFaults;
  let load: SteadyLoad;
  let residentAtStart = 0;
  let isStopped = false;

  before(async () => {
    const ledgerUrl = await ledger.start();
    world = new LocalWorld();
    faults = new LocalFaults({ world, functions, ledgerUrl, draw: seededRandom(seed), report, nowMs });
    await world.start();
    const { invoke } = world;
    load = new SteadyLoad({
      ...{ connections, seed, report, nowMs },
      functionNames: names,
      invoke: invoke.bind(world),
      allow: (name) => faults.allow(name),
      olderCodeIsWrong: true,
    });
    await untilServed();
    residentAtStart = await world.residentMiB();
    report.note(`environments at the start: ${await environments()}`);
  });
  after(async () => {
    await ledger.stop();
    if (!isStopped) await world.stop();
    process.stdout.write(`\nlocal mode, ${minutes} min, seed ${seed}\n${report.toString()}\n\n`);
  });
  afterEach(function () {
    if (this.currentTest?.state === "failed") process.stdout.write(`local mode said last:\n${world.lastOutput()}\n`);
  });

  async function environments(): Promise<string> {
    const { agent, supervisor, runtime } = await world.processes();
    return `${agent.length} agents, ${supervisor.length} supervisors, ${runtime.length} runtime processes`;
  }

  /** Every function has answered once by the code that is in place. */
  async function untilServed(): Promise<void> {
    for (const name of names) {
      let last = "";
      const isServed = await becomesTrue(async () => (last = await load.probe(name)) === "ok", settleMs);
      assert.ok(isServed, `"${name}" is not served within ${settleMs} ms: ${last}`);
    }
  }

  it("gives each call its own answer or a documented error", async () => {
    const untilMs = nowMs() + minutes * 60_000;
    await Promise.all([load.run(() => nowMs() < untilMs), faults.run(untilMs)]);
    assert.deepEqual({ wrong: report.wrong, unexpected: report.unexpected }, { wrong: [], unexpected: [] });
    assert.ok(report.right > report.calls / 2, `of ${report.calls} calls ${report.right} were right`);
  });

  it("carries no call out twice", () => {
    const { carriedOut, twice } = ledger.summary();
    report.note(`calls carried out: ${carriedOut}, more than once: ${twice.length}`);
    assert.deepEqual(twice, []);
    assert.ok(carriedOut >= report.right / 2, `only ${carriedOut} calls were told to the ledger`);
  });

  it("loses no more calls than there were kills", () => {
    const killed = report.faults(...kills);
    const lost = report.answerCount(/^service error ServiceException$|, killed$/);
    report.note(`calls lost to kills: ${lost}, kills: ${killed}`);
    assert.ok(lost <= killed, `${lost} calls were lost to ${killed} kills`);
  });

  it("serves every function at rest", async () => {
    await untilServed();
    for (const name of names) {
      for (let probe = 0; probe < probes; probe += 1) assert.equal(await load.probe(name), "ok", name);
    }
    const resident = await world.residentMiB();
    report.note(`environments at rest: ${await environments()}`);
    report.note(`main process: ${residentAtStart} MiB at the start, ${resident} MiB at the end`);
    assert.ok(resident < 4 * residentAtStart, `grew from ${residentAtStart} to ${resident} MiB`);
  });

  it("lets every environment go that nobody calls", async () => {
    const isEmpty = await becomesTrue(async () => {
      const { agent, supervisor, runtime } = await world.processes();
      return agent.length + supervisor.length + runtime.length === 0;
    }, goneMs);
    report.note(`environments after the keep-alive: ${await environments()}`);
    assert.ok(isEmpty, await environments());
  });

  it("leaves no process, no mount and no file", async () => {
    // An environment that lives is what an end may leave behind.
    await untilServed();
    isStopped = true;
    const left = await world.stop();
    const mounts = (await readFile("/proc/mounts", "utf8")).split("\n").filter((line) => /^kubelambda /.test(line));
    report.note(
      `left after the end: ${left.processes.length} processes, ${mounts.length} mounts, ${left.files.length} files`,
    );
    assert.deepEqual({ ...left, mounts }, { status: 0, processes: [], files: [], mounts: [] });
  });
});
