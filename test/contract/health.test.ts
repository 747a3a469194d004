/** What Flux' health rules say of our objects in every state that they have, on a real operator and a real API server. */
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "mocha";
import { aliasKind, type AliasObject } from "../../crds/v1alpha1/alias.ts";
import type { Condition } from "../../crds/v1alpha1/condition.ts";
import { functionKind, type FunctionObject } from "../../crds/v1alpha1/function.ts";
import { layerKind, type LayerObject } from "../../crds/v1alpha1/layer.ts";
import { versionKind, type VersionObject } from "../../crds/v1alpha1/version.ts";
import { kinds } from "../../lib/kubernetes/kinds.ts";
import type { KubernetesObject, Stored } from "../../lib/kubernetes/object.ts";
import type { RunningOperator } from "../../operator/operator.ts";
import { healthOf, type HealthStatus } from "../kit/kstatus.ts";
import { History, type State } from "../kit/kubernetes/history.ts";
import { files, LayerSpace } from "../kit/layer-space.ts";
import { OperatorWorld } from "../kit/operator-world.ts";
import { code, VersionSpace } from "../kit/version-space.ts";

type OurObject = Stored<FunctionObject | VersionObject | AliasObject | LayerObject>;

interface Judged extends State {
  readonly object: OurObject;
  readonly health: HealthStatus;
}

describe("health over time, by kstatus", function () {
  this.timeout(120_000);
  let world: OperatorWorld;
  let operator: RunningOperator;
  let space: VersionSpace;
  let layers: LayerSpace;
  let history: History;

  before(async () => {
    world = await OperatorWorld.start();
    operator = await world.startOperator();
  });
  after(() => world.stop());
  beforeEach(async () => {
    space = await VersionSpace.open(world);
    layers = await LayerSpace.open(world, space.namespace);
    const watched = [functionKind, versionKind, aliasKind, layerKind, kinds.controllerRevision];
    history = await History.start(world.client, space.namespace, watched);
  });

  /** Also checks what holds in any history. */
  async function judged(): Promise<readonly Judged[]> {
    await history.stop();
    const { states } = history;
    const ours = states.filter(({ object }) => object.kind !== "ControllerRevision") as (State &
      Pick<Judged, "object">)[];
    const health = await healthOf(ours.map(({ object }) => object));
    const all = ours.map((state, i) => ({ ...state, health: health[i]?.status ?? "Unknown" }));
    for (const state of all) assert.equal(untruthOf(state, states), undefined, describeState(state));
    return all;
  }

  /** Without repetitions, e.g. ["InProgress", "Current"]. */
  function course(all: readonly Judged[], kind: string, name: string): readonly HealthStatus[] {
    const seen = all.filter(({ object, isGone }) => object.kind === kind && object.metadata.name === name && !isGone);
    return seen.map(({ health }) => health).filter((health, i) => health !== seen[i - 1]?.health);
  }

  it("is never current before it is true, nor again under way, in whatever order all is applied", async () => {
    await Promise.all([
      space.createAlias("live", { functionVersion: "1" }),
      space.createVersion("first"),
      world.createFunction(space.namespace, "f", { layers: ["tools"] }),
    ]);
    await space.untilAlias("live", { type: "Ready", status: "False" });
    await layers.create("tools");
    await space.untilAlias("live");
    const all = await judged();
    const objects = ["Function/f", "Version/first", "Alias/live", "Layer/tools"];
    for (const [kind = "", name = ""] of objects.map((title) => title.split("/")))
      assert.deepEqual(course(all, kind, name), ["InProgress", "Current"], `${kind} ${name}`);
  });

  it("is under way with a change, failed with one that cannot be, and current after the roll-back", async () => {
    await space.function("one");
    await space.change(code("two"));
    await world.patchSpec(space.namespace, "f", { code: { files: null, zipFile: "bm90IGEgemlw" } });
    await world.untilCondition({ namespace: space.namespace, name: "f" }, { type: "Stalled", status: "True" });
    await space.change({ code: { zipFile: null, files: { "index.mjs": "// two" } } });
    await layers.ready("tools", files("one"));
    await layers.patch("tools", { content: { files: null, zipFile: "bm90IGEgemlw" } });
    await layers.untilCondition("tools", { type: "Stalled", status: "True" });
    await layers.patch("tools", { content: { zipFile: null, files: { "a.txt": "one" } } });
    await layers.untilCondition("tools", { type: "Ready", status: "True" });
    const all = await judged();
    const way = ["InProgress", "Current"] as const;
    assert.deepEqual(course(all, "Function", "f"), [...way, ...way, "InProgress", "Failed", ...way]);
    assert.deepEqual(course(all, "Layer", "tools"), [...way, "InProgress", "Failed", ...way]);
  });

  it("is failed where only another spec helps, and under way where waiting does", async () => {
    await space.function();
    await space.published("first");
    await space.change(code("two"));
    await space.published("second");
    await space.createVersion("taken", { version: 1 });
    await space.untilVersion("taken", { type: "Stalled", status: "True" });
    await space.createAlias("twice", { routingConfig: { additionalVersionWeights: { "2": 0.5 } } });
    await space.untilAlias("twice", { type: "Stalled", status: "True" });
    await space.createAlias("early", { functionVersion: "9" });
    await space.untilAlias("early", { type: "Ready", status: "False" });
    await world.createFunction(space.namespace, "cobol", { runtime: "cobol" });
    await world.untilCondition({ namespace: space.namespace, name: "cobol" }, { type: "Stalled", status: "True" });
    const all = await judged();
    assert.deepEqual(course(all, "Version", "taken"), ["InProgress", "Failed"]);
    assert.deepEqual(course(all, "Alias", "twice"), ["InProgress", "Failed"]);
    assert.deepEqual(course(all, "Alias", "early"), ["InProgress"]);
    assert.deepEqual(course(all, "Function", "cobol"), ["InProgress", "Failed"]);
  });

  it("stays what it was when the operator starts again, and terminates when it is deleted", async () => {
    await layers.ready("tools");
    await space.function("one", { layers: ["tools"], autoPublishAlias: "live" });
    await world.until("live leads to a version", async () => (await space.aliases())[0]?.status?.functionVersion);
    await world.stopOperator(operator);
    operator = await world.startOperator();
    // A change that the operator reaches last shows that it has been through everything.
    await space.createVersion("last");
    await space.untilVersion("last");
    await space.deleteVersion("last");
    await space.untilGone("last");
    const all = await judged();
    assert.deepEqual(course(all, "Function", "f"), ["InProgress", "Current"]);
    assert.deepEqual(course(all, "Layer", "tools"), ["InProgress", "Current"]);
    assert.deepEqual(course(all, "Version", "last"), ["InProgress", "Current", "Terminating"]);
  });
});

