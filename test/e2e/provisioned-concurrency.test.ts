import assert from "node:assert/strict";
import { API_VERSION } from "../../crds/names.ts";
import type { AliasObject } from "../../crds/v1alpha1/alias.ts";
import { waitUntil } from "../cluster/wait-until.ts";
import { failuresOf, startLoad } from "./load.ts";
import { startMetricsApi, inUseMetric } from "./metrics-api.ts";
import { nodeFunction, Space } from "./space.ts";

const telling = (text: string): string => `
const id = Math.random();
export const handler = async ({ ms = 0 }, { functionVersion: version }) => {
  await new Promise((resolve) => setTimeout(resolve, ms));
  return { text: ${JSON.stringify(text)}, id, version, type: process.env.AWS_LAMBDA_INITIALIZATION_TYPE };
};`;

interface Told {
  readonly text: string;
  readonly id: number;
  readonly version: string;
  readonly type: string;
}

const version = (name: string): object => ({
  apiVersion: API_VERSION,
  kind: "Version",
  metadata: { name },
  spec: { functionName: "f" },
});
const live = (functionVersion: string, many: number): object => ({
  apiVersion: API_VERSION,
  kind: "Alias",
  metadata: { name: "live" },
  spec: {
    functionName: "f",
    functionVersion,
    provisionedConcurrencyConfig: { provisionedConcurrentExecutions: many },
  },
});

describe("provisioned concurrency", () => {
  let space: Space;
  before(async function () {
    this.timeout(240_000);
    space = await Space.open("e2e-provisioned");
    await space.serve("f", nodeFunction(telling("one")));
    await space.apply(version("first"), live("1", 2));
  });
  after(() => space.close());

  async function untilReady(many: number): Promise<AliasObject> {
    return await waitUntil({ what: `READY with ${many}`, timeoutMs: 60_000, everyMs: 250 }, async () => {
      const alias = JSON.parse(await space.kubectl("get", "alias", "live", "-o", "json")) as AliasObject;
      const { provisionedStatus, provisionedAvailable } = alias.status ?? {};
      if (provisionedStatus === "READY" && provisionedAvailable === many) return alias;
      throw new Error(JSON.stringify(alias.status));
    });
  }

  async function call(ms = 0, name = "f:live"): Promise<Told> {
    return (await space.call(name, { ms })) as Told;
  }

  it("concurrency 14, 15, 16: is READY, is used first, and more calls run on demand", async function () {
    this.timeout(90_000);
    await space.kubectl("wait", "--for=condition=Ready", "alias/live", "--timeout=60s");
    const { status } = await untilReady(2);
    assert.deepEqual([status?.provisionedRequested, status?.provisionedAllocated], [2, 2]);
    const told = await Promise.all([1, 2, 3].map(() => call(1500)));
    const types = told.map(({ type }) => type).sort();
    assert.deepEqual(types, ["on-demand", "provisioned-concurrency", "provisioned-concurrency"]);
    assert.equal(new Set(told.map(({ id }) => id)).size, 3);
    assert.match(await space.kubectl("get", "alias", "live"), /live +live +f +1 +2 +True/);
  });

  it("kubectl scale moves the number, and no lower than 1", async function () {
    this.timeout(90_000);
    assert.match(await space.kubectl("scale", "alias/live", "--replicas=3"), /scaled/);
    await untilReady(3);
    await assert.rejects(
      space.kubectl("scale", "alias/live", "--replicas=0"),
      /Value '0' at 'provisionedConcurrentExecutions'/,
    );
    await space.kubectl("scale", "alias/live", "--replicas=1");
    await untilReady(1);
  });

  it("concurrency 22: an alias that moves under load takes it along, and no call fails", async function () {
    this.timeout(120_000);
    await space.serve("f", nodeFunction(telling("two")));
    await space.apply(version("second"));
    await space.kubectl("wait", "--for=condition=Ready", "version/second", "--timeout=60s");
    const load = startLoad(2, () => call(50));
    await space.apply(live("2", 2));
    await load.until(
      ({ result }) => {
        const { version: executed, type } = (result ?? {}) as Partial<Told>;
        return executed === "2" && type === "provisioned-concurrency";
      },
      60_000,
      5,
    );
    const calls = await load.stop();
    assert.deepEqual(failuresOf(calls), []);
    const told = calls.map(({ result }) => result as Told);
    assert.ok(told.every(({ text, version: executed }) => text === (executed === "1" ? "one" : "two")));
    await untilReady(2);
  });

  it("a dead environment is replaced", async function () {
    this.timeout(90_000);
    const selector = (await untilReady(2)).status?.provisionedSelector ?? "";
    const names = async () => (await space.kubectl("get", "pods", "-l", selector, "-o", "name")).trim().split("\n");
    const [lost = ""] = await names();
    await space.kubectl("delete", lost, "--wait=false", "--grace-period=1");
    await waitUntil({ what: "another one", timeoutMs: 60_000, everyMs: 250 }, async () => {
      const left = await names();
      return left.length === 2 && !left.includes(lost) ? true : undefined;
    });
    await untilReady(2);
  });

  it("a HorizontalPodAutoscaler moves the number by how many are in use, as far as calls need and no further", async function () {
    this.timeout(240_000);
    const calls = 3;
    const needed = Math.ceil(calls / 0.7);
    const wanted = async (): Promise<number> => {
      const alias = JSON.parse(await space.kubectl("get", "alias", "live", "-o", "json")) as AliasObject;
      return alias.spec.provisionedConcurrencyConfig?.provisionedConcurrentExecutions ?? 0;
    };
    const end = await startMetricsApi(space);
    try {
      await space.apply({
        apiVersion: "autoscaling/v2",
        kind: "HorizontalPodAutoscaler",
        metadata: { name: "live" },
        spec: {
          scaleTargetRef: { apiVersion: API_VERSION, kind: "Alias", name: "live" },
          minReplicas: 1,
          maxReplicas: 20,
          metrics: [inUseMetric("f:live", "700m")],
        },
      });
      const load = startLoad(calls, () => call(300));
      try {
        await waitUntil(
          { what: `${needed} environments by the autoscaler`, timeoutMs: 90_000, everyMs: 500 },
          async () => {
            if ((await wanted()) >= needed) return true;
            throw new Error(await space.kubectl("get", "hpa", "live", "-o", "jsonpath={.status}"));
          },
        );
        // By then it has looked several times.
        await untilReady(needed);
        assert.equal(await wanted(), needed);
      } finally {
        assert.deepEqual(failuresOf(await load.stop()), []);
      }
    } finally {
      await space.kubectl("delete", "hpa", "live", "--ignore-not-found");
      await end();
    }
  });
});
