/** Sources oci and digest in local mode: a registry of the machine's, and `kubelambda push --local`. */
import assert from "node:assert/strict";
import { stringify } from "yaml";
import { LocalProcess } from "../kit/local-process.ts";
import { push } from "../kit/push-process.ts";
import { startScriptedRegistry, type ScriptedRegistry } from "../kit/scripted-registry.ts";
import { tarBytes } from "../kit/tar-bytes.ts";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const code = (word: string): string => `export const handler = async () => ${JSON.stringify(word)};`;
const fn = (name: string, source: object): string =>
  stringify({
    ...{ apiVersion: "kubelambda.dev/v1alpha1", kind: "Function", metadata: { name } },
    spec: { runtime: "nodejs24.x", handler: "index.handler", timeout: 10, code: source },
  });

describe("local mode's sources", function () {
  this.timeout(120_000);
  let registry: ScriptedRegistry;
  let local: LocalProcess;
  let folder: string;

  before(async () => {
    registry = await startScriptedRegistry();
    folder = await mkdtemp(join(tmpdir(), "local-sources-"));
    await writeFile(join(folder, "index.mjs"), code("pushed"));
    local = new LocalProcess("--plain-http-registry", registry.host);
    registry.put("1", [{ bytes: await tarBytes([{ name: "index.mjs", content: code("artifact") }]) }]);
    local.write("artifact.yaml", fn("artifact", { oci: { reference: `${registry.host}/team/app:1` } }));
    const pullSecret = { name: "pull" };
    local.write("private.yaml", fn("private", { oci: { reference: `${registry.host}/team/app:1`, pullSecret } }));
    await local.start("artifact");
  });
  after(async () => {
    const { left } = await local.stop();
    await registry.stop();
    await rm(folder, { recursive: true });
    assert.deepEqual(left, []);
  });

  it("run an artifact of a registry on the machine", async () => {
    assert.deepEqual(JSON.parse((await local.invoke("artifact", {})).body), "artifact");
  });

  it("say that nothing here can be given a pull secret", async () => {
    const says = /no Secrets where this runs \(local mode\); use a public source/;
    await local.until(async () => says.test((await local.invoke("private", {})).body));
    assert.notEqual((await local.invoke("private", {})).status, 200);
  });

  it("run what was pushed, by the address that local mode says", async () => {
    const said = /kubelambda push --local( --url (http:\S+))? <zip or folder>/;
    await local.until(() => said.test(local.output));
    const url = said.exec(local.output)?.[2] ?? "http://127.0.0.1:4001";
    const end = await push(["--local", "--url", url, "-q", folder]);
    assert.equal(end.code, 0, end.stderr);
    local.write("pushed.yaml", fn("pushed", { digest: end.stdout.trim() }));
    await local.until(async () => (await local.invoke("pushed", {})).body === '"pushed"', 30_000);
  });
});
