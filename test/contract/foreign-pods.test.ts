/** Pods that pretend to be a function's environments: anybody can write labels in a namespace of his own. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "mocha";
import type { FunctionObject } from "../../crds/v1alpha1/function.ts";
import { kinds } from "../../lib/kubernetes/kinds.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";
import { RouterWorld } from "../kit/router-world.ts";
import type { ScriptedAgent } from "../kit/scripted-agent.ts";

for (const count of [1, 3])
  describe(`a pod with the labels of another's function, ${count} ${count === 1 ? "router" : "routers"}`, () => {
    let world: RouterWorld;

    beforeEach(async () => {
      world = new RouterWorld();
      await world.startRouters(count, { KUBELAMBDA_ENVIRONMENT_WAIT_MS: 300 });
    });
    afterEach(async () => {
      await world.close();
    });

    async function addForeign({ metadata, ...object }: Stored<FunctionObject>): Promise<ScriptedAgent> {
      const agent = await world.addPod({ ...object, metadata: { ...metadata, namespace: "evil" } });
      for (const router of world.routers) await world.announce(agent, router);
      return agent;
    }

    it("takes none of its calls", async () => {
      const hello = await world.addFunction({ name: "hello" });
      // An account of its own, so that the pod's is one that somebody owns.
      await world.addFunction({ name: "own", namespace: "evil" });
      const foreign = await addForeign(hello);
      assert.notEqual((await world.invoke("hello")).status, 200);
      assert.equal(foreign.calls.length, 0);
      const own = await world.addEnvironment(hello);
      assert.equal((await world.invoke("hello")).status, 200);
      assert.deepEqual([foreign.calls.length, own.calls.length], [0, 1]);
    });

    it("takes no place of its limit", async () => {
      const hello = await world.addFunction({ name: "hello", spec: { reservedConcurrentExecutions: 1 } });
      const foreign = await world.addPod({ ...hello, metadata: { ...hello.metadata, namespace: "evil" } });
      foreign.state = "busy";
      for (const router of world.routers) await world.announce(foreign, router);
      await world.addEnvironment(hello);
      assert.equal((await world.invoke("hello")).status, 200);
    });
  });

describe("an announced address", () => {
  let world: RouterWorld;

  beforeEach(async () => {
    world = new RouterWorld();
    await world.startRouters(1, { KUBELAMBDA_ENVIRONMENT_WAIT_MS: 300 });
  });
  afterEach(async () => {
    await world.close();
  });

  async function setIP(number: number, podIP: string): Promise<void> {
    const ref = { kind: kinds.pod, namespace: "default", name: `environment-${number}` };
    await world.store.patch(ref, { status: { podIP } }, { subresource: "status" });
  }

  it("is the pod's own", async () => {
    const hello = await world.addFunction({ name: "hello" });
    const agent = await world.addPod(hello);
    await setIP(1, "127.0.0.2");
    assert.equal(await world.announce(agent), 400);
    assert.notEqual((await world.invoke("hello")).status, 200);
    await setIP(1, "127.0.0.1");
    assert.equal(await world.announce(agent), 204);
    assert.equal((await world.invoke("hello")).status, 200);
  });

  it("that turns out not to be the pod's own is called no more", async () => {
    const hello = await world.addFunction({ name: "hello" });
    const agent = await world.addEnvironment(hello);
    await setIP(1, "127.0.0.2");
    assert.notEqual((await world.invoke("hello")).status, 200);
    assert.equal(agent.calls.length, 0);
  });
});
