/** A real cluster under a steady load while every part of it is killed and frozen in turn and code is rolled out. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "mocha";
import { waitUntil } from "../cluster/wait-until.ts";
import { ClusterFaults } from "./cluster-faults.ts";
import { ClusterWorld } from "./cluster-world.ts";
import { seededRandom } from "../../bench/seeded-random.ts";
import { nodeFunction, pythonFunction, shellFunction, type SoakFunction } from "./soak-functions.ts";
import { SoakReport } from "./soak-report.ts";
import { soakSettings } from "./soak-settings.ts";
import { SteadyLoad } from "./steady-load.ts";

const { minutes, seed } = soakSettings(process.env);
const connections = 3;
const functions: ReadonlyMap<string, SoakFunction> = new Map([
  ["node", nodeFunction],
  ["python", pythonFunction("python3.11")],
  ["shell", shellFunction],
]);
const names = [...functions.keys()];
const probes = 20;
const settleMs = 120_000;

describe(`a cluster for ${minutes} min under load and faults, seed ${seed}`, function () {
  this.timeout(minutes * 60_000 + 1_500_000);
  const nowMs = (): number => performance.now();
  const report = new SoakReport();
  let world: ClusterWorld;
  let faults: ClusterFaults;
  let load: SteadyLoad;

  before(async () => {
    world = await ClusterWorld.open("soak");
    faults = new ClusterFaults({ world, functions, draw: seededRandom(seed), report, nowMs, untilServed });
    const { invoke } = world;
    load = new SteadyLoad({
      ...{ connections, seed, report, nowMs },
      functionNames: names,
      invoke: invoke.bind(world),
      allow: (name, startedMs) => faults.allow(name, startedMs),
      onRight: (name, startedMs) => faults.answered(name, startedMs),
      // While the API server is away, replicas may know of new code at different times.
      olderCodeIsWrong: false,
    });
    await faults.deployAll();
    await untilServed();
    report.note(`environments at the start: ${(await world.environments()).length}`);
  });
  after(async () => {
    process.stdout.write(`\ncluster, ${minutes} min, seed ${seed}\n${report.toString()}\n\n`);
    await world.space.close();
  });

  async function untilServed(): Promise<void> {
    for (const name of names) {
      await waitUntil({ what: `an answer of "${name}"`, timeoutMs: settleMs, everyMs: 500 }, async () => {
        const answer = await load.probe(name);
        if (answer !== "ok") throw new Error(answer);
        return true;
      });
    }
  }

  it("gives each call its own answer, or the error that the fault of its time explains", async () => {
    const untilMs = nowMs() + minutes * 60_000;
    let areFaultsOver = false;
    const suffered = faults.run(untilMs).finally(() => (areFaultsOver = true));
    await Promise.all([load.run(() => !areFaultsOver), suffered]);
    assert.deepEqual({ wrong: report.wrong, unexpected: report.unexpected }, { wrong: [], unexpected: [] });
    assert.ok(report.right > report.calls / 2, `of ${report.calls} calls ${report.right} were right`);
  });

  it("answers warm calls while parts are away that they do not need", () => {
    assert.deepEqual(faults.stillness, []);
  });

  it("serves every function at rest", async () => {
    for (const name of names) await world.space.waitReady(name);
    await untilServed();
    for (const name of names) {
      for (let probe = 0; probe < probes; probe += 1) assert.equal(await load.probe(name), "ok", name);
    }
    report.note(`environments at rest: ${(await world.environments()).length}`);
  });

  it("has as many pods and recipes as functions say, and no orphan", async () => {
    await world.waitForHarmony(settleMs);
  });

  it("lets every environment go that nobody calls", async () => {
    await waitUntil({ what: "idle environments to go", timeoutMs: settleMs, everyMs: 500 }, async () => {
      const left = (await world.environments()).map(({ metadata }) => metadata.name);
      if (left.length > 0) throw new Error(`left are ${left.join(", ")}`);
      return true;
    });
    await world.waitForHarmony(settleMs);
    report.note("environments after the keep-alive: 0");
  });

  it("leaves nothing of functions that are deleted", async () => {
    await untilServed();
    await world.space.kubectl("delete", "fn", "--all");
    await waitUntil({ what: "pods and recipes to go", timeoutMs: settleMs, everyMs: 500 }, async () => {
      const left = await world.space.kubectl("get", "pods,controllerrevisions", "-o", "name");
      if (left !== "") throw new Error(`left are ${left}`);
      return true;
    });
    report.note("left of deleted functions: 0 pods, 0 recipes");
  });
});
