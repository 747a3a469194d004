/** Pods of a higher priority take the room of environments under load. */
import assert from "node:assert/strict";
import { failuresOf, startLoad } from "./load.ts";
import { bigPod, roomLeft } from "./node-room.ts";
import { nodeFunction, Space } from "./space.ts";

const priorityClass = "e2e-preempts";
const echo = nodeFunction(
  `export const handler = async ({ word, ms = 20 }) => {
  await new Promise((go) => setTimeout(go, ms));
  return word;
};`,
  { timeout: 10 },
);

describe("environments whose room is taken", () => {
  let space: Space;
  before(async function () {
    this.timeout(240_000);
    space = await Space.open("e2e-preemption");
    await space.serve("echo", echo);
    await ask();
  });
  after(async () => {
    await space.kubectl("delete", "priorityclass", priorityClass, "--ignore-not-found");
    await space.close();
  });

  let words = 0;
  async function ask(ms = 20): Promise<void> {
    words += 1;
    const word = `word ${words}`;
    const answer = await space.call("echo", { word, ms });
    if (answer !== word) throw new Error(`wrong answer: "${String(answer)}" instead of "${word}"`);
  }

  it("preemption under load: running calls end, others wait and are told why, and none fails", async function () {
    this.timeout(180_000);
    const load = startLoad(2, ask);
    await load.until(() => true, 20_000, 10);
    const long = ask(5000);
    await new Promise((resolve) => setTimeout(resolve, 500));
    const before = (await space.pods()).map(({ metadata }) => metadata.name);
    await space.apply({
      apiVersion: "scheduling.k8s.io/v1",
      kind: "PriorityClass",
      metadata: { name: priorityClass },
      value: 1000,
    });
    // As much as there is when all environments are gone, and none of them comes back beside it.
    await space.apply(bigPod("big", priorityClass, await roomLeft(space)));
    try {
      await space.kubectl("wait", "--for=condition=Ready", "pod/big", "--timeout=30s");
      const isTold = ({ reason }: { readonly reason: string }): boolean => reason === "Unschedulable";
      const { message } = await space.waitCondition("echo", "EnvironmentsHealthy", isTold, 15_000);
      assert.match(message, /^No node takes the environment: .*Insufficient memory/);
      const path = "jsonpath={.items[*].involvedObject.name}";
      const preempted = await space.kubectl("get", "events", "--field-selector=reason=Preempted", "-o", path);
      const isPreempted = (name: string): boolean => preempted.split(" ").includes(name);
      assert.ok(before.some(isPreempted), `of ${before.join(", ")} none was preempted, but ${preempted}`);
    } finally {
      await space.kubectl("delete", "pod", "big", "--now");
    }
    await load.until(() => true, 30_000, 10);
    await long;
    const calls = await load.stop();
    assert.deepEqual(failuresOf(calls), []);
    await space.waitCondition("echo", "EnvironmentsHealthy", ({ status }) => status === "True");
  });
});
