import assert from "node:assert/strict";
import { Agent } from "undici";
import { API_VERSION } from "../../crds/names.ts";
import { buildImage } from "../cluster/runtime-images.ts";
import { waitUntil } from "../cluster/wait-until.ts";
import { RegistryPusher } from "../images/push.ts";
import { installNamespace, progress } from "./fixture.ts";
import { failuresOf, startLoad, type Call } from "./load.ts";
import { nodeFunction, Space } from "./space.ts";

const answering = (word: string) =>
  nodeFunction(
    `export const handler = async () => { await new Promise((go) => setTimeout(go, 30)); return "${word}"; };`,
    { timeout: 10 },
  );

describe("a code change under load", () => {
  let space: Space;
  before(async function () {
    this.timeout(240_000);
    space = await Space.open("e2e-rollout");
  });
  after(async () => {
    await space.close();
  });

  it("fails no call, and no call that begins after a new answer gets an old one", async () => {
    await space.serve("rolling", answering("v1"));
    const load = startLoad(4, () => space.call("rolling", {}));
    for (const [former, word] of [
      ["v1", "v2"],
      ["v2", "v3"],
    ] as const) {
      await load.until(({ result }) => result === former, 30_000, 100);
      await space.applyFunction("rolling", answering(word));
      await load.until(({ result }) => result === word, 60_000);
    }
    const { status } = await space.getFunction("rolling");
    await waitUntil({ what: "environments of former revisions to go", timeoutMs: 60_000, everyMs: 250 }, async () => {
      // What waits in the pool is of no revision.
      const selector = `kubelambda.dev/function-uid,kubelambda.dev/revision!=${status?.revisionID ?? ""}`;
      const left = await space.kubectl("get", "pods", "-l", selector, "-o", "name");
      if (left !== "") throw new Error(`left are ${left}`);
      return true;
    });
    const calls = await load.stop();
    assert.deepEqual(failuresOf(calls), []);
    assertNeverBack(calls, ["v1", "v2", "v3"]);
    assert.equal(calls.at(-1)?.result, "v3");
  });

  it("keeps the former code when the new one cannot be resolved, and says so", async () => {
    await space.apply({
      apiVersion: "kubelambda.dev/v1alpha1",
      kind: "Function",
      metadata: { name: "rolling" },
      spec: { ...answering("v4"), code: { zipFile: Buffer.from("no zip").toString("base64") } },
    });
    const ready = await space.waitCondition("rolling", "Ready", ({ reason }) => reason === "UpdateFailed");
    assert.equal(ready.status, "False");
    assert.match(ready.message, /revision "[^"]+" goes on$/);
    assert.equal(await space.call("rolling", {}), "v3");
    const { status } = await space.getFunction("rolling");
    assert.deepEqual([status?.state, status?.lastUpdateStatus], ["Active", "Failed"]);
  });

  it("goes on with the next good code", async () => {
    await space.serve("rolling", answering("v5"));
    assert.equal(await space.call("rolling", {}), "v5");
  });
});

describe("an upgrade of kubelambda and of a runtime under load", () => {
  const repository = "e2e/runtimes/nodejs24";
  const telling =
    'import { existsSync } from "node:fs"; export const handler = async () => existsSync("/etc/next") ? "next" : "former";';
  let space: Space;
  let next: string;
  before(async function () {
    this.timeout(240_000);
    space = await Space.open("e2e-upgrade");
    const { registry } = space.system.cluster;
    const baseArchive = await buildImage("kubelambda.test/runtime/nodejs24.x:1", progress);
    const files = { "etc/next": { content: "", mode: 0o644 } };
    await new RegistryPusher(`http://${registry.pushHost}`).pushImage({ repository, tag: "next", baseArchive, files });
    next = `${registry.pullHost}/${repository}`;
    await space.serve("served", nodeFunction(telling, { timeout: 10 }));
    const version = { apiVersion: API_VERSION, kind: "Version", metadata: { name: "first" } };
    await space.apply({ ...version, spec: { functionName: "served" } });
    await space.kubectl("wait", "--for=condition=Ready", "version.kubelambda.dev/first", "--timeout=60s");
  });
  after(async function () {
    this.timeout(240_000);
    await space.system.install();
    await space.close();
  });

  it("replaces every pod of ours and every environment of $LATEST, fails no call, and leaves a version what it is", async function () {
    this.timeout(300_000);
    const pods = async (): Promise<readonly string[]> => {
      const args = ["get", "pods", "-n", installNamespace, "-o", "jsonpath={.items[*].metadata.uid}"];
      return (await space.system.kubectl(args)).split(" ");
    };
    const before = await pods();
    const load = startLoad(3, () => space.call("served", {}));
    const kept = new Agent({ connections: 2, keepAliveTimeout: 60_000 });
    const keptLoad = startLoad(2, () => space.call("served", {}, { dispatcher: kept }));
    await load.until(({ result }) => result === "former", 30_000);
    const { runtimes } = space.system.values as { readonly runtimes: object };
    const moved = { ...runtimes, "nodejs24.x": { image: `${next}:next` } };
    await space.system.install({ logLevel: "debug", runtimes: moved });
    await waitUntil({ what: "all former pods to end", timeoutMs: 120_000, everyMs: 500 }, async () =>
      (await pods()).every((uid) => !before.includes(uid)) ? true : undefined,
    );
    await load.until(({ result }) => result === "next", 90_000);
    const { status } = await space.getFunction("served");
    const former = `kubelambda.dev/configuration,kubelambda.dev/revision!=${status?.revisionID ?? ""}`;
    await waitUntil({ what: "environments that stood in to go", timeoutMs: 60_000, everyMs: 250 }, async () =>
      (await space.kubectl("get", "pods", "-l", former, "-o", "name")) === "" ? true : undefined,
    );
    await load.until(() => true, 10_000, 20);
    const calls = await load.stop();
    assert.deepEqual(failuresOf(calls), []);
    assert.deepEqual(failuresOf(await keptLoad.stop()), [], "on connections that clients keep");
    await kept.destroy();
    assert.equal(calls.at(-1)?.result, "next");
    assert.match(status?.runtimeImage ?? "", new RegExp(`^${next}@sha256:[0-9a-f]{64}$`), "by its digest");
    assert.equal(await space.call("served:1", {}), "former");
  });
});

/** Judged by ends and starts: calls that overlap may come in any order. */
function assertNeverBack(calls: readonly Call[], order: readonly string[]): void {
  const ranks = calls.map(({ result }) => order.indexOf(String(result)));
  assert.ok(
    ranks.every((rank) => rank >= 0),
    "every answer is one of the three",
  );
  const finished = calls.map(({ endedMs }, index) => ({ endedMs, rank: ranks[index] ?? 0 }));
  finished.sort((a, b) => a.endedMs - b.endedMs);
  let best = 0;
  let next = 0;
  for (const [index, { startedMs }] of calls.entries()) {
    for (; (finished[next]?.endedMs ?? Infinity) < startedMs; next += 1)
      best = Math.max(best, finished[next]?.rank ?? 0);
    assert.ok(
      (ranks[index] ?? 0) >= best,
      `a call that began after "${order[best]}" answered got "${order[ranks[index] ?? 0]}"`,
    );
  }
}
