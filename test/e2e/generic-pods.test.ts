import assert from "node:assert/strict";
import { labels } from "../../crds/names.ts";
import type { Pod } from "../../operator/pod.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";
import { waitUntil } from "../cluster/wait-until.ts";
import { progress } from "./fixture.ts";
import { nodeFunction, Space } from "./space.ts";

/** Says where it runs, and what it sees of it. */
const source = `import { readdirSync, statSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
const attempt = (path) => { try { writeFileSync(path, "x"); return "written"; } catch ({ code }) { return code; } };
export const handler = async ({ name }) => ({
  pod: hostname(), greeting: "Hello, " + name, uid: process.getuid(),
  task: readdirSync("/var/task"), mode: (statSync("/var/task/index.mjs").mode & 0o777).toString(8), owner: statSync("/var/task/index.mjs").uid,
  writes: ["/var/task/x", "/opt/x", "/run/kubelambda/runtime/x", "/tmp/x"].map(attempt),
  tokens: ["/var/run/secrets/kubelambda", "/var/run/secrets/kubernetes.io"].map((path) => {
    try { return readdirSync(path); } catch ({ code }) { return code; }
  }),
  kubernetes: Object.keys(process.env).filter((key) => key.startsWith("KUBE")),
});`;

interface Seen {
  readonly pod: string;
  readonly [name: string]: unknown;
}

describe("generic pods", () => {
  let space: Space;

  before(async function () {
    this.timeout(300_000);
    space = await Space.open("generic-pods");
  });
  after(async () => await space.close());

  async function podsWhere(selector: string): Promise<readonly Stored<Pod>[]> {
    const { items } = JSON.parse(await space.kubectl("get", "pods", "-l", selector, "-o", "json")) as {
      items: Stored<Pod>[];
    };
    return items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  }

  /** A pod that waits and runs. */
  async function waiting(besides = ""): Promise<Stored<Pod>> {
    return await waitUntil({ what: "a pod that waits", timeoutMs: 40_000, everyMs: 250 }, async () => {
      const pods = await podsWhere(`${labels.generic},!${labels.functionUid}`);
      const pod = pods.find(({ metadata, status }) => metadata.name !== besides && status?.phase === "Running");
      if (pod === undefined) throw new Error(`there are ${pods.map(({ metadata }) => metadata.name).join() || "none"}`);
      // The operator asks its agent before it gives it away.
      await new Promise((resolve) => setTimeout(resolve, 1500));
      return pod;
    });
  }

  async function call(name: string): Promise<Seen> {
    const beganMs = performance.now();
    const seen = (await space.call(name, { name: "Ada" })) as Seen;
    progress(`${name}: first answer after ${Math.round(performance.now() - beganMs)} ms from ${seen.pod}`);
    return seen;
  }

  const expected = {
    ...{ greeting: "Hello, Ada", uid: 10_002, task: ["index.mjs"], mode: "644", owner: 10_001, kubernetes: [] },
    writes: ["EROFS", "EROFS", "EROFS", "written"],
    tokens: ["ENOENT", "ENOENT"],
  };

  it("serve a function that needs nothing of its own in a pod's spec, from one that is made for the call", async () => {
    await space.serve("first", nodeFunction(source));
    const { pod, ...seen } = await call("first");
    assert.match(pod, /^first-/);
    assert.deepEqual(seen, expected);
    await space.waitCondition("first", "GenericPods", ({ status }) => status === "True");
  });

  it("serve the first call of another from one that waits, and are that function's from then on", async () => {
    const waits = await waiting();
    await space.serve("second", nodeFunction(source));
    const { pod, ...seen } = await call("second");
    assert.equal(pod, waits.metadata.name);
    assert.deepEqual(seen, expected);
    const { metadata } = await space.getFunction("second");
    const [taken] = await podsWhere(`${labels.functionUid}=${metadata.uid}`);
    assert.equal(taken?.metadata.name, pod);
    assert.deepEqual(
      taken.metadata.ownerReferences?.map(({ kind, uid, controller }) => [kind, uid, controller]),
      [["Function", metadata.uid, true]],
    );
    const next = await waiting(pod);
    await space.serve("third", nodeFunction(source));
    assert.equal((await call("third")).pod, next.metadata.name, "no second function gets the same pod");
    assert.equal((await call("second")).pod, pod);
  });

  it("go with their function", async () => {
    const { pod } = await call("second");
    await space.kubectl("delete", "fn", "second", "--timeout=60s");
    await waitUntil({ what: "the pod's end", timeoutMs: 60_000, everyMs: 250 }, async () => {
      const names = (await podsWhere("kubelambda.dev/component=environment")).map(({ metadata }) => metadata.name);
      if (names.includes(pod)) throw new Error(`there are ${names.join()}`);
      return true;
    });
  });

  it("are not given to a function with needs of its own, whose status says why", async () => {
    const waits = await waiting();
    await space.serve("own", nodeFunction(source, { podTemplate: { metadata: { labels: { team: "a" } } } }));
    const condition = await space.waitCondition("own", "GenericPods", ({ status }) => status === "False");
    assert.match(condition.message, /podTemplate/);
    const { pod } = await call("own");
    assert.match(pod, /^own-/);
    assert.equal((await waiting()).metadata.name, waits.metadata.name);
  });
});
