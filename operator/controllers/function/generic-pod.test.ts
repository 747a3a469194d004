import assert from "node:assert/strict";
import { annotations, ENVIRONMENT_COMPONENT, labels } from "../../../crds/names.ts";
import type { FunctionSpecInput } from "../../../crds/v1alpha1/function.ts";
import { ownedBy, type OwnerReference } from "../../../lib/kubernetes/object.ts";
import { environmentSettings, functionObject, recipeFor } from "../../../test/kit/function-seen.ts";
import { layerUse } from "../../../test/kit/layer-seen.ts";
import type { EnvironmentSettings } from "../../environment-settings.ts";
import type { Pod } from "../../pod.ts";
import { sha256Hex } from "../../sha256.ts";
import { adoption, decideShape, genericIDOf, poolPod, poolPodName } from "./generic-pod.ts";
import type { LayerUse } from "./layer-use.ts";
import { environmentPod } from "./pods.ts";
import type { Recipe } from "./recipe.ts";

const settings: EnvironmentSettings = { ...environmentSettings, genericPods: true };
const ledger: OwnerReference = { apiVersion: "v1", kind: "ConfigMap", name: "kubelambda-ledger", uid: "ledger-1" };

function recipe(spec: Partial<FunctionSpecInput> = {}, layers: readonly LayerUse[] = []): Recipe {
  return recipeFor(functionObject(spec), layers);
}

const shapes: Record<string, { recipe: Recipe; isEnabled?: boolean; want: RegExp | "generic" }> = {
  "a function of code alone": { recipe: recipe(), want: "generic" },
  "one with variables and a layer without extensions": {
    recipe: recipe({ environment: { variables: { AA: "$(B)" } } }, [layerUse("plain")]),
    want: "generic",
  },
  "one with an extension": {
    recipe: recipe({}, [layerUse("plain"), layerUse("tracer", { extensions: ["tracer"] })]),
    want: /a layer brings the extension "tracer"/,
  },
  "one with a value from a Secret": {
    recipe: recipe({ environment: { valueFrom: { TOKEN: { secretKeyRef: { name: "s", key: "k" } } } } }),
    want: /environment\.valueFrom\.TOKEN/,
  },
  "one with a service account": { recipe: recipe({ serviceAccountName: "worker" }), want: /"worker"/ },
  "one with a pod template": {
    recipe: recipe({ podTemplate: { spec: { priorityClassName: "high" } } }),
    want: /podTemplate/,
  },
  "one with a file system": {
    recipe: recipe({ fileSystemConfigs: [{ persistentVolumeClaim: { name: "data" }, localMountPath: "/mnt/data" }] }),
    want: /fileSystemConfigs mounts "data"/,
  },
  "an image": {
    recipe: { ...recipe(), resolvedImage: { reference: "r@sha256:0" } as NonNullable<Recipe["resolvedImage"]> },
    want: /packageType Image/,
  },
  "any where there are none": { recipe: recipe(), isEnabled: false, want: /environments\.generic\.enabled/ },
};

describe("decideShape", () => {
  for (const [title, { recipe: of, isEnabled = true, want }] of Object.entries(shapes)) {
    it(`${title} gets ${want === "generic" ? "generic pods" : "own pods, and is told why"}`, () => {
      const { isGeneric, message } = decideShape(of, { genericPods: isEnabled });
      assert.equal(isGeneric, want === "generic");
      if (want !== "generic") assert.match(message, want);
    });
  }
});

describe("genericIDOf", () => {
  const idOf = (of: Recipe, changes: Partial<EnvironmentSettings> = {}): string | undefined =>
    genericIDOf(of, { ...settings, ...changes }, sha256Hex);
  const own = idOf(recipe());

  it("is a label's value, and nothing for own pods", () => {
    assert.match(own ?? "", /^[0-9a-f]{40}$/);
    assert.equal(idOf(recipe({ serviceAccountName: "worker" })), undefined);
  });

  it("is the same for functions that differ in what is not in the pod's spec", () => {
    const others: Partial<FunctionSpecInput>[] = [
      { handler: "other.handler", timeout: 900 },
      { environment: { variables: { AA: "1" } } },
      { name: "other", code: { files: { "a.mjs": "" } } },
    ];
    for (const spec of others) assert.equal(idOf(recipe(spec)), own, JSON.stringify(spec));
  });

  it("is another where the pod is another", () => {
    const ids = [
      idOf(recipe({ memorySize: 256 })),
      idOf(recipe({ ephemeralStorage: { size: 1024 } })),
      idOf(recipe({ architectures: ["arm64"] })),
      idOf({ ...recipe(), image: "another" }),
      idOf(recipe(), { routerKeys: ["key-3"] }),
      idOf(recipe(), { image: "kubelambda:2" }),
    ];
    assert.equal(new Set([own, ...ids]).size, ids.length + 1);
  });
});

