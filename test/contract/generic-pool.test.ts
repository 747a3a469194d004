/** Generic pods under a whole operator on a real API server; agents and the kubelet are scripted. */
import assert from "node:assert/strict";
import { annotations, labels } from "../../crds/names.ts";
import type { FunctionObject, FunctionSpecInput } from "../../crds/v1alpha1/function.ts";
import type { Assigned, Assignment } from "../../crds/wire/assignment.ts";
import { kinds } from "../../lib/kubernetes/kinds.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";
import type { OperatorDependencies, RunningOperator } from "../../operator/operator.ts";
import type { Pod } from "../../operator/pod.ts";
import type { AgentAnswer, PoolAgents } from "../../operator/scaling/pool-agents.ts";
import { mortalClient } from "../kit/dying-client.ts";
import { loadOf, OperatorWorld } from "../kit/operator-world.ts";
import { VersionSpace } from "../kit/version-space.ts";

/** Agents as they are: each takes the first function that comes. */
class ScriptedAgents implements PoolAgents {
  readonly #assignedByPodUid = new Map<string, Assigned>();
  readonly assignments: Assignment[] = [];
  /** Pods whose agents have said that they are nobody's. */
  readonly free = new Set<string>();
  /** Called after an agent has said yes, before the operator hears it. */
  onAssigned: () => void = () => undefined;
  /** Listens nowhere yet. */
  isAbsent = false;

  assigned(pod: Stored<Pod>): Assigned | undefined {
    return this.#assignedByPodUid.get(pod.metadata.uid);
  }

  /** By somebody else. */
  give(pod: Stored<Pod>, functionUid: string): void {
    this.#assignedByPodUid.set(pod.metadata.uid, { functionUid, revisionID: "1" });
  }

  ask(pod: Stored<Pod>): Promise<AgentAnswer> {
    if (this.isAbsent) return Promise.resolve("absent");
    if (this.assigned(pod) !== undefined) return Promise.resolve("taken");
    this.free.add(pod.metadata.uid);
    return Promise.resolve("free");
  }

