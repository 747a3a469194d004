import assert from "node:assert/strict";
import { nodeFunction, Space } from "./space.ts";

const greeting = "export const handler = async ({ name }) => ({ greeting: `Hello, ${name}` });";

describe("generic pods", () => {
  let space: Space;

  before(async function () {
    this.timeout(300_000);
    space = await Space.open("generic-pods");
  });
  after(async () => await space.close());

  it("serve a function that needs nothing of its own in a pod's spec, and its status says so", async () => {
    await space.serve("plain", nodeFunction(greeting));
    const began = performance.now();
    assert.deepEqual(await space.call("plain", { name: "Ada" }), { greeting: "Hello, Ada" });
    console.log("first", performance.now() - began);
    const condition = await space.waitCondition("plain", "GenericPods", ({ status }) => status === "True");
    assert.equal(condition.reason, "GenericPods");
    const [pod] = await space.pods();
    assert.ok(pod !== undefined);
    console.log(await space.kubectl("get", "pods", "-o", "yaml"));
  });
});
