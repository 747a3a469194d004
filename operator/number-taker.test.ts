import assert from "node:assert/strict";
import { beforeEach, describe, it } from "mocha";
import { KubernetesError } from "../lib/kubernetes/kubernetes-error.ts";
import { ObjectStore } from "../local/object-store.ts";
import { ManualClock } from "../test/kit/manual-clock.ts";
import { NumberTaker } from "./number-taker.ts";

const wanted = { namespace: "team", entry: "layer.tools", floor: 0, purpose: "a" };

describe("NumberTaker", () => {
  let store: ObjectStore;
  let clock: ManualClock;
  let mayAct: boolean;
  let changed: PromiseWithResolvers<string>;
  let taker: NumberTaker;
  beforeEach(() => {
    store = new ObjectStore({ kinds: [], nowMs: () => 0, raw: {} });
    clock = new ManualClock();
    mayAct = true;
    changed = Promise.withResolvers();
    taker = takerOf(store);
  });

  function takerOf(client: ObjectStore): NumberTaker {
    const onChange = (key: string): void => {
      changed.resolve(key);
      changed = Promise.withResolvers();
    };
    return new NumberTaker({ client, clock, draw: () => 0, mayAct: () => mayAct, onChange, onError: () => undefined });
  }

  async function take(purpose = "a") {
    const next = changed.promise;
    assert.deepEqual(taker.look("team/tools", { ...wanted, purpose }), { type: "taking" });
    assert.equal(await next, "team/tools");
    return taker.look("team/tools", { ...wanted, purpose });
  }

  it("takes one number for one purpose, however often it is looked at", async () => {
    assert.deepEqual(await take(), { type: "taken", number: 1 });
    assert.deepEqual(taker.look("team/tools", wanted), { type: "taken", number: 1 });
  });

  it("takes another for another purpose, and for the same once that is forgotten", async () => {
    assert.deepEqual(await take(), { type: "taken", number: 1 });
    assert.deepEqual(await take("b"), { type: "taken", number: 2 });
    taker.forget("team/tools");
    assert.deepEqual(await take("b"), { type: "taken", number: 3 });
  });

  it("loses a number whose purpose has changed before it came", async () => {
    taker.look("team/tools", wanted);
    assert.deepEqual(await take("b"), { type: "taken", number: 2 });
  });

  it("takes none while another may lead", async () => {
    mayAct = false;
    assert.deepEqual(taker.look("team/tools", wanted), { type: "taking" });
    mayAct = true;
    assert.deepEqual(await take(), { type: "taken", number: 1 });
  });

  it("says why there is none and tries again later", async () => {
    const error = new KubernetesError({ code: "Forbidden", action: "get configmaps", serverMessage: "no" });
    const get = store.get.bind(store);
    store.get = () => Promise.reject(error);
    const failed = await take();
    assert.deepEqual(failed, { type: "failed", message: error.message, retryAfterMs: 1000 });
    store.get = get;
    assert.equal(taker.look("team/tools", wanted).type, "failed");
    clock.advance(1000);
    assert.deepEqual(await take(), { type: "taken", number: 1 });
  });
});
