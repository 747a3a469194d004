/** How many calls run, in local mode: the same decisions as in a cluster, by the one router that there is. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "mocha";
import { stringify } from "yaml";
import { LocalProcess } from "../kit/local-process.ts";

const apiVersion = "kubelambda.dev/v1alpha1";

function manifest(kind: string, name: string, spec: object): string {
  return stringify({ apiVersion, kind, metadata: { name }, spec });
}

/** Runs so long as it is told, and says who ran what. */
function sleeper(name: string, spec: object = {}): string {
  // An environment may have process ids of its own.
  const source = `const place = crypto.randomUUID();
  export const handler = async ({ ms = 0 }, context) => {
    const beganMs = Date.now();
    await new Promise((resolve) => setTimeout(resolve, ms));
    return { place, beganMs, endedMs: Date.now(), version: context.functionVersion };
  };`;
  const code = { files: { "index.mjs": source } };
  return manifest("Function", name, { runtime: "nodejs24.x", handler: "index.handler", timeout: 20, code, ...spec });
}

describe("local mode's concurrency", function () {
  this.timeout(120_000);
  const local = new LocalProcess();

  before(async () => {
    local.write("off.yaml", sleeper("off", { reservedConcurrentExecutions: 0 }));
    local.write("one.yaml", sleeper("one", { reservedConcurrentExecutions: 1 }));
    local.write("free.yaml", sleeper("free"));
    local.write("first.yaml", manifest("Version", "first", { functionName: "free" }));
    await local.start("off", "one", "free");
  });
  after(async () => {
    const { status, left } = await local.stop();
    assert.deepEqual([status, left], [0, []]);
  });

  async function untilServed(name: string): Promise<void> {
    await local.until(async () => (await local.invoke(name, {})).status === 200, 60_000);
  }

  function reasonOf({ body }: { readonly body: string }): unknown {
    return (JSON.parse(body) as { readonly Reason?: string }).Reason;
  }

  function placeOf({ body }: { readonly body: string }): unknown {
    return (JSON.parse(body) as { readonly place?: string }).place;
  }

  it("concurrency 6: R = 0 refuses with AWS's body", async () => {
    await local.until(async () => (await local.invoke("off", {})).status === 429, 30_000);
    assert.deepEqual(JSON.parse((await local.invoke("off", {})).body), {
      Reason: "ReservedFunctionConcurrentInvocationLimitExceeded",
      Type: "User",
      message: "Rate Exceeded.",
    });
  });

  it("concurrency 7, 28: with R = 1 a second call is refused at once, and the next finds the same environment", async () => {
    await untilServed("one");
    const running = local.invoke("one", { ms: 1500 });
    await local.until(async () => {
      const answer = await local.invoke("one", {});
      return reasonOf(answer) === "ReservedFunctionConcurrentInvocationLimitExceeded";
    });
    const first = await running;
    assert.equal(first.status, 200);
    const next = await local.invoke("one", {});
    assert.equal(placeOf(next), placeOf(first));
  });

  it("concurrency 9: R raised from 0 to 1 lets the next call in", async () => {
    local.write("off.yaml", sleeper("off", { reservedConcurrentExecutions: 1 }));
    await untilServed("off");
  });

  it("concurrency 27: with R = 1 more than 10 requests a second are refused for their rate", async () => {
    const answers = [];
    for (let number = 0; number < 60; number += 1) answers.push(await local.invoke("one", {}));
    const refused = answers.filter(({ status }) => status === 429);
    assert.ok(refused.length > 0 && refused.length < answers.length, `${refused.length} were refused`);
    for (const answer of refused) assert.equal(reasonOf(answer), "ReservedFunctionInvocationRateLimitExceeded");
  });

  it("starts more environments when calls come at once, and runs one call in each", async () => {
    await untilServed("free");
    const answers = await Promise.all([1, 2, 3].map(() => local.invoke("free", { ms: 3000 })));
    const runs = answers.map(({ status, body }) => {
      assert.equal(status, 200, body);
      return JSON.parse(body) as { readonly place: string; readonly beganMs: number; readonly endedMs: number };
    });
    assert.ok(new Set(runs.map(({ place }) => place)).size > 1);
    for (const [number, one] of runs.entries())
      for (const other of runs.slice(number + 1))
        if (other.place === one.place) assert.ok(other.beganMs >= one.endedMs || one.beganMs >= other.endedMs);
  });

  it("versions-aliases 20: splits the calls of a weighted alias", async () => {
    await untilServed("free:1");
    local.write("free.yaml", sleeper("free", { environment: { variables: { COLOR: "blue" } } }));
    await untilServed("free");
    local.write("second.yaml", manifest("Version", "second", { functionName: "free" }));
    await untilServed("free:2");
    const routingConfig = { additionalVersionWeights: { "2": 0.5 } };
    local.write(
      "split.yaml",
      manifest("Alias", "split", { functionName: "free", functionVersion: "1", routingConfig }),
    );
    await untilServed("free:split");
    const ran = new Map<string, number>();
    for (let number = 0; number < 60; number += 1) {
      const { body } = await local.invoke("free:split", {});
      const { version } = JSON.parse(body) as { readonly version: string };
      ran.set(version, (ran.get(version) ?? 0) + 1);
    }
    assert.deepEqual([...ran.keys()].sort(), ["1", "2"]);
    assert.ok(Math.abs((ran.get("1") ?? 0) - 30) <= 20, JSON.stringify([...ran]));
  });
});
