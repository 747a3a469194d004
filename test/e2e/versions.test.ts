import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { accountIdOf, API_VERSION } from "../../crds/names.ts";
import type { AliasObject } from "../../crds/v1alpha1/alias.ts";
import type { VersionObject } from "../../crds/v1alpha1/version.ts";
import { run } from "../cluster/run.ts";
import { waitUntil } from "../cluster/wait-until.ts";
import { failuresOf, startLoad } from "./load.ts";
import { awsEnvironment } from "./caller.ts";
import { installNamespace } from "./fixture.ts";
import { jsonOf } from "./invoke.ts";
import { nodeFunction, Space } from "./space.ts";

/** Tells everything that a version has frozen. */
const telling = (text: string): string => `import { readFileSync } from "node:fs";
const read = (path) => { try { return readFileSync(path, "utf8"); } catch ({ code }) { return code; } };
export const handler = async (event, context) => ({
  text: ${JSON.stringify(text)}, color: process.env.COLOR, layer: read("/opt/layer.txt"),
  version: process.env.AWS_LAMBDA_FUNCTION_VERSION, context: context.functionVersion,
  memory: context.memoryLimitInMB, arn: context.invokedFunctionArn,
});`;

const kind = (name: "Version" | "Alias") => (metadataName: string, spec: object) => ({
  apiVersion: API_VERSION,
  kind: name,
  metadata: { name: metadataName },
  spec: { functionName: "f", ...spec },
});
const version = kind("Version");
const alias = kind("Alias");

