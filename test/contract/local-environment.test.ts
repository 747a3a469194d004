/** What a function is given in local mode: file systems, and variables of Secrets that may come later. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import { stringify } from "yaml";
import type { FunctionSpecInput } from "../../crds/v1alpha1/function.ts";
import { API_VERSION } from "../../crds/names.ts";
import { LocalProcess } from "../kit/local-process.ts";

const writing = `import { appendFileSync, readFileSync } from "node:fs";
export const handler = async ({ line }) => {
  appendFileSync("/mnt/data/lines", line);
  return [readFileSync("/mnt/data/lines", "utf8"), process.env.WORD];
};`;

function manifest(name: string, more: Partial<FunctionSpecInput>): string {
  const spec = { runtime: "nodejs24.x", handler: "index.handler", code: { files: { "index.mjs": writing } }, ...more };
  return stringify({ apiVersion: API_VERSION, kind: "Function", metadata: { name }, spec });
}
function mount(claim: string): Partial<FunctionSpecInput> {
  return { fileSystemConfigs: [{ persistentVolumeClaim: { name: claim }, localMountPath: "/mnt/data" }] };
}

describe("a function's environment in local mode", function () {
  this.timeout(120_000);
  const folder = mkdtempSync(join(tmpdir(), "local-files-"));
  const local = new LocalProcess("--file-system", `data=${folder}`);

  before(async () => {
    const valueFrom = { WORD: { secretKeyRef: { name: "late", key: "word" } } };
    local.write("writer.yaml", manifest("writer", { ...mount("data"), environment: { valueFrom } }));
    local.write("lost.yaml", manifest("lost", mount("other")));
    await local.start();
  });
  after(async () => {
    const { status, left } = await local.stop();
    rmSync(folder, { recursive: true, force: true });
    assert.deepEqual({ status, left }, { status: 0, left: [] });
    assert.ok(!existsSync("/mnt/data"), "nothing of it is left on the machine");
  });

  it("waits for a Secret, says which, and goes on when it is there; a file system is the folder", async () => {
    const answer = local.invoke("writer", { line: "one" });
    await local.until(() =>
      /writer.*Cannot fill in the variables of environment.valueFrom: secret "late" not found/.test(local.output),
    );
    const secret = { apiVersion: "v1", kind: "Secret", metadata: { name: "late" }, stringData: { word: "here" } };
    local.write("secret.yaml", stringify(secret));
    const { status, body } = await answer;
    assert.equal(status, 200, body);
    assert.deepEqual(JSON.parse(body), ["one", "here"]);
    assert.equal(readFileSync(join(folder, "lines"), "utf8"), "one");
  });

  it("names the flag for a file system that no folder stands for", async () => {
    await local.until(() =>
      /Cannot mount "\/mnt\/data": no folder stands for the PersistentVolumeClaim "other"; start local mode with --file-system other=<folder>/.test(
        local.output,
      ),
    );
  });
});
