import assert from "node:assert/strict";
import { beforeEach, describe, it } from "mocha";
import { MemoryClient } from "../../test/kit/kubernetes/memory-client.ts";
import { configMap, widget, type Widget, widgetKind } from "../../test/kit/kubernetes/objects.ts";
import { settle } from "../../test/kit/kubernetes/settle.ts";
import { ManualClock } from "../../test/kit/manual-clock.ts";
import { silentLogger } from "../logger.ts";
import { Applier } from "./apply.ts";
import { Controller, type ControllerDefinition, type ControllerOptions } from "./controller.ts";
import type { ControllerWatch } from "./controller-watch.ts";
import { KubernetesError } from "./kubernetes-error.ts";
import { ownedBy, splitKey, type Stored } from "./object.ts";
import { type CarryOutFailure, emptyPlan, type Plan } from "./plan.ts";

type Definition = ControllerDefinition<{ readonly object: Stored<Widget> }, Widget["status"]>;

describe("Controller", () => {
  let client: MemoryClient;
  let clock: ManualClock;
  let recorded: string[];
  let metrics: string[];
  let decided: { readonly key: string; readonly failure: CarryOutFailure | undefined }[];
  let wake: (key: string) => void;
  let plan: (seen: Stored<Widget>) => Partial<Plan<Widget["status"]>>;
  let observe: Definition["observe"];
  const reconciled = (): string[] => metrics.filter((line) => line.startsWith("reconciled"));

  beforeEach(() => {
    [client, clock] = [new MemoryClient(), new ManualClock()];
    [recorded, metrics, decided] = [[], [], []];
    plan = () => ({});
    observe = (key) => {
      const object = client.find({ kind: widgetKind, namespace: "a", ...splitKey(key) });
      return Promise.resolve(object === undefined ? undefined : { object: object as Stored<Widget> });
    };
  });

  function make(
    options: Partial<ControllerOptions> = {},
    keys: string[] = [],
  ): Controller<{ object: Stored<Widget> }, Widget["status"]> {
    const watch: ControllerWatch = {
      synced: () => Promise.resolve(),
      keys: () => keys,
      subscribe: (wakes) => {
        wake = wakes;
        return () => (wake = () => undefined);
      },
    };
    const definition: Definition = {
      name: "widget",
      kind: widgetKind,
      observe: (key, signal) => observe(key, signal),
      decide: ({ object }, nowMs, failure) => {
        assert.equal(nowMs, clock.nowMs());
        decided.push({ key: object.metadata.name, failure });
        return { ...emptyPlan, ...plan(object) };
      },
      watches: [watch],
    };
    return new Controller(definition, {
      client,
      kindOf: client.kindOf,
      applier: new Applier({ client, fieldManager: "ours" }),
      events: { record: (object, { reason }) => recorded.push(`${object.metadata.name} ${reason}`) },
      clock,
      logger: silentLogger,
      backoff: { initialMs: 100, maxMs: 1000, factor: 2, jitter: 0 },
      metrics: {
        reconciled: (name, outcome) => metrics.push(`reconciled ${name} ${outcome}`),
        failed: (name, code) => metrics.push(`failed ${name} ${code}`),
        queued: () => undefined,
      },
      ...options,
    });
  }

  it("reconciles everything when it starts, then what it is woken for", async () => {
    for (const name of ["w1", "w2"]) await client.create(widget("a", name, {}));
    plan = ({ spec }) => ({ status: { ready: true, size: spec?.size ?? 0 } });
    await make({}, ["a/w1", "a/w2"]).start();
    await settle();
    assert.deepEqual(decided.map(({ key }) => key).sort(), ["w1", "w2"]);
    wake("a/w2");
    await settle();
    assert.deepEqual(decided.map(({ key }) => key).slice(2), ["w2"]);
    assert.deepEqual(client.requests.filter((line) => line.startsWith("patch")).length, 2);
    assert.deepEqual(reconciled(), Array(3).fill("reconciled widget done"));
  });

  it("does nothing for an object that is not there", async () => {
    await make({}, ["a/none"]).start();
    await settle();
    assert.deepEqual([decided, client.requests, metrics], [[], [], ["reconciled widget absent"]]);
  });

  const outcomes: Record<string, { plan: Partial<Plan<Widget["status"]>>; againAfterMs: number | undefined }> = {
    "done is not looked at again": { plan: { outcome: "done" }, againAfterMs: undefined },
    "done with a time is": { plan: { outcome: "done", recheckAfterMs: 700 }, againAfterMs: 700 },
    "waiting is looked at after its time": { plan: { outcome: "waiting", recheckAfterMs: 5000 }, againAfterMs: 5000 },
    "stalled is not looked at again": { plan: { outcome: "stalled" }, againAfterMs: undefined },
    "retry backs off": { plan: { outcome: "retry" }, againAfterMs: 100 },
    "retry waits at least its time": { plan: { outcome: "retry", recheckAfterMs: 300 }, againAfterMs: 300 },
  };
  for (const [sentence, { plan: wanted, againAfterMs }] of Object.entries(outcomes)) {
    it(sentence, async () => {
      await client.create(widget("a", "w", {}));
      plan = () => wanted;
      await make({}, ["a/w"]).start();
      await settle();
      clock.advance((againAfterMs ?? 600_000) - 1);
      await settle();
      assert.equal(decided.length, 1);
      clock.advance(1);
      await settle();
      assert.equal(decided.length, againAfterMs === undefined ? 1 : 2);
    });
  }

  it("survives what observe throws, and backs off", async () => {
    await client.create(widget("a", "w", {}));
    const working = observe;
    observe = () => Promise.reject(new KubernetesError({ code: "Unavailable", action: "x", serverMessage: "y" }));
    await make({}, ["a/w"]).start();
    await settle();
    observe = working;
    clock.advance(100);
    await settle();
    assert.equal(decided.length, 1);
    assert.deepEqual(metrics, ["failed widget Unavailable", "reconciled widget error", "reconciled widget done"]);
  });

  it("tells the next decision what could not be carried out, until all has been", async () => {
    const owner = await client.create(widget("a", "w", {}));
    const child = configMap("a", "c", {}, { ownerReferences: [ownedBy(owner)] });
    plan = () => ({
      create: [child],
      events: [
        { type: "Normal", reason: "Created", note: "made it" },
        { type: "Warning", reason: "Worried", note: "always" },
      ],
    });
    client.failNext(/create ConfigMap/, "Forbidden");
    await make({}, ["a/w"]).start();
    await settle();
    assert.deepEqual(recorded, ["w Worried"]);
    clock.advance(100);
    await settle();
    wake("a/w");
    await settle();
    const seen = decided.map(({ failure }) => failure && [failure.step, failure.ref.name, failure.error.code]);
    assert.deepEqual(seen, [undefined, ["create", "c", "Forbidden"], undefined]);
    assert.deepEqual(recorded.slice(1, 3), ["w Created", "w Worried"]);
    assert.deepEqual(reconciled(), ["reconciled widget failed", "reconciled widget done", "reconciled widget done"]);
  });

  it("takes a lost race for the status as a reason to look again, not as a failure to tell of", async () => {
    await client.create(widget("a", "w", {}));
    plan = () => ({ status: { ready: true } });
    client.failNext(/patch status/, "Conflict");
    await make({}, ["a/w"]).start();
    await settle();
    clock.advance(100);
    await settle();
    assert.deepEqual(
      decided.map(({ failure }) => failure),
      [undefined, undefined],
    );
  });

  it("acts only while it may", async () => {
    await client.create(widget("a", "w", {}));
    client.requests.length = 0;
    plan = () => ({ status: { ready: true } });
    let isLeader = false;
    await make({ mayAct: () => isLeader }, ["a/w"]).start();
    await settle();
    assert.deepEqual(client.requests, []);
    isLeader = true;
    clock.advance(1000);
    await settle();
    assert.deepEqual(client.requests, ["patch status of Widget a/w"]);
  });

  it("finishes what is under way when it stops, and begins nothing more", async () => {
    await client.create(widget("a", "w", {}));
    const observed = Promise.withResolvers<undefined>();
    const working = observe;
    observe = async (key, signal) => {
      await observed.promise;
      return working(key, signal);
    };
    plan = () => ({ status: { ready: true } });
    const controller = make({}, ["a/w"]);
    await controller.start();
    const stopping = controller.stop();
    wake("a/w");
    observed.resolve(undefined);
    await stopping;
    assert.equal(client.requests.filter((line) => line.startsWith("patch status")).length, 1);
    assert.equal(decided.length, 1);
  });

  it("cuts off what is under way when the deadline is over", async () => {
    observe = (_key, signal) =>
      new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
    const controller = make({}, ["a/w"]);
    await controller.start();
    await settle();
    const deadline = new AbortController();
    const stopping = controller.stop(deadline.signal);
    deadline.abort();
    await stopping;
    assert.equal(clock.timers, 0);
  });
});
