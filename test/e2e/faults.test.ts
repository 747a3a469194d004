import assert from "node:assert/strict";
import { waitUntil } from "../cluster/wait-until.ts";
import { installNamespace, progress, release } from "./fixture.ts";
import { failuresOf, startLoad, type Load } from "./load.ts";
import { nodeFunction, Space } from "./space.ts";

/** Says what it was told and who it is: an answer for another call would show. */
const echo = nodeFunction(
  `export const handler = async ({ word, act }) => {
  if (act === "die") process.kill(process.pid, "SIGKILL");
  await new Promise((go) => setTimeout(go, 20));
  return word;
};`,
  { timeout: 10 },
);

interface OwnedPod {
  readonly metadata: {
    readonly name: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly ownerReferences?: readonly {
      readonly kind: string;
      readonly uid: string;
      readonly controller?: boolean;
    }[];
  };
}

describe("what is killed", () => {
  let space: Space;
  let words = 0;
  before(async function () {
    this.timeout(240_000);
    space = await Space.open("e2e-faults");
    await space.serve("echo", echo);
    await askOnce();
  });
  after(async () => {
    await space.close();
  });

  /** One call; a wrong answer is an error of its own kind. */
  async function askOnce(): Promise<unknown> {
    words += 1;
    const word = `word ${words}`;
    const answer = await space.call("echo", { word });
    if (answer !== word) throw new Error(`wrong answer: "${String(answer)}" instead of "${word}"`);
    return answer;
  }

  /** As every AWS SDK does: a call that never got an answer is made again. */
  async function askAsSdk(): Promise<unknown> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await askOnce();
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        const isConnection = /other side closed|ECONN|EPIPE|socket|status 5\d\d/.test(error.message);
        if (!isConnection || attempt === 3) throw error;
      }
    }
  }

  async function podsOf(component: string): Promise<readonly string[]> {
    const selector = `app.kubernetes.io/instance=${release},app.kubernetes.io/component=${component}`;
    const path = "jsonpath={.items[*].metadata.name}";
    const names = await space.system.kubectl(["get", "pods", "-n", installNamespace, "-l", selector, "-o", path]);
    return names.split(" ").filter((name) => name !== "");
  }

  async function kill(namespace: string, ...pods: readonly string[]): Promise<void> {
    const now = ["--grace-period=0", "--force", "--wait=false"];
    await space.system.kubectl(["delete", "pod", "-n", namespace, ...pods, ...now]);
  }

  async function waitRollout(workload: string): Promise<void> {
    const args = ["rollout", "status", "-n", installNamespace, workload, "--timeout=90s"];
    await space.system.kubectl(args, { timeoutMs: 100_000 });
  }

  async function noFailure(load: Load): Promise<void> {
    const calls = await load.stop();
    assert.deepEqual(failuresOf(calls), []);
    assert.ok(calls.length > 0);
  }

  it("a router that ends as it is asked to: no call fails", async () => {
    const [router = ""] = await podsOf("router");
    const load = startLoad(3, askOnce);
    await load.until(() => true, 10_000);
    await space.system.kubectl(["delete", "pod", "-n", installNamespace, router, "--timeout=60s"], {
      timeoutMs: 70_000,
    });
    await waitRollout(`deployment/${release}-router`);
    await noFailure(load);
  });

  it("a router, without warning: whoever calls again is served by the other", async () => {
    const [router = ""] = await podsOf("router");
    const load = startLoad(3, askAsSdk);
    await load.until(() => true, 10_000);
    await kill(installNamespace, router);
    await waitRollout(`deployment/${release}-router`);
    await noFailure(load);
  });

  it("a runtime process: its caller is told, the next call is right", async () => {
    const answer = await space.invoke("echo", { act: "die" });
    assert.equal(answer.headers["x-amz-function-error"], "Unhandled");
    assert.match(answer.bytes.toString(), /Runtime exited with error: signal: killed/);
    await askOnce();
  });

  it("an environment's pod that idles: no call fails, and another takes its place", async () => {
    await askOnce();
    const before = (await space.pods()).map(({ metadata }) => metadata.name);
    assert.ok(before.length > 0);
    await kill(space.name, ...before);
    await waitUntil(
      { what: "a call to be answered by a new environment", timeoutMs: 60_000, everyMs: 250 },
      async () => {
        await askOnce();
        return (await space.pods()).some(({ metadata }) => !before.includes(metadata.name)) ? true : undefined;
      },
    );
    await askOnce();
  });

  it("an environment's pod that drains: no call fails", async () => {
    const load = startLoad(2, askOnce);
    await load.until(() => true, 10_000);
    const [pod] = await space.pods();
    await space.kubectl("delete", "pod", pod?.metadata.name ?? "", "--timeout=40s");
    await load.until(() => true, 10_000);
    await noFailure(load);
  });

  it("both operators: warm calls go on, and what was applied meanwhile is served", async () => {
    const operators = await podsOf("operator");
    const load = startLoad(1, askOnce);
    await load.until(() => true, 10_000);
    await kill(installNamespace, ...operators);
    await space.applyFunction("meanwhile", nodeFunction('export const handler = async () => "served";'));
    await waitRollout(`deployment/${release}-operator`);
    await space.waitReady("meanwhile");
    assert.equal(await space.call("meanwhile", {}), "served");
    await noFailure(load);
    await assertNoOrphan();
  });

  it("the package store, whose content was on the node: code is brought again when it is needed", async () => {
    await kill(installNamespace, ...(await podsOf("packages")));
    await waitRollout(`statefulset/${release}-packages`);
    await space.serve("after", nodeFunction('export const handler = async () => "stored";'));
    assert.equal(await space.call("after", {}), "stored");
    await kill(space.name, ...(await space.pods()).map(({ metadata }) => metadata.name));
    await waitUntil({ what: "a new environment with its code", timeoutMs: 90_000, everyMs: 500 }, async () => {
      await askOnce();
      return true;
    });
  });

  it("the API server: warm calls go on, and afterwards everything does", async function () {
    if (space.system.cluster.kind !== "own") {
      progress("the API server is left alive: only the cluster that is built here lets it be killed");
      await askOnce();
      return;
    }
    const load = startLoad(1, askOnce);
    await load.until(() => true, 10_000);
    await space.system.cluster.killComponent("kube-apiserver");
    await load.until(() => true, 20_000, 20);
    await space.system.cluster.startComponent("kube-apiserver");
    await space.serve("later", nodeFunction('export const handler = async () => "later";'));
    await waitUntil({ what: "routers to know the new function", timeoutMs: 30_000, everyMs: 250 }, async () => {
      const { status, bytes } = await space.invoke("later", {});
      // 500 has SDKs ask again; a 404 they would believe.
      if (status !== 500) assert.deepEqual([status, bytes.toString()], [200, '"later"']);
      return status === 200 ? true : undefined;
    });
    await noFailure(load);
    await assertNoOrphan();
  });

  it("nothing is left of functions that are deleted afterwards", async () => {
    await space.kubectl("delete", "fn", "--all");
    await waitUntil({ what: "pods and recipes to go", timeoutMs: 60_000, everyMs: 250 }, async () => {
      const left = await space.kubectl("get", "pods,controllerrevisions", "-o", "name");
      if (left !== "") throw new Error(`left are ${left}`);
      return true;
    });
  });

  /** Every environment's controller is a Function that is there. */
  async function assertNoOrphan(): Promise<void> {
    const functions = JSON.parse(await space.kubectl("get", "fn", "-o", "json")) as {
      items: { metadata: { uid: string } }[];
    };
    const uids = new Set(functions.items.map(({ metadata }) => metadata.uid));
    // What waits in the pool is no function's yet.
    const selector = "kubelambda.dev/component=environment,kubelambda.dev/function-uid";
    const pods = JSON.parse(await space.kubectl("get", "pods", "-l", selector, "-o", "json")) as { items: OwnedPod[] };
    for (const { metadata } of pods.items) {
      const owner = metadata.ownerReferences?.find(({ controller }) => controller === true);
      assert.ok(
        owner?.kind === "Function" && uids.has(owner.uid),
        `${metadata.name} belongs to ${JSON.stringify(owner)}`,
      );
    }
  }
});
