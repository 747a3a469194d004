import assert from "node:assert/strict";
import { API_VERSION } from "../../crds/names.ts";
import { shellExtension } from "../kit/shell-extension.ts";
import { nodeFunction, Space } from "./space.ts";

/** Counts its calls, writes so many MB into /tmp in files of 8 MB, and says how far it came. */
const writing = `import { appendFileSync, rmSync } from "node:fs";
let calls = 0;
const block = Buffer.alloc(8 * 1024 * 1024, 1);
export const handler = async ({ megabytes }) => {
  calls++;
  let written = 0;
  try {
    for (; written < megabytes; written += 8) appendFileSync("/tmp/large", block);
  } catch ({ code }) {
    return { calls, code, written };
  } finally {
    rmSync("/tmp/large", { force: true });
  }
  return { calls, written };
};`;

describe("memory and /tmp of an environment", () => {
  let space: Space;
  before(async function () {
    this.timeout(240_000);
    space = await Space.open("e2e-resources");
  });
  after(async function () {
    this.timeout(240_000);
    await space.close();
    await space.system.install();
  });

  interface PodWithResources {
    readonly metadata: { readonly name: string };
    readonly spec: {
      readonly resources?: { readonly limits?: Readonly<Record<string, string>> };
      readonly containers: readonly { readonly name: string; readonly resources?: object }[];
    };
  }

  async function podOf(name: string): Promise<PodWithResources> {
    const { metadata } = await space.getFunction(name);
    const selector = `kubelambda.dev/function-uid=${metadata.uid ?? ""}`;
    const { items } = JSON.parse(await space.kubectl("get", "pods", "-l", selector, "-o", "json")) as {
      readonly items: readonly PodWithResources[];
    };
    const [pod] = items;
    assert.ok(pod !== undefined, `function "${name}" has a pod`);
    return pod;
  }

  it("one limit holds for runtime and extensions together: what takes too much goes, the rest lives on", async () => {
    await space.apply({
      apiVersion: API_VERSION,
      kind: "Layer",
      metadata: { name: "agent" },
      spec: { content: { files: { "extensions/agent": shellExtension("agent") } } },
    });
    await space.serve("together", nodeFunction(writing, { layers: ["agent"], timeout: 20 }));
    assert.deepEqual(await space.call("together", { megabytes: 0 }), { calls: 1, written: 0 });
    const { metadata, spec } = await podOf("together");
    assert.equal(spec.resources?.limits?.["memory"], "224Mi");
    assert.ok(spec.containers.every(({ resources }) => resources === undefined || Object.keys(resources).length === 0));
    const { name } = metadata;
    const take = async (megabytes: number): Promise<string> =>
      await space.kubectl(
        "exec",
        name,
        "-c",
        "extension-1",
        "--",
        "sh",
        "-c",
        `head -c ${megabytes}M /dev/zero | tail -c ${megabytes}M | wc -c`,
      );
    assert.equal((await take(16)).trim(), String(16 * 1024 * 1024));
    // tail is killed, and wc counts what it has not written.
    assert.equal((await take(400)).trim(), "0");
    assert.deepEqual(await space.call("together", { megabytes: 0 }), { calls: 2, written: 0 });
  });

  it("packages 33: in memory, /tmp is full at its size, and the environment survives with its memory", async function () {
    this.timeout(300_000);
    const { values } = space.system;
    await space.system.install({ environments: { ...(values["environments"] as object), tmpMedium: "Memory" } });
    await space.serve("full", nodeFunction(writing, { timeout: 60, ephemeralStorage: { size: 512 } }));
    const answer = await space.call("full", { megabytes: 600 });
    assert.deepEqual(answer, { calls: 1, code: "ENOSPC", written: 512 });
    assert.deepEqual(await space.call("full", { megabytes: 504 }), { calls: 2, written: 504 });
    assert.equal((await podOf("full")).spec.resources?.limits?.["memory"], "736Mi");
  });
});
