/** What the recipes of docs/provisioned-concurrency.md scale: alias "live" of function "hello" in namespace "shop". */
import assert from "node:assert/strict";
import { API_VERSION } from "../../crds/names.ts";
import type { AliasObject } from "../../crds/v1alpha1/alias.ts";
import { GivenUp, waitUntil } from "../cluster/wait-until.ts";
import { failuresOf, startLoad } from "../e2e/load.ts";
import { nodeFunction, Space } from "../e2e/space.ts";

/** The recipes' lower bound. */
export const fewest = 2;
const callers = 3;
/** What the recipes ask for while all call at once, for a share of 70 %; one less is within the autoscaler's tolerance. */
const needed = Math.ceil(callers / 0.7);
/** Half of what the recipes' maximum remembers, and fifteen looks of the test cluster's autoscaler. */
const watchedMs = 30_000;

const source = `export const handler = async ({ ms }) => {
  await new Promise((resolve) => setTimeout(resolve, ms));
  return ms;
};`;
const callMs = 300;

/** Resolves once its environments are ready. */
export async function openShop(): Promise<Space> {
  const space = await Space.open("shop");
  await space.serve("hello", nodeFunction(source, { memorySize: 128 }));
  await space.apply(
    { apiVersion: API_VERSION, kind: "Version", metadata: { name: "first" }, spec: { functionName: "hello" } },
    {
      ...{ apiVersion: API_VERSION, kind: "Alias", metadata: { name: "live" } },
      spec: {
        ...{ functionName: "hello", functionVersion: "1" },
        provisionedConcurrencyConfig: { provisionedConcurrentExecutions: fewest },
      },
    },
  );
  await space.kubectl("wait", "--for=condition=Ready", "alias/live", "--timeout=55s");
  return space;
}

/** Calls until the recipe at work has made what is needed, sees that it makes no more, and that it takes it away again without calls. */
export async function scaleOutAndIn(space: Space, by: string): Promise<void> {
  const load = startLoad(callers, () => space.call("hello:live", { ms: callMs }));
  try {
    await untilProvisioned(space, `${needed} environments by ${by}`, (many) => many >= needed - 1);
    const endMs = performance.now() + watchedMs;
    await waitUntil({ what: "the end of the watch", timeoutMs: watchedMs + 10_000, everyMs: 1000 }, async () => {
      const many = askedFor(await aliasOf(space));
      if (many > needed) throw new GivenUp(`${by} asks for ${many} environments where ${needed} are needed`);
      return performance.now() > endMs ? true : undefined;
    });
  } finally {
    assert.deepEqual(failuresOf(await load.stop()), []);
  }
  await untilProvisioned(space, `${fewest} environments by ${by}`, (many) => many === fewest, 180_000);
}

/** Waits until the alias asks for such a number and has it. In vain: with what the autoscaler says. */
export async function untilProvisioned(
  space: Space,
  what: string,
  accept: (many: number) => boolean,
  timeoutMs = 120_000,
): Promise<void> {
  await waitUntil({ what, timeoutMs, everyMs: 500 }, async () => {
    const alias = await aliasOf(space);
    const many = askedFor(alias);
    const { provisionedAvailable, provisionedStatus } = alias.status ?? {};
    if (accept(many) && provisionedStatus === "READY" && provisionedAvailable === many) return true;
    const autoscalers = await space.kubectl("get", "hpa", "-o", "jsonpath={.items[*].status}");
    throw new Error(`it asks for ${many} and has ${provisionedAvailable}; the autoscaler says ${autoscalers}`);
  });
}

async function aliasOf(space: Space): Promise<AliasObject> {
  return JSON.parse(await space.kubectl("get", "alias", "live", "-o", "json")) as AliasObject;
}

function askedFor({ spec }: AliasObject): number {
  return spec.provisionedConcurrencyConfig?.provisionedConcurrentExecutions ?? 0;
}
