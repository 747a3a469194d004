/** Versions and aliases in local mode: the same controllers and the same router, without a cluster. */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import { stringify } from "yaml";
import { LocalProcess } from "../kit/local-process.ts";

const apiVersion = "kubelambda.dev/v1alpha1";

function manifest(kind: string, name: string, spec: object): string {
  return stringify({ apiVersion, kind, metadata: { name }, spec });
}

function telling(text: string, spec: object = {}): string {
  const source = `export const handler = async (event, context) => (await new Promise((done) => setTimeout(done, event.waitMs ?? 0)), {
    text: ${JSON.stringify(text)}, color: process.env.COLOR, version: context.functionVersion,
    qualifier: context.invokedFunctionArn.split(":")[7] ?? null });`;
  return manifest("Function", "f", {
    runtime: "nodejs24.x",
    handler: "index.handler",
    timeout: 10,
    code: { files: { "index.mjs": source } },
    ...spec,
  });
}

describe("local mode's versions and aliases", function () {
  this.timeout(120_000);
  const local = new LocalProcess();

  before(async () => {
    local.write("first.yaml", manifest("Version", "first", { functionName: "f" }));
    local.write("live.yaml", manifest("Alias", "live", { functionName: "f", functionVersion: "1" }));
    local.write("newest.yaml", manifest("Alias", "newest", { functionRef: { from: { name: "f" } } }));
    local.write("f.yaml", telling("one", { environment: { variables: { COLOR: "red" } } }));
    await local.start("f");
  });
  after(async () => {
    const { status, left } = await local.stop();
    assert.deepEqual([status, left], [0, []]);
  });

  async function call(name: string): Promise<unknown> {
    const { status, body } = await local.invoke(name, {});
    return status === 200 ? JSON.parse(body) : status;
  }

  async function untilCalled(name: string, want: unknown): Promise<void> {
    let last: unknown;
    try {
      await local.until(async () => {
        last = await call(name);
        return JSON.stringify(last) === JSON.stringify(want);
      }, 30_000);
    } catch (error) {
      throw new Error(`${name} answers ${JSON.stringify(last)}, right is ${JSON.stringify(want)}`, { cause: error });
    }
  }

  const first = { text: "one", color: "red", version: "1" };

  it("takes manifests in any order, and finds version and aliases", async () => {
    await untilCalled("f:1", { ...first, qualifier: "1" });
    await untilCalled("f:live", { ...first, qualifier: "live" });
    await untilCalled("f:newest", { ...first, qualifier: "newest" });
    assert.equal(await call("f:9"), 404);
  });

  it("keeps the version when $LATEST changes, and rolls out and back by an alias", async () => {
    local.write("f.yaml", telling("two", { environment: { variables: { COLOR: "blue" } } }));
    await untilCalled("f", { text: "two", color: "blue", version: "$LATEST", qualifier: null });
    assert.deepEqual(await call("f:1"), { ...first, qualifier: "1" });
    local.write("second.yaml", manifest("Version", "second", { functionName: "f" }));
    const second = { text: "two", color: "blue", version: "2" };
    await untilCalled("f:newest", { ...second, qualifier: "newest" });
    assert.deepEqual(await call("f:live"), { ...first, qualifier: "live" });
    local.write("live.yaml", manifest("Alias", "live", { functionName: "f", functionVersion: "second" }));
    await untilCalled("f:live", { ...second, qualifier: "live" });
    local.write("live.yaml", manifest("Alias", "live", { functionName: "f", functionVersion: "1" }));
    await untilCalled("f:live", { ...first, qualifier: "live" });
  });

  it("versions-aliases 30: a call that is under way when the code changes gets the old code's answer", async () => {
    const long = local.invoke("f", { waitMs: 6000 });
    local.write("f.yaml", telling("three", { environment: { variables: { COLOR: "blue" } } }));
    let isOver = false;
    void long.finally(() => (isOver = true));
    await untilCalled("f", { text: "three", color: "blue", version: "$LATEST", qualifier: null });
    assert.equal(isOver, false, "the new code answers before");
    assert.equal((JSON.parse((await long).body) as { text: string }).text, "two");
    local.write("f.yaml", telling("two", { environment: { variables: { COLOR: "blue" } } }));
    await untilCalled("f", { text: "two", color: "blue", version: "$LATEST", qualifier: null });
  });

  it("lets a version go when nothing needs it, and never gives its number again", async () => {
    rmSync(join(local.folder, "newest.yaml"));
    rmSync(join(local.folder, "second.yaml"));
    await untilCalled("f:2", 404);
    local.write("third.yaml", manifest("Version", "third", { functionName: "f" }));
    await untilCalled("f:3", { text: "two", color: "blue", version: "3", qualifier: "3" });
    assert.equal(await call("f:2"), 404);
  });

  it("publishes by itself where a function asks for it", async () => {
    local.write("f.yaml", telling("four", { publish: true, autoPublishAlias: "auto" }));
    await untilCalled("f:auto", { text: "four", version: "4", qualifier: "auto" });
    local.write("f.yaml", telling("five", { publish: true, autoPublishAlias: "auto" }));
    await untilCalled("f:auto", { text: "five", version: "5", qualifier: "auto" });
  });
});
