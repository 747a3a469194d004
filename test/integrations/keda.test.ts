/** docs/provisioned-concurrency.md's ScaledObject, by KEDA and Prometheus as their projects publish them. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { waitUntil } from "../cluster/wait-until.ts";
import { progress, type System } from "../e2e/fixture.ts";
import type { Space } from "../e2e/space.ts";
import { applyAll, deleteAll, documentsOf, recipeOf, withImages, type Manifest } from "./manifests.ts";
import { startPrometheus } from "./monitoring.ts";
import { keda, kedaAdapter, loadProgram, moduleOf } from "./programs.ts";
import { fewest, openShop, scaleOutAndIn, untilProvisioned } from "./shop.ts";

interface Trigger {
  readonly type: string;
  readonly metadata: Readonly<Record<string, string>>;
}

interface ScaledObject extends Manifest {
  readonly spec: Readonly<Record<string, unknown>> & { readonly triggers: readonly Trigger[] };
}

const apiService = "v1beta1.external.metrics.k8s.io";
/** The recipe waits a quarter of an hour before it scales in. */
const behavior = { scaleDown: { stabilizationWindowSeconds: 5 } };

/** KEDA's own manifests, with images that are here. */
async function kedaManifests(system: System): Promise<readonly Manifest[]> {
  const source = join(await moduleOf(keda, "github.com/kedacore/keda/v2"), "config", "minimal");
  const images = {
    "ghcr.io/kedacore/keda": await loadProgram(system, keda, progress),
    "ghcr.io/kedacore/keda-metrics-apiserver": await loadProgram(system, kedaAdapter, progress),
  };
  return withImages(documentsOf(await system.kubectl(["kustomize", source])), images, 65_532);
}

describe("KEDA scales an alias", function () {
  this.timeout(360_000);
  let space: Space;
  let scaledObject: ScaledObject;
  let manifests: readonly Manifest[];
  /** How to undo what was made, in the order of its making. */
  const made: (() => Promise<unknown>)[] = [];

  before(async function () {
    this.timeout(60 * 60_000);
    [scaledObject] = recipeOf("provisioned-concurrency.md", "kind: ScaledObject") as unknown as [ScaledObject];
    space = await openShop();
    made.push(() => space.close());
    made.push(await startPrometheus(space.system));
    manifests = await kedaManifests(space.system);
    const { system } = space;
    made.push(() => deleteAll(system, manifests));
    await applyAll(system, manifests);
    const kedaNamespace = ["-n", "keda", "wait", "--for=condition=Available", "--timeout=170s"];
    await system.kubectl([...kedaNamespace, "deployment", "--all"], { timeoutMs: 180_000 });
    await system.kubectl(["wait", "--for=condition=Available", `apiservice/${apiService}`, "--timeout=120s"], {
      timeoutMs: 130_000,
    });
    made.push(() => space.kubectl("delete", "scaledobjects", "--all", "--timeout=50s"));
  });
  after(async () => {
    for (const undo of made.toReversed()) await undo();
  });

  /** The recipe with some of its triggers, and with no patience. */
  async function applyRecipe(triggers: readonly Trigger[]): Promise<void> {
    const advanced = { horizontalPodAutoscalerConfig: { behavior } };
    await space.apply({ ...scaledObject, spec: { ...scaledObject.spec, advanced, triggers } });
    await space.kubectl("wait", "--for=condition=Ready", "scaledobject/hello-live", "--timeout=50s");
  }

  function triggerOf(type: string): Trigger {
    const found = scaledObject.spec.triggers.find((trigger) => trigger.type === type);
    if (found === undefined) throw new Error(`Cannot find the recipe's trigger "${type}"`);
    return found;
  }

  it("takes the recipe word by word", async () => {
    await space.apply(scaledObject);
    await space.kubectl("wait", "--for=condition=Ready", "scaledobject/hello-live", "--timeout=50s");
    await space.kubectl("delete", "scaledobject", "hello-live", "--timeout=50s");
    // It may be within its hours.
    await space.kubectl("scale", "alias/live", `--replicas=${fewest}`);
    await untilProvisioned(space, `${fewest} environments`, (many) => many === fewest);
  });

  it("out under load by Prometheus' word, to what is needed, and in again without calls", async () => {
    await applyRecipe([triggerOf("prometheus")]);
    await scaleOutAndIn(space, "KEDA");
  });

  it("by the clock: as many as the cron trigger says while it says so", async () => {
    const { metadata } = triggerOf("cron");
    const now = Date.now();
    const end = minuteIn(metadata["timezone"] ?? "", now + 120_000);
    const start = minuteIn(metadata["timezone"] ?? "", now - 120_000);
    const window = { ...metadata, start: `${start} * * *`, end: `${end} * * *`, desiredReplicas: "4" };
    await applyRecipe([triggerOf("prometheus"), { type: "cron", metadata: window }]);
    await untilProvisioned(space, "4 environments by the clock", (many) => many === 4, 90_000);
    await untilProvisioned(space, `${fewest} environments after that`, (many) => many === fewest, 200_000);
  });

  it("with a role that was narrowed to aliases and their scale", async () => {
    const { system } = space;
    await space.kubectl("delete", "scaledobject", "hello-live", "--timeout=50s");
    const role = manifests.find(({ kind, metadata }) => kind === "ClusterRole" && metadata.name === "keda-operator");
    assert.ok(role !== undefined);
    type Rule = { readonly apiGroups: readonly string[]; readonly verbs: readonly string[] };
    const rules = (role["rules"] as readonly Rule[]).filter(({ apiGroups }) => !apiGroups.includes("*"));
    const narrowed = (resource: string, ...verbs: readonly string[]): object => {
      return { apiGroups: ["kubelambda.dev"], resources: [resource], verbs };
    };
    const withScaleAlone = [...rules, narrowed("aliases/scale", "get", "list", "patch", "update", "watch")];
    await applyAll(system, [{ ...role, rules: withScaleAlone }]);
    await space.apply(scaledObject);
    await waitUntil({ what: "KEDA to be refused the alias", timeoutMs: 60_000, everyMs: 500 }, async () => {
      const ready = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}';
      const isReady = await space.kubectl("get", "scaledobject", "hello-live", "-o", ready);
      const log = await system.kubectl(["-n", "keda", "logs", "deployment/keda-operator", "--tail=200"]);
      if (isReady === "False" && /cannot get resource .{1,3}aliases/.test(log)) return true;
      throw new Error(`Ready is "${isReady}"`);
    });
    await applyAll(system, [{ ...role, rules: [...withScaleAlone, narrowed("aliases", "get")] }]);
    await applyRecipe([triggerOf("cron")]);
  });
});

/** "minute hour" of a moment there. */
function minuteIn(timeZone: string, atMs: number): string {
  const parts = new Intl.DateTimeFormat("en-GB", { timeZone, hour: "numeric", minute: "numeric" }).formatToParts(atMs);
  const part = (type: string): number => Number(parts.find((found) => found.type === type)?.value);
  return `${part("minute")} ${part("hour")}`;
}
