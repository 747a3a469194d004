/** Provisioned concurrency in local mode: the whole system, in one process tree, as a user sees it. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "mocha";
import { stringify } from "yaml";
import { LocalProcess } from "../kit/local-process.ts";

const apiVersion = "kubelambda.dev/v1alpha1";

function manifest(kind: string, name: string, spec: object): string {
  return stringify({ apiVersion, kind, metadata: { name }, spec });
}

function telling(text: string, code = ""): string {
  const source = `${code}
const id = Math.random();
export const handler = async ({ ms = 0 }, context) => {
  await new Promise((resolve) => setTimeout(resolve, ms));
  return { text: ${JSON.stringify(text)}, version: context.functionVersion, id, type: process.env.AWS_LAMBDA_INITIALIZATION_TYPE };
};`;
  return manifest("Function", "f", {
    runtime: "nodejs24.x",
    handler: "index.handler",
    timeout: 10,
    code: { files: { "index.mjs": source } },
  });
}

interface Told {
  readonly text: string;
  readonly version: string;
  readonly id: number;
  readonly type: string;
}

describe("local mode's provisioned concurrency", function () {
  this.timeout(120_000);
  const local = new LocalProcess();
  const live = (functionVersion: string, many?: number): string =>
    manifest("Alias", "live", {
      functionName: "f",
      functionVersion,
      ...(many !== undefined && { provisionedConcurrencyConfig: { provisionedConcurrentExecutions: many } }),
    });

  before(async () => {
    local.write("f.yaml", telling("one"));
    local.write("first.yaml", manifest("Version", "first", { functionName: "f" }));
    local.write("live.yaml", live("1", 2));
    await local.start("f");
  });
  after(async () => {
    const { status, left } = await local.stop();
    assert.deepEqual([status, left], [0, []]);
  });

  async function call(name: string, event: object = {}): Promise<Told> {
    const { status, body } = await local.invoke(name, event);
    assert.equal(status, 200, body);
    return JSON.parse(body) as Told;
  }

  async function untilType(name: string, type: string, version = "1"): Promise<void> {
    let last: Told | undefined;
    await local
      .until(async () => {
        last = await call(name);
        return last.type === type && last.version === version;
      }, 30_000)
      .catch((error: unknown) => {
        throw new Error(`${name} answers ${JSON.stringify(last)}, right is ${type}`, { cause: error });
      });
  }

  it("concurrency 15, 16: what is kept ready is used first, more calls run on demand", async () => {
    await local.until(async () => (await local.invoke("f:live", {})).status === 200, 30_000);
    await untilType("f:live", "provisioned-concurrency");
    assert.equal((await call("f:1")).type, "provisioned-concurrency");
    assert.equal((await call("f")).type, "on-demand");
    const told = await Promise.all([1, 2, 3].map(() => call("f:live", { ms: 500 })));
    assert.deepEqual(told.map(({ type }) => type).sort(), [
      "on-demand",
      "provisioned-concurrency",
      "provisioned-concurrency",
    ]);
    assert.equal(new Set(told.map(({ id }) => id)).size, 3);
  });

  it("concurrency 22: an alias that moves takes what is kept ready along, and no call fails", async () => {
    local.write("f.yaml", telling("two"));
    await local.until(async () => (await call("f")).text === "two", 30_000);
    let isMoving = true;
    const load = [1, 2].map(async () => {
      const told: Told[] = [];
      while (isMoving) told.push(await call("f:live", { ms: 20 }));
      return told;
    });
    local.write("second.yaml", manifest("Version", "second", { functionName: "f" }));
    local.write("live.yaml", live("2", 2));
    await untilType("f:live", "provisioned-concurrency", "2");
    isMoving = false;
    const told = (await Promise.all(load)).flat();
    assert.ok(told.every(({ text, version }) => text === (version === "1" ? "one" : "two")));
    await untilType("f:1", "on-demand");
  });

  it("gives up what nobody wants kept ready any more", async () => {
    local.write("live.yaml", live("2"));
    await untilType("f:live", "on-demand", "2");
  });
});