describe("versions and aliases", () => {
  let space: Space;
  let folder: string;
  let arn: string;
  before(async function () {
    this.timeout(240_000);
    space = await Space.open("e2e-versions");
    folder = await mkdtemp(join(tmpdir(), "kubelambda-versions-"));
    arn = `arn:aws:lambda:us-east-1:${accountIdOf(space.name)}:function:f`;
    const layer = { content: { files: { "layer.txt": "layer of one" } } };
    await space.apply({ apiVersion: API_VERSION, kind: "Layer", metadata: { name: "words" }, spec: layer });
    const code = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "code" } };
    await space.apply({ ...code, data: { "index.mjs": telling("one") } });
    const { code: _files, ...rest } = nodeFunction("");
    const more = { layers: ["words"], environment: { variables: { COLOR: "red" } }, memorySize: 192 };
    await space.serve("f", { ...rest, ...more, code: { configMapRef: { name: "code" } } });
  });
  after(async () => {
    await rm(folder, { recursive: true, force: true });
    await space.close();
  });

  async function ready(...names: readonly string[]): Promise<void> {
    await space.kubectl("wait", "--for=condition=Ready", ...names, "--timeout=60s");
  }

  async function get<T>(name: string): Promise<T> {
    return JSON.parse(await space.kubectl("get", name, "-o", "json")) as T;
  }

  /** Through the AWS CLI, as a user calls it. */
  async function awsInvoke(...args: readonly string[]): Promise<{ answer: Record<string, unknown>; executed: string }> {
    const output = join(folder, "out.json");
    const call = [
      "lambda",
      "invoke",
      "--endpoint-url",
      space.system.routerUrl,
      "--region",
      "us-east-1",
      ...args,
      output,
    ];
    const env = { ...awsEnvironment(space.system), HOME: folder };
    const stdout = await run(space.system.cluster.aws, [...call, "--output", "json"], { timeoutMs: 90_000, env });
    const { ExecutedVersion: executed } = JSON.parse(stdout) as { ExecutedVersion: string };
    return { answer: JSON.parse(await readFile(output, "utf8")) as Record<string, unknown>, executed };
  }

  const first = { text: "one", color: "red", layer: "layer of one", version: "1", context: "1", memory: "192" };

  it("versions-aliases 1, 6: a published version runs what it was published with, whatever $LATEST becomes", async () => {
    await space.apply(version("first", { description: "the first" }));
    await ready("version/first");
    assert.equal((await get<VersionObject>("version/first")).status?.functionARN, `${arn}:1`);
    assert.deepEqual(await space.call("f:1", {}), { ...first, arn: `${arn}:1` });
    const files = { "index.mjs": telling("two") };
    await space.serve("f", nodeFunction("", { code: { files }, environment: { variables: { COLOR: "blue" } } }));
    const latest = (await space.call("f", {})) as Record<string, unknown>;
    assert.deepEqual([latest["text"], latest["color"], latest["version"]], ["two", "blue", "$LATEST"]);
    assert.deepEqual(await space.call("f:1", {}), { ...first, arn: `${arn}:1` });
  });

  it("invoke-api 25, packages 24, versions-aliases 20: the AWS CLI reaches versions and aliases, and calls are split by weight", async () => {
    await space.apply(version("second", {}), alias("live", { functionVersion: "first" }));
    await ready("version/second", "alias/live");
    for (const args of [
      ["--function-name", `${arn}:1`],
      ["--function-name", arn, "--qualifier", "1"],
    ]) {
      const { answer, executed } = await awsInvoke(...args);
      assert.deepEqual([executed, answer["arn"], answer["text"]], ["1", `${arn}:1`, "one"]);
    }
    const live = await awsInvoke("--function-name", arn, "--qualifier", "live");
    const { executed, answer: told } = live;
    assert.deepEqual([executed, told["arn"], told["version"]], ["1", `${arn}:live`, "1"]);
    await space.apply(
      alias("live", { functionVersion: "1", routingConfig: { additionalVersionWeights: { "2": 0.3 } } }),
    );
    await ready("alias/live");
    await space.call("f:2", {});
    const versions: string[] = [];
    for (let i = 0; i < 200; i++) {
      const answer = await space.invoke("f:live", {});
      assert.equal(answer.status, 200, answer.bytes.toString());
      versions.push(answer.headers["x-amz-executed-version"] ?? "");
    }
    const second = versions.filter((executed) => executed === "2").length;
    assert.deepEqual(new Set(versions), new Set(["1", "2"]));
    // 60 of 200 on average; so far away one run in 100 million is.
    assert.ok(second > 22 && second < 98, `${second} of 200`);
  });

  it("versions-aliases 16, 18: an alias or version that is not there is 404", async () => {
    for (const qualifier of ["9", "nowhere"]) {
      const answer = await space.invoke(`f:${qualifier}`, {});
      assert.equal(answer.status, 404);
      assert.equal(jsonOf(answer)["Message"], `Function not found: ${arn}:${qualifier}`);
    }
  });

  it("loses no call while an alias moves back and forth", async () => {
    const load = startLoad(2, () => space.call("f:live", {}));
    for (const functionVersion of ["2", "1", "2", "1"]) {
      await space.kubectl(
        "patch",
        "alias/live",
        "--type=merge",
        "-p",
        JSON.stringify({ spec: { functionVersion, routingConfig: null } }),
      );
      await ready("alias/live");
    }
    const calls = await load.stop();
    assert.deepEqual(failuresOf(calls), []);
    assert.ok(calls.length > 10);
  });

  it("versions-aliases 14: stays while an alias needs it", async () => {
    await space.kubectl("delete", "version/first", "--wait=false");
    const message = await waitUntil({ what: "the holder is told", timeoutMs: 30_000, everyMs: 250 }, async () => {
      const { status } = await get<VersionObject>("version/first");
      const told = status?.conditions?.find(({ type, reason }) => type === "Ready" && reason === "HeldByAlias");
      if (told === undefined) throw new Error(JSON.stringify(status?.conditions));
      return told.message;
    });
    assert.equal(message, "Unable to delete version because the following aliases reference it: [live]");
    assert.equal((await space.invoke("f:live", {})).headers["x-amz-executed-version"], "1");
  });

  it("answers byte for byte the same after its source, its layer and its function's spec are gone and the node is new", async function () {
    this.timeout(240_000);
    const before = (await space.invoke("f:1", {})).bytes;
    await space.kubectl("delete", "configmap/code", "layer/words", "--wait=true");
    await space.serve("f", nodeFunction(telling("another"), { memorySize: 256, timeout: 7 }));
    await space.kubectl("delete", "pods", "-l", "kubelambda.dev/component=environment", "--wait=true");
    await forgetNode();
    const after = await space.invoke("f:1", {});
    assert.equal(after.status, 200, after.bytes.toString());
    assert.equal(after.bytes.toString(), before.toString());
    assert.deepEqual(JSON.parse(after.bytes.toString()), { ...first, arn: `${arn}:1` });
  });

  /** What a new node does not have: packages that were fetched there, and processes of ours that remember anything. */
  async function forgetNode(): Promise<void> {
    const { kubectl } = space.system;
    const ours = ["--namespace", installNamespace];
    await kubectl([...ours, "delete", "pods", "-l", "app.kubernetes.io/component=cache", "--wait=true"]);
    for (const kind of ["deployment", "daemonset"]) {
      const names = (await kubectl([...ours, "get", kind, "-o", "name"])).split("\n").filter(Boolean);
      if (names.length === 0) continue;
      await kubectl([...ours, "rollout", "restart", ...names]);
      for (const name of names)
        await kubectl([...ours, "rollout", "status", name, "--timeout=100s"], { timeoutMs: 110_000 });
    }
  }

  it("a function that publishes by itself is rolled out and back by its alias", async () => {
    const own = { publish: true, autoPublishAlias: "prod" };
    await space.serve("self", nodeFunction(telling("a"), own));
    const routed = async (want: string): Promise<string> =>
      await waitUntil({ what: `prod is version ${want}`, timeoutMs: 60_000, everyMs: 250 }, async () => {
        const { items } = await get<{ items: AliasObject[] }>("aliases");
        const found = items.find(({ spec }) => spec.name === "prod");
        if (found?.status?.functionVersion !== want) throw new Error(JSON.stringify(found?.status));
        return found.metadata.name;
      });
    await routed("1");
    assert.equal(((await space.call("self:prod", {})) as Record<string, unknown>)["text"], "a");
    await space.serve("self", nodeFunction(telling("b"), own));
    const name = await routed("2");
    assert.equal(((await space.call("self:prod", {})) as Record<string, unknown>)["text"], "b");
    await space.kubectl("patch", `alias/${name}`, "--type=merge", "-p", '{"spec":{"functionVersion":"1"}}');
    await routed("1");
    assert.equal(((await space.call("self:prod", {})) as Record<string, unknown>)["text"], "a");
  });

  it("a namespace with all of it ends without hanging", async function () {
    this.timeout(120_000);
    await space.close("wait");
  });
});
