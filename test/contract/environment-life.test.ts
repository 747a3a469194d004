import assert from "node:assert/strict";
import { ENVIRONMENT_COMPONENT, labels } from "../../crds/names.ts";
import type { FunctionObject } from "../../crds/v1alpha1/function.ts";
import { kinds } from "../../lib/kubernetes/kinds.ts";
import { KubernetesError } from "../../lib/kubernetes/kubernetes-error.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";
import type { RunningOperator } from "../../operator/operator.ts";
import type { Pod } from "../../operator/pod.ts";
import { changedClient } from "../kit/changed-client.ts";
import { loadOf, OperatorWorld } from "../kit/operator-world.ts";

describe("the life of environments, on a real API server", function () {
  this.timeout(60_000);
  let world: OperatorWorld;
  let operator: RunningOperator;
  let namespace: string;
  /** What the API server answers to the next creations of pods, instead of making them. */
  const refusals: KubernetesError[] = [];
  let creations = 0;
  before(async () => {
    world = await OperatorWorld.start();
    const client = changedClient(world.client, "create", async (call, object) => {
      if (object.kind !== "Pod") return await call();
      creations += 1;
      const refusal = refusals.shift();
      if (refusal !== undefined) throw refusal;
      return await call();
    });
    operator = await world.startOperator({ KUBELAMBDA_MAX_AGE_SECONDS: "4" }, { client });
    namespace = await world.makeNamespace();
  });
  after(async () => await world.stop());

  async function ready(name: string): Promise<Stored<FunctionObject>> {
    await world.createFunction(namespace, name);
    return await world.untilCondition({ namespace, name }, { type: "Ready", status: "True" });
  }

  /** One environment that runs and that a call uses. */
  async function busy(object: Stored<FunctionObject>): Promise<Stored<Pod>> {
    await world.report(operator, [loadOf(object, { needed: 1 })]);
    const [pod] = await world.untilPods(object, ({ length }) => length === 1);
    assert.ok(pod !== undefined);
    await world.runPod(pod);
    return pod;
  }

  /** Onto a node that is none: its deletion waits for a kubelet. */
  async function bind({ metadata: { name } }: Stored<Pod>): Promise<void> {
    await world.client.raw("POST", `/api/v1/namespaces/${namespace}/pods/${name}/binding`, {
      apiVersion: "v1",
      kind: "Binding",
      metadata: { name, namespace },
      target: { apiVersion: "v1", kind: "Node", name: "none" },
    });
  }

  async function untilSuccessor(object: Stored<FunctionObject>, of: Stored<Pod>): Promise<Stored<Pod>> {
    return await world.until("there is a successor", async () =>
      (await world.pods(object)).find(({ metadata }) => metadata.labels?.[labels.replaces] === of.metadata.uid),
    );
  }

  it("replaces an environment of the longest age: its successor first, and asks it back when that runs", async () => {
    const object = await ready("aged");
    const old = await busy(object);
    const successor = await untilSuccessor(object, old);
    const age = Date.parse(successor.metadata.creationTimestamp) - Date.parse(old.metadata.creationTimestamp);
    assert.ok(age >= 3000, `it was made after ${age} ms`);
    const { body } = await world.report(operator, [loadOf(object, { needed: 1 })]);
    assert.equal(body.release.includes(old.metadata.uid), false, "its successor starts");
    assert.equal((await world.pods(object)).length, 2);
    await world.runPod(successor);
    await world.until("it is asked back", async () => {
      const { body: asks } = await world.report(operator, [loadOf(object, { needed: 1 })]);
      return asks.release.includes(old.metadata.uid) ? true : undefined;
    });
    await world.report(operator, [loadOf(object, { needed: 1, released: [old.metadata.uid] })]);
    await world.untilPods(object, (pods) => pods.every(({ metadata }) => metadata.uid !== old.metadata.uid));
  });

  it("makes a call's environment whatever pods of other namespaces have the function's labels", async () => {
    const object = await ready("copied");
    const other = await world.makeNamespace();
    const { uid } = object.metadata;
    const { revisionID = "" } = object.status ?? {};
    const copied = {
      [labels.component]: ENVIRONMENT_COMPONENT,
      [labels.functionUid]: uid,
      [labels.revision]: revisionID,
    };
    const securityContext = { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } };
    const restricted = { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: "RuntimeDefault" } };
    await world.client.raw("POST", `/api/v1/namespaces/${other}/pods`, {
      ...{ apiVersion: "v1", kind: "Pod", metadata: { name: "copy", namespace: other, labels: copied } },
      spec: { securityContext: restricted, containers: [{ name: "runtime", image: "x", securityContext }] },
    });
    // Until the operator's watch has shown it.
    await new Promise((resolve) => setTimeout(resolve, 300));
    await world.report(operator, [loadOf(object, { needed: 1 })]);
    await world.untilPods(object, ({ length }) => length === 1);
  });

  it("makes the successor of an evicted environment while that still ends, though nobody waits", async () => {
    const object = await ready("evicted");
    const pod = await busy(object);
    await bind(pod);
    const { name, uid: podUid } = pod.metadata;
    await world.report(operator, [loadOf(object, { idle: [{ podUid, idleForMs: 1000 }] })]);
    const eviction = { apiVersion: "policy/v1", kind: "Eviction", metadata: { name, namespace } };
    await world.client.raw("POST", `/api/v1/namespaces/${namespace}/pods/${name}/eviction`, eviction);
    await untilSuccessor(object, pod);
    const left = await world.client.get<Pod>({ kind: kinds.pod, namespace, name });
    assert.notEqual(left.metadata.deletionTimestamp, undefined, "it has its time to end");
    await world.client.delete({ kind: kinds.pod, namespace, name }, { gracePeriodSeconds: 0 });
  });

  it("does not replace an evicted environment that nobody has called for a while", async () => {
    const object = await ready("unused");
    const pod = await busy(object);
    await bind(pod);
    const { name, uid: podUid } = pod.metadata;
    await world.report(operator, [loadOf(object, { idle: [{ podUid, idleForMs: 100_000 }] })]);
    await world.client.delete({ kind: kinds.pod, namespace, name });
    for (let i = 0; i < 20; i += 1) await world.report(operator, [loadOf(object)]);
    assert.equal((await world.pods(object)).length, 1);
    await world.client.delete({ kind: kinds.pod, namespace, name }, { gracePeriodSeconds: 0 });
  });

  it("makes another environment for a call when the one that is there is not heard", async () => {
    const object = await ready("cut");
    const pod = await busy(object);
    const unreachable = [pod.metadata.uid];
    await world.report(operator, [loadOf(object, { needed: 1, unreachable })]);
    await world.untilPods(object, ({ length }) => length === 2);
    for (let i = 0; i < 20; i += 1) await world.report(operator, [loadOf(object, { needed: 1, unreachable })]);
    assert.equal((await world.pods(object)).length, 2);
  });

  it("waits as long as an API server asks that has no room, and makes each environment once", async () => {
    const object = await ready("patient");
    const before = creations;
    for (let i = 0; i < 3; i += 1) refusals.push(tooMany(200));
    await world.report(operator, [loadOf(object, { needed: 3 })]);
    await world.untilPods(object, ({ length }) => length >= 3);
    assert.equal(creations - before, 6);
    const { status } = await world.getFunction(namespace, "patient");
    const healthy = status?.conditions?.find(({ type }) => type === "EnvironmentsHealthy");
    assert.equal(healthy?.status, "True", "it was no failure");
  });

  it("says why the API server refuses an environment's pod, and makes it once that is mended", async () => {
    const object = await ready("refused");
    const limits = [{ type: "Pod", max: { memory: "16Mi" } }];
    const rule = { apiVersion: "v1", kind: "LimitRange", metadata: { name: "small", namespace }, spec: { limits } };
    const path = `/api/v1/namespaces/${namespace}/limitranges`;
    await world.client.raw("POST", path, rule);
    const sick = await world.until("its condition says so", async () => {
      await world.report(operator, [loadOf(object, { needed: 1 })]);
      const { status } = await world.getFunction(namespace, "refused");
      return status?.conditions?.find(({ reason }) => reason === "EnvironmentRefused");
    });
    assert.match(
      sick.message,
      /^Cannot create an environment: pods "<environment>" is forbidden: maximum memory usage/,
    );
    await world.client.raw("DELETE", `${path}/small`);
    await world.until("it is made", async () => {
      await world.report(operator, [loadOf(object, { needed: 1 })]);
      return (await world.pods(object)).length === 1 ? true : undefined;
    });
  });
});

function tooMany(retryAfterMs: number): KubernetesError {
  const serverMessage = "too many requests, please try again later";
  return new KubernetesError({ code: "TooManyRequests", action: "create pod", serverMessage, retryAfterMs });
}