function describeState({ object, health }: Judged): string {
  const { name, generation } = object.metadata;
  return `${object.kind} "${name}", generation ${generation ?? 0}, is ${health} with ${JSON.stringify(object.status)}`;
}

/** What of it is not true at that moment; undefined: nothing. */
function untruthOf(state: Judged, states: readonly State[]): string | undefined {
  const { object, health, isGone } = state;
  if (isGone || health === "Terminating") return undefined;
  const { conditions = [], observedGeneration } = object.status ?? {};
  const isSeen = observedGeneration === object.metadata.generation;
  if (conditions.some((condition) => condition.observedGeneration !== observedGeneration))
    return "conditions are of another generation";
  if (!isSeen && health !== "InProgress") return "its spec has not been looked at";
  if (health === "Failed" && !has(conditions, "Stalled")) return "it is failed and not stalled";
  if (health === "Current" && !has(conditions, "Ready")) return "it is current and not ready";
  return health === "Current" && !isTrue(object, thereAt(state, states))
    ? "what it stands for is not there"
    : undefined;
}

function has(conditions: readonly Condition[], type: string): boolean {
  return conditions.some((condition) => condition.type === type && condition.status === "True");
}

/** The newest state that each object had before this one. */
function thereAt(state: Judged, states: readonly State[]): readonly Stored[] {
  const newest = new Map<string, State>();
  for (const earlier of states) {
    if (earlier.object === state.object) break;
    newest.set(earlier.object.metadata.uid, earlier);
  }
  return [...newest.values()].filter(({ isGone }) => !isGone).map(({ object }) => object);
}

function isTrue(object: OurObject, there: readonly Stored[]): boolean {
  const isKept = (name: string): boolean =>
    there.some(({ kind, metadata }) => kind === "ControllerRevision" && metadata.name === name);
  const { status } = object;
  if (isA<LayerObject>(object, "Layer")) return isKept(`tools-layer-${object.status?.latestVersion ?? 0}`);
  if (isA<VersionObject>(object, "Version")) return isKept(object.status?.snapshot ?? "");
  if (isA<FunctionObject>(object, "Function")) return isKept(`f-${object.status?.revisionID ?? ""}`);
  const { functionVersion = "" } = status as NonNullable<AliasObject["status"]>;
  return there.some(
    (other) => isA<VersionObject>(other, "Version") && String(other.status?.version) === functionVersion,
  );
}

function isA<T extends KubernetesObject>(object: Stored, kind: string): object is Stored<T> {
  return object.kind === kind;
}
