/** File systems of functions: a PersistentVolumeClaim below /mnt, shared between environments and functions. */
import assert from "node:assert/strict";
import { chownSync, mkdirSync, mkdtempSync, rmSync, chmodSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FunctionSpecInput } from "../../crds/v1alpha1/function.ts";
import { zipBytes } from "../kit/zip-bytes.ts";
import { nodeFunction, Space } from "./space.ts";

/** The group that the volume belongs to. */
const group = 2000;
const working = `import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
const attempt = (work) => { try { return work(); } catch ({ code }) { return code; } };
export const handler = async ({ line }) => ({
  written: attempt(() => line === undefined ? "nothing" : appendFileSync("/mnt/data/lines", line) ?? "ok"),
  lines: attempt(() => readFileSync("/mnt/data/lines", "utf8")),
  closed: attempt(() => readFileSync("/var/task/closed", "utf8")),
  task: attempt(() => writeFileSync("/var/task/x", "") ?? "ok"),
});`;
const mounted: Partial<FunctionSpecInput> = {
  fileSystemConfigs: [{ persistentVolumeClaim: { name: "data" }, localMountPath: "/mnt/data" }],
  podTemplate: { spec: { securityContext: { supplementalGroups: [group] } } },
  timeout: 10,
};

describe("file systems of functions", () => {
  let space: Space;
  let folder: string | undefined;
  before(async function () {
    this.timeout(240_000);
    space = await Space.open("e2e-file-systems");
    folder = await makeVolume(space);
  });
  after(async () => {
    await space.close("wait");
    if (folder === undefined) return;
    await space.system.kubectl(["delete", "pv", space.name, "--ignore-not-found"]);
    rmSync(folder, { recursive: true, force: true });
  });

  it("are read and written by the function's user, and shared; permission bits of the package mean what they did", async () => {
    const code = zipBytes([
      { name: "index.mjs", content: working, mode: 0o644 },
      { name: "closed", content: "for the owner's group", mode: 0o640 },
    ]);
    await space.serve("writer", { ...nodeFunction(""), ...mounted, code: { zipFile: code.toString("base64") } });
    await space.serve("reader", nodeFunction(working, mounted));
    assert.deepEqual(await space.call("writer", { line: "one\n" }), {
      written: "ok",
      lines: "one\n",
      closed: "EACCES",
      task: "EROFS",
    });
    const { lines } = (await space.call("reader", {})) as { readonly lines: string };
    assert.equal(lines, "one\n");
  });

  it("that are not there are named by condition", async () => {
    const fileSystemConfigs = [{ persistentVolumeClaim: { name: "absent" }, localMountPath: "/mnt/data" }];
    await space.serve("lost", nodeFunction(working, { fileSystemConfigs }));
    // Its caller waits for a node that takes it, and so does the environment.
    const calling = space.invoke("lost", {}).catch(() => undefined);
    const healthy = await space.waitCondition("lost", "EnvironmentsHealthy", ({ status }) => status === "False");
    assert.equal(healthy.reason, "Unschedulable");
    assert.match(healthy.message, /persistentvolumeclaim "absent" not found/);
    await space.kubectl("delete", "fn", "lost");
    await calling;
  });
});

/** On the cluster that is built here a folder of the node, which its group may write; elsewhere what the default class gives. */
async function makeVolume(space: Space): Promise<string | undefined> {
  const resources = { requests: { storage: "16Mi" } };
  const claim = (more: object) => ({
    ...{ apiVersion: "v1", kind: "PersistentVolumeClaim", metadata: { name: "data" } },
    spec: { accessModes: ["ReadWriteOnce"], resources, ...more },
  });
  if (space.system.cluster.kind !== "own") {
    await space.apply(claim({}));
    return undefined;
  }
  const parent = mkdtempSync(join(tmpdir(), "file-systems-"));
  chmodSync(parent, 0o755);
  const folder = join(parent, "data");
  mkdirSync(folder);
  chownSync(folder, 0, group);
  chmodSync(folder, 0o2770);
  const spec = { capacity: { storage: "16Mi" }, accessModes: ["ReadWriteOnce"], storageClassName: space.name };
  const metadata = { name: space.name };
  const phase = async (what: string, is: string): Promise<string> =>
    await space.kubectl("wait", `--for=jsonpath={.status.phase}=${is}`, what, "--timeout=40s");
  await space.apply({
    apiVersion: "v1",
    kind: "PersistentVolume",
    metadata,
    spec: { ...spec, hostPath: { path: folder } },
  });
  await phase(`pv/${space.name}`, "Available");
  await space.apply(claim({ storageClassName: space.name }));
  await phase("pvc/data", "Bound");
  return parent;
}
