import assert from "node:assert/strict";
import { waitUntil } from "../cluster/wait-until.ts";
import { installNamespace } from "./fixture.ts";
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
      const selector = `kubelambda.dev/revision!=${status?.revisionID ?? ""}`;
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

describe("an upgrade of kubelambda under load", () => {
  let space: Space;
  before(async function () {
    this.timeout(240_000);
    space = await Space.open("e2e-upgrade");
    await space.serve("served", answering("here"));
  });
  after(async function () {
    this.timeout(240_000);
    await space.system.install();
    await space.close();
  });

  it("replaces every pod of ours and fails no call", async function () {
    this.timeout(300_000);
    const pods = async (): Promise<readonly string[]> => {
      const args = ["get", "pods", "-n", installNamespace, "-o", "jsonpath={.items[*].metadata.uid}"];
      return (await space.system.kubectl(args)).split(" ");
    };
    const before = await pods();
    const load = startLoad(3, () => space.call("served", {}));
    await load.until(({ result }) => result === "here", 30_000);
    await space.system.install({ logLevel: "debug" });
    await waitUntil({ what: "all former pods to end", timeoutMs: 120_000, everyMs: 500 }, async () =>
      (await pods()).every((uid) => !before.includes(uid)) ? true : undefined,
    );
    await load.until(() => true, 10_000);
    const calls = await load.stop();
    assert.deepEqual(failuresOf(calls), []);
    assert.ok(calls.every(({ result }) => result === "here"));
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