  assign(pod: Stored<Pod>, assignment: Assignment): Promise<AgentAnswer> {
    if (this.assigned(pod) !== undefined) return Promise.resolve("taken");
    this.#assignedByPodUid.set(pod.metadata.uid, assignment.document);
    this.assignments.push(assignment);
    this.onAssigned();
    return Promise.resolve("assigned");
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

describe("generic pods on a real API server", function () {
  this.timeout(120_000);
  let world: OperatorWorld;
  let agents: ScriptedAgents;
  let operator: RunningOperator;
  let namespace: string;

  before(async () => {
    world = await OperatorWorld.start();
  });
  after(() => world.stop());
  beforeEach(async () => {
    namespace = await world.makeNamespace();
    agents = new ScriptedAgents();
  });
  afterEach(async () => await world.stopOperator(operator));

  async function lead(
    env: Readonly<Record<string, string>> = {},
    changes: Partial<OperatorDependencies> = {},
  ): Promise<void> {
    const pool = { KUBELAMBDA_GENERIC_PODS: "true", KUBELAMBDA_POOL_SIZE: "1", ...env };
    operator = await world.startOperator(
      { KUBELAMBDA_WATCH_NAMESPACE: namespace, ...pool },
      { poolAgents: agents, ...changes },
    );
  }

  async function ready(name: string, spec: Partial<FunctionSpecInput> = {}): Promise<Stored<FunctionObject>> {
    await world.createFunction(namespace, name, spec);
    return await world.untilCondition({ namespace, name }, { type: "Ready", status: "True" });
  }

  async function call(object: Stored<FunctionObject>, needed = 1): Promise<void> {
    await world.report(operator, [loadOf(object, { needed })]);
  }

  /** Pods that are nobody's. */
  async function waiting(): Promise<readonly Stored<Pod>[]> {
    const labelSelector = `${labels.generic},!${labels.functionUid}`;
    const { items } = await world.client.list<Pod>(kinds.pod, { namespace, labelSelector });
    return items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  }

  async function untilWaiting(count: number, besides = ""): Promise<readonly Stored<Pod>[]> {
    return await world.until(`${count} pods wait`, async () => {
      const pods = (await waiting()).filter(({ metadata }) => metadata.uid !== besides);
      return pods.length === count ? pods : undefined;
    });
  }

  /** A pod of the pool that runs, behind a first call of another function. */
  async function pool(): Promise<Stored<Pod>> {
    await call(await ready("first"));
    const [pod] = await untilWaiting(1);
    assert.ok(pod !== undefined);
    await world.runPod(pod);
    if (!agents.isAbsent) await untilFree(pod);
    return pod;
  }

  /** Its agent has been asked: it can be taken. */
  async function untilFree(pod: Stored<Pod>): Promise<void> {
    await world.until("its agent is asked", () =>
      Promise.resolve(agents.free.has(pod.metadata.uid) ? true : undefined),
    );
  }

  const podUids = (pods: readonly Stored<Pod>[]): readonly string[] => pods.map(({ metadata }) => metadata.uid);

  it("makes one for a call, and one that waits behind it, the namespace's own", async () => {
    await lead();
    const object = await ready("hello");
    await world.untilCondition({ namespace, name: "hello" }, { type: "GenericPods", status: "True" });
    await call(object);
    const [made] = await world.untilPods(object, ({ length }) => length === 1);
    assert.match(made?.metadata.name ?? "", /^hello-/);
    assert.ok(made !== undefined);
    assert.equal(made.spec.initContainers, undefined);
    const [pod] = await untilWaiting(1);
    assert.match(pod?.metadata.name ?? "", /^generic-[0-9a-f]{8}-[a-z0-9]{5}$/);
    const ledger = await world.client.get({ kind: kinds.configMap, namespace, name: "kubelambda-ledger" });
    assert.deepEqual(
      pod?.metadata.ownerReferences?.map(({ uid, controller }) => [uid, controller]),
      [[ledger.metadata.uid, true]],
    );
    assert.equal(pod.metadata.labels?.[labels.generic], made.metadata.labels?.[labels.generic]);
    // The API server adds none of its own, of 300 s.
    for (const { spec } of [made, pod])
      assert.deepEqual(
        spec.tolerations?.map(({ key, tolerationSeconds }) => [key, tolerationSeconds]),
        [
          ["node.kubernetes.io/not-ready", 30],
          ["node.kubernetes.io/unreachable", 30],
        ],
      );
  });

  it("gives the one that waits to the next function, by its agent first, then by labels and owner; and fills up", async () => {
    await lead();
    const waits = await pool();
    const object = await ready("second");
    await call(object);
    const pods = await world.untilPods(object, ({ length }) => length > 0);
    assert.deepEqual(podUids(pods), [waits.metadata.uid]);
    const [taken] = pods;
    assert.deepEqual(
      taken?.metadata.ownerReferences?.map(({ kind, uid }) => [kind, uid]),
      [["Function", object.metadata.uid]],
    );
    assert.equal(taken.metadata.labels?.[labels.revision], object.status?.revisionID);
    assert.equal(taken.metadata.annotations?.[annotations.functionName], "second");
    assert.equal(agents.assigned(taken)?.functionUid, object.metadata.uid);
    const [next] = await untilWaiting(1, waits.metadata.uid);
    assert.notEqual(next?.metadata.uid, waits.metadata.uid);
  });

  it("gives each to one function, whoever calls at once", async () => {
    await lead({ KUBELAMBDA_POOL_SIZE: "2" });
    await call(await ready("first"));
    const pods = await untilWaiting(2);
    const objects = await Promise.all(["a1", "b1", "c1"].map((name) => ready(name)));
    for (const pod of pods) await world.runPod(pod);
    for (const pod of pods) await untilFree(pod);
    await world.report(
      operator,
      objects.map((object) => loadOf(object, { needed: 1 })),
    );
    const owned = await Promise.all(objects.map((object) => world.untilPods(object, ({ length }) => length > 0)));
    const uids = owned.flatMap(podUids);
    assert.equal(new Set(uids).size, 3);
    assert.equal(uids.filter((uid) => podUids(pods).includes(uid)).length, 2, "the third has got a new one");
  });

  it("gives none to a function with needs of its own, and says why", async () => {
    await lead();
    const waits = await pool();
    await ready("own", { podTemplate: { metadata: { labels: { team: "a" } } } });
    const object = await world.untilCondition(
      { namespace, name: "own" },
      { type: "GenericPods", status: "False", reason: "OwnPods" },
    );
    await call(object);
    const [made] = await world.untilPods(object, ({ length }) => length === 1);
    assert.equal(made?.spec.initContainers?.length, 1);
    assert.deepEqual(podUids(await waiting()), [waits.metadata.uid]);
  });

  it("gives none whose agent does not listen yet, and asks again", async () => {
    await lead();
    agents.isAbsent = true;
    const waits = await pool();
    const object = await ready("early");
    await call(object);
    const [made] = await world.untilPods(object, ({ length }) => length === 1);
    assert.match(made?.metadata.name ?? "", /^early-/);
    agents.isAbsent = false;
    await untilFree(waits);
    const late = await ready("late");
    await call(late);
    assert.deepEqual(podUids(await world.untilPods(late, ({ length }) => length > 0)), [waits.metadata.uid]);
  });

  it("survives a leader's death between the agent's yes and the labels: the next one removes what is nobody's to see", async () => {
    const mortal = mortalClient(world.client);
    await lead({}, { client: mortal.client });
    const waits = await pool();
    agents.onAssigned = () => mortal.kill();
    const object = await ready("unlucky");
    await call(object);
    await world.until("its agent says yes", () => Promise.resolve(agents.assigned(waits)));
    await world.stopOperator(operator);
    assert.deepEqual(podUids(await waiting()), [waits.metadata.uid], "nothing but its agent knows");
    agents.onAssigned = () => undefined;
    await lead();
    await world.until("it is gone", async () => {
      const pods = await waiting();
      return podUids(pods).includes(waits.metadata.uid) ? undefined : true;
    });
    await world.report(operator, [loadOf(object, { needed: 1 })]);
    const [made] = await world.untilPods(object, ({ length }) => length === 1);
    assert.notEqual(made?.metadata.uid, waits.metadata.uid);
  });

  it("takes another when somebody else was first", async () => {
    await lead();
    const waits = await pool();
    agents.give(waits, "another");
    const object = await ready("loser");
    await call(object);
    const [made] = await world.untilPods(object, ({ length }) => length === 1);
    assert.notEqual(made?.metadata.uid, waits.metadata.uid);
    await world.until("it is gone", async () =>
      podUids(await waiting()).includes(waits.metadata.uid) ? undefined : true,
    );
  });

  it("keeps what a leader before has left, and lets go of it when nobody calls", async () => {
    await lead();
    const waits = await pool();
    await world.stopOperator(operator);
    await lead();
    await new Promise((resolve) => setTimeout(resolve, 2500));
    assert.deepEqual(podUids(await waiting()), [waits.metadata.uid]);
    await world.stopOperator(operator);
    await lead({ KUBELAMBDA_POOL_KEEP_SECONDS: "1" });
    await untilWaiting(0);
  });

  it("lets go of what a leader before has left when none shall wait any more", async () => {
    await lead();
    await pool();
    await world.stopOperator(operator);
    await lead({ KUBELAMBDA_GENERIC_PODS: "false" });
    await untilWaiting(0);
  });

  it("replaces them when the installation makes others", async () => {
    await lead();
    const waits = await pool();
    await world.stopOperator(operator);
    await lead({ KUBELAMBDA_IMAGE: "kubelambda:next" });
    await world.until("it is gone", async () =>
      podUids(await waiting()).includes(waits.metadata.uid) ? undefined : true,
    );
  });

  async function untilMetrics(wanted: Readonly<Record<string, number>>): Promise<void> {
    await world.until(JSON.stringify(wanted), async () => {
      const text = await (await fetch(`http://127.0.0.1:${operator.healthPort}/metrics`)).text();
      const lines = [...text.matchAll(/^kubelambda_generic_pool_(\w+)\{(?:state|from|reason)="(\w+)".*\} (\d+)$/gm)];
      const seen = new Map(lines.map(([, name, label, value]) => [`${name} ${label}`, Number(value)]));
      return Object.entries(wanted).every(([name, value]) => seen.get(name) === value) ? true : undefined;
    });
  }

  it("are seen in metrics: what waits, what was there for a call and what was not", async () => {
    await lead();
    await untilMetrics({
      "pods free": 0,
      "pods starting": 0,
      "environments_total pool": 0,
      "environments_total new": 0,
    });
    await call(await ready("first"));
    const [pod] = await untilWaiting(1);
    await untilMetrics({
      "pods free": 0,
      "pods starting": 1,
      "environments_total pool": 0,
      "environments_total new": 1,
    });
    assert.ok(pod !== undefined);
    await world.runPod(pod);
    await untilMetrics({ "pods free": 1, "pods starting": 0 });
    await call(await ready("second"));
    await untilMetrics({
      "pods free": 0,
      "pods starting": 1,
      "environments_total pool": 1,
      "environments_total new": 1,
    });
  });

  it("tell in metrics why none waits", async () => {
    await lead();
    const quota = { apiVersion: "v1", kind: "ResourceQuota", metadata: { namespace, name: "pods" } };
    const path = `/api/v1/namespaces/${namespace}/resourcequotas`;
    const spec = { hard: { pods: "1" } };
    await world.client.raw("POST", path, { ...quota, spec });
    // Without a controller manager nobody counts: there is room for one, and nobody takes it away.
    await world.client.raw("PUT", `${path}/pods/status`, { ...quota, spec, status: { ...spec, used: { pods: "0" } } });
    await untilMetrics({ "pauses_total refused": 0 });
    const object = await ready("only");
    await call(object);
    await world.untilPods(object, ({ length }) => length === 1);
    await untilMetrics({ "pauses_total refused": 1, "pods starting": 0, "pods free": 0 });
  });

  it("lets them go for what has no room under a quota", async () => {
    await lead();
    const waits = await pool();
    const quota = { apiVersion: "v1", kind: "ResourceQuota", metadata: { namespace, name: "pods" } };
    const path = `/api/v1/namespaces/${namespace}/resourcequotas`;
    const spec = { hard: { pods: "2" } };
    await world.client.raw("POST", path, { ...quota, spec });
    // Without a controller manager nobody counts: the test says what is used.
    const setUsed = async (pods: number): Promise<void> => {
      const status = { ...spec, used: { pods: String(pods) } };
      await world.client.raw("PUT", `${path}/pods/status`, { ...quota, spec, status });
    };
    const object = await ready("needed", { memorySize: 256 });
    await setUsed(2);
    await call(object);
    await world.until("it is gone", async () =>
      podUids(await waiting()).includes(waits.metadata.uid) ? undefined : true,
    );
    await setUsed(1);
    await world.until("the function has its own", async () => {
      await call(object);
      return (await world.pods(object)).length === 1 ? true : undefined;
    });
    assert.equal((await waiting()).length, 0);
  });

  it("lets them go for what no node takes, also what is to be kept ready", async () => {
    await lead();
    const waits = await pool();
    const object = await ready("kept");
    const space = await VersionSpace.open(world, namespace);
    const provisionedConcurrencyConfig = { provisionedConcurrentExecutions: 1 };
    await space.createVersion("kept", { functionName: "kept", provisionedConcurrencyConfig });
    const [pod] = await world.untilPods(object, ({ length }) => length === 1);
    assert.ok(pod !== undefined);
    const full = { type: "PodScheduled", status: "False", reason: "Unschedulable", message: "Insufficient memory" };
    await world.setPodStatus(pod, { conditions: [full] });
    await world.until("it is gone", async () =>
      podUids(await waiting()).includes(waits.metadata.uid) ? undefined : true,
    );
  });
});
