/** What a cluster does to pods, under load: a drained node, no room, a quota, and environments that go as calls come. */
import assert from "node:assert/strict";
import { Agent } from "undici";
import { waitUntil } from "../cluster/wait-until.ts";
import { failuresOf, startLoad, type Load } from "./load.ts";
import { nodeFunction, Space } from "./space.ts";

/** Says what it was told, after a while. */
const echo = (more: object = {}) =>
  nodeFunction(
    `export const handler = async ({ word, ms = 20 }) => {
  await new Promise((go) => setTimeout(go, ms));
  return word;
};`,
    { timeout: 10, ...more },
  );

describe("what a cluster does to pods", () => {
  let space: Space;
  before(async function () {
    this.timeout(240_000);
    space = await Space.open("e2e-disruptions");
    await Promise.all([
      space.serve("echo", echo()),
      space.serve("brief", echo({ idleTimeoutSeconds: 1 })),
      space.serve("cold", echo()),
    ]);
    await space.call("echo", { word: "warm" });
  });
  after(async () => {
    await space.kubectl("delete", "quota", "--all");
    await space.close();
  });

  let words = 0;
  async function ask(name: string, options: Parameters<Space["call"]>[2] = {}, ms = 20): Promise<void> {
    words += 1;
    const word = `word ${words}`;
    const answer = await space.call(name, { word, ms }, options);
    if (answer !== word) throw new Error(`wrong answer: "${String(answer)}" instead of "${word}"`);
  }

  async function noFailure(load: Load): Promise<void> {
    const calls = await load.stop();
    assert.deepEqual(failuresOf(calls), []);
    assert.ok(calls.length > 0);
  }

  /** As "kubectl drain" does it, of the cluster that is built here the node itself; a cluster of somebody else's keeps its nodes. */
  async function drain(): Promise<() => Promise<void>> {
    const kubectl = (...args: readonly string[]) => space.system.kubectl(args, { timeoutMs: 60_000 });
    if (space.system.cluster.kind !== "own") {
      await Promise.all((await space.pods()).map(({ metadata }) => evict(metadata.name)));
      return () => Promise.resolve();
    }
    const node = await kubectl("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}");
    const selector = "kubelambda.dev/component=environment";
    await kubectl("drain", node, `--pod-selector=${selector}`, "--delete-emptydir-data", "--timeout=50s");
    return async () => {
      await kubectl("uncordon", node);
    };
  }

  async function evict(name: string): Promise<void> {
    const eviction = { apiVersion: "policy/v1", kind: "Eviction", metadata: { name, namespace: space.name } };
    const path = `/api/v1/namespaces/${space.name}/pods/${name}/eviction`;
    await space.system.kubectl(["create", "--raw", path, "-f", "-"], { input: JSON.stringify(eviction) });
  }

  it("a node is drained under load: running calls end, those that find no room wait, are told why, and none fails", async function () {
    this.timeout(150_000);
    const dispatcher = new Agent({ connections: 2, keepAliveTimeout: 60_000 });
    const load = startLoad(2, () => ask("echo"));
    const kept = startLoad(1, () => ask("echo", { dispatcher }));
    await load.until(() => true, 20_000, 5);
    const long = ask("echo", {}, 5000);
    await new Promise((resolve) => setTimeout(resolve, 500));
    const uncordon = await drain();
    try {
      if (space.system.cluster.kind === "own") {
        const isTold = ({ reason }: { readonly reason: string }): boolean => reason === "Unschedulable";
        const { message } = await space.waitCondition("echo", "EnvironmentsHealthy", isTold, 15_000);
        assert.match(message, /^No node takes the environment: .*unschedulable/);
      }
    } finally {
      await uncordon();
    }
    await load.until(() => true, 30_000, 10);
    await long;
    await noFailure(load);
    await noFailure(kept);
    await dispatcher.destroy();
  });

  it("a quota that is used up: the call waits, the condition says so, and it is served once there is room", async function () {
    this.timeout(90_000);
    const quota = {
      apiVersion: "v1",
      kind: "ResourceQuota",
      metadata: { name: "none" },
      spec: { hard: { pods: "0" } },
    };
    await space.apply(quota);
    await waitUntil({ what: "the quota to count", timeoutMs: 20_000, everyMs: 250 }, async () => {
      const path = "jsonpath={.status.hard.pods}";
      return (await space.kubectl("get", "quota", "none", "-o", path)) === "0" ? true : undefined;
    });
    const waiting = ask("cold");
    const isTold = ({ reason }: { readonly reason: string }): boolean => reason === "QuotaExceeded";
    const { message } = await space.waitCondition("cold", "EnvironmentsHealthy", isTold, 15_000);
    assert.match(message, /^Cannot create an environment: pods "<environment>" is forbidden: exceeded quota: none/);
    await space.kubectl("delete", "quota", "none");
    await waiting;
  });

  it("environments go for want of calls just as calls come: none fails", async function () {
    this.timeout(60_000);
    const calls = Array.from({ length: 3 }, async (_, place) => {
      for (let number = 0; number < 3; number += 1) {
        await ask("brief");
        // Around the time when the operator asks back what has idled for a second.
        await new Promise((resolve) => setTimeout(resolve, 900 + 150 * ((number + 2 * place) % 6)));
      }
    });
    await Promise.all(calls);
  });
});
