/** The owner of an account hears of a function, or of a version, later than the router that a call comes to. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "mocha";
import { API_VERSION } from "../../crds/names.ts";
import { versionKind } from "../../crds/v1alpha1/version.ts";
import { ownerOf } from "../../crds/wire/roster.ts";
import type { KubernetesClient } from "../../lib/kubernetes/client.ts";
import { RouterWorld } from "../kit/router-world.ts";

/** Its watches of these kinds say nothing until it is told; everything else works. */
function heldBack(client: KubernetesClient, kinds: readonly string[], until: Promise<unknown>): KubernetesClient {
  async function* held(events: AsyncIterable<unknown>): AsyncGenerator {
    for await (const event of events) {
      await until;
      yield event;
    }
  }
  return new Proxy(client, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      return (...args: readonly unknown[]): unknown => {
        const result: unknown = Reflect.apply(value, target, args);
        const isHeld = name === "watch" && kinds.includes((args[0] as { readonly kind: string }).kind);
        return isHeld ? held(result as AsyncIterable<unknown>) : result;
      };
    },
  });
}

describe("an owner that is behind", () => {
  let world: RouterWorld;
  let isTold: PromiseWithResolvers<undefined>;

  beforeEach(async () => {
    world = new RouterWorld();
    isTold = Promise.withResolvers();
    const replicas = [0, 1].map((number) => ({ podUid: `router-${number}`, address: "" }));
    const owner = ownerOf({ replicas }, "default")?.podUid;
    for (const { podUid } of replicas) {
      const held = heldBack(world.store, ["Function", "Version"], isTold.promise);
      await world.startRouter({}, podUid === owner ? held : world.store);
    }
    await world.startRouters(2);
  });
  afterEach(async () => {
    isTold.resolve(undefined);
    await world.close();
  });

  it("serves a new function as soon as it has heard of it, and refuses it for no limit before", async () => {
    await world.addEnvironment(await world.addFunction({ name: "new", spec: { reservedConcurrentExecutions: 1 } }));
    const waiting = world.invoke("new", '"x"');
    await new Promise((resolve) => setTimeout(resolve, 300));
    isTold.resolve(undefined);
    const answer = await waiting;
    assert.deepEqual([answer.status, answer.body], [200, '"x"']);
  });

  it("that hears nothing is told to the caller, who may try again: the function is there", async () => {
    await world.addEnvironment(await world.addFunction({ name: "new" }));
    const answer = await world.invoke("new");
    assert.equal(answer.status, 502);
    assert.equal(answer.headers["x-amzn-errortype"], "ResourceNotReadyException");
    assert.match(answer.body, /the router that decides it has not heard of it yet/);
  });

  it("has a 404 for what is gone here too", async () => {
    const { status, body } = await world.invoke("never");
    assert.equal(status, 404, body);
  });

  it("serves a new version as soon as it has heard of it", async () => {
    isTold.resolve(undefined);
    const hello = await world.addFunction({ name: "hello" });
    await world.addEnvironment(hello);
    assert.equal((await world.invoke("hello")).status, 200);
    const metadata = { name: "hello-1", namespace: "default" };
    const answers = [world.invoke("hello:1")];
    await world.store.create({
      ...{ apiVersion: API_VERSION, kind: "Version", metadata, spec: { functionName: "hello" } },
    });
    const status = { version: 1, revisionID: "v1", timeout: 3 };
    await world.store.patch({ kind: versionKind, ...metadata }, { status }, { subresource: "status" });
    answers.push(world.invoke("hello:1"));
    await world.addEnvironment(hello, "v1");
    for (const answer of await Promise.all(answers)) assert.equal(answer.status, 200, answer.body);
  });
});