describe("a generic pod", () => {
  const object = functionObject({ environment: { variables: { PRICE: "$(HOME)" } }, timeout: 7 });
  const of = recipeFor(object);
  const genericID = genericIDOf(of, settings, sha256Hex) ?? "";
  const waiting = poolPod({ namespace: "team", name: "g", owner: ledger, genericID, recipe: of, settings, epoch: 7 });
  const born = environmentPod({
    ...{
      namespace: "team",
      name: "hello-1",
      owner: ownedBy(object),
      recipe: of,
      settings,
      epoch: 7,
      nowMs: 0,
      genericID,
    },
  });
  const container = ({ spec }: Pod, name: string) => spec.containers.find((each) => each.name === name);

  it("that waits says nothing of any function", () => {
    const { functionUid, functionName, functionArn } = of.document;
    const text = JSON.stringify(waiting);
    for (const word of [functionUid, functionName, functionArn, "PRICE", "index.handler"])
      assert.ok(!text.includes(`"${word}`), word);
    assert.deepEqual(waiting.metadata.labels, {
      [labels.component]: ENVIRONMENT_COMPONENT,
      [labels.generic]: genericID,
    });
    assert.deepEqual(waiting.metadata.ownerReferences, [ledger]);
    assert.equal(waiting.metadata.annotations?.[annotations.epoch], "7");
  });

  it("has the same spec, whether it waited or was made for its function", () => {
    assert.deepEqual(born.spec, waiting.spec);
    assert.equal(born.metadata.labels?.[labels.generic], genericID);
    assert.equal(born.metadata.labels[labels.functionUid], of.document.functionUid);
  });

  it("has no init container: its agent brings the code and its hook the supervisor, before the runtime's container starts", () => {
    assert.equal(born.spec.initContainers, undefined);
    assert.deepEqual(
      born.spec.containers.map(({ name }) => name),
      ["agent", "runtime"],
    );
    const agent = container(born, "agent");
    const command = ["/kubelambda/supervisor", "install", "/run/kubelambda/runtime"];
    assert.deepEqual(agent?.lifecycle, { postStart: { exec: { command } } });
    const mounts = (agent.volumeMounts ?? []).filter(({ name }) => name.startsWith("token-"));
    assert.deepEqual(
      mounts.map(({ name, readOnly }) => [name, readOnly]),
      [["token-agent", true]],
    );
    const tokens = born.spec.volumes?.find(({ name }) => name === "token-agent")?.projected?.sources;
    assert.deepEqual(
      tokens?.map(({ serviceAccountToken }) => serviceAccountToken?.path),
      ["router", "packages"],
    );
  });

  it("is as closed as an own pod", () => {
    const own = environmentPod({
      ...{ namespace: "team", name: "o", owner: ownedBy(object), recipe: of, settings, epoch: 7, nowMs: 0 },
    });
    assert.deepEqual(container(waiting, "runtime"), container(own, "runtime"));
    const rest = ({
      spec: { containers: _c, initContainers: _i, terminationGracePeriodSeconds: _t, volumes = [], ...others },
    }: Pod) => ({ ...others, volumes: volumes.filter(({ name }) => !name.startsWith("token-")) });
    assert.deepEqual(rest(waiting), rest(own));
    assert.deepEqual(container(waiting, "agent")?.securityContext, container(own, "agent")?.securityContext);
  });

  it("ends as late as any function's call may", () => {
    assert.equal(waiting.spec.terminationGracePeriodSeconds, 905);
  });

  it("gives its agent room to unpack where containers have limits of their own", () => {
    assert.equal(container(waiting, "agent")?.resources?.limits?.["memory"], "192Mi");
  });

  it("becomes a function's by labels, owner and epoch, and stays generic", () => {
    const owner = ownedBy(object);
    const patch = adoption({ uid: "pod-1", owner, recipe: of, epoch: 9 }) as Pod;
    assert.equal(patch.metadata.uid, "pod-1");
    const { [labels.generic]: _generic, ...own } = born.metadata.labels ?? {};
    assert.deepEqual(patch.metadata.labels, own);
    assert.deepEqual(patch.metadata.ownerReferences, [owner]);
    assert.deepEqual(patch.metadata.annotations, {
      [annotations.functionName]: of.document.functionName,
      [annotations.epoch]: "9",
    });
  });

  it("has a name that says what it is", () => {
    assert.match(poolPodName(genericID, "bcdfg"), /^generic-[0-9a-f]{8}-bcdfg$/);
  });
});

describe("agents that fill own pods", () => {
  const made = environmentPod({
    ...{ namespace: "team", name: "o", owner: ownedBy(functionObject()), epoch: 7, nowMs: 0 },
    recipe: recipe({}, [layerUse("tracer", { extensions: ["tracer"] })]),
    settings: { ...environmentSettings, agentsFill: true },
  });

  it("put a supervisor into the place of each container", () => {
    assert.equal(made.spec.initContainers, undefined);
    const { lifecycle } = made.spec.containers[0] ?? {};
    assert.deepEqual(lifecycle?.postStart?.exec?.command, [
      "/kubelambda/supervisor",
      "install",
      "/run/kubelambda/runtime",
      "/run/kubelambda/extension-1",
    ]);
  });

  it("leave the rest of the pod as it is", () => {
    assert.equal(made.spec.terminationGracePeriodSeconds, 8);
    assert.equal(made.metadata.labels?.[labels.generic], undefined);
  });
});
