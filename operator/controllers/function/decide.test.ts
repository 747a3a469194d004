import assert from "node:assert/strict";
import { describe, it } from "mocha";
import type { Condition } from "../../../crds/v1alpha1/condition.ts";
import type { FunctionStatus } from "../../../crds/v1alpha1/function.ts";
import {
  functionObject,
  functionSeen,
  functionSettings,
  keptRecipe,
  recipeFor,
} from "../../../test/kit/function-seen.ts";
import { layerUse } from "../../../test/kit/layer-seen.ts";
import { decideFunction, type FunctionSeen } from "./decide.ts";

const recipe = recipeFor(functionObject());
const { revisionID } = recipe.document;
const activeStatus = decideFunction(functionSeen({ recipes: [keptRecipe(recipe)] })).status;
assert.ok(activeStatus !== undefined);

/** A Function that serves `recipe`, and whose spec has changed since. */
function updated(
  changes: Partial<FunctionSeen>,
  spec: Parameters<typeof functionObject>[0] = { timeout: 9 },
): FunctionSeen {
  return functionSeen({ object: functionObject(spec, activeStatus), recipes: [keptRecipe(recipe)], ...changes });
}

interface Want {
  readonly outcome: string;
  readonly state?: string;
  readonly lastUpdateStatus?: string;
  readonly revisionID?: string | undefined;
  /** `status reason` by type. */
  readonly conditions: Readonly<Record<string, string>>;
  /** Of Ready. */
  readonly message?: string;
  readonly events?: readonly string[];
}

const unreachable = { reason: "SourceUnreachable", message: "Cannot fetch" } as const;
const withLayers = functionObject({ layers: ["tools"] });
const tools = layerUse("tools", { version: 3 });
const layeredRecipe = recipeFor(withLayers, [tools]);
const withValue = functionObject({
  environment: { valueFrom: { WORD: { secretKeyRef: { name: "keys", key: "word" } } } },
});
const noLayer = { reason: "LayerNotFound", message: "Cannot use" } as const;
const cases: Record<string, { seen: FunctionSeen; want: Want }> = {
  "waits for a layer, with its code resolved": {
    seen: functionSeen({ object: withLayers, layers: { type: "waiting", ...noLayer } }),
    want: {
      outcome: "waiting",
      state: "Pending",
      conditions: {
        Ready: "False LayerNotFound",
        Reconciling: "True LayerNotFound",
        Stalled: "False LayerNotFound",
        CodeResolved: "True Resolved",
        LayersResolved: "False LayerNotFound",
      },
      message: "Cannot use",
      events: ["Warning LayerNotFound"],
    },
  },
  "fails with a layer that only another spec mends": {
    seen: functionSeen({
      object: withLayers,
      layers: { type: "refused", reason: "LayerInOtherRegion", message: "Cannot use" },
    }),
    want: {
      outcome: "stalled",
      state: "Failed",
      conditions: { Stalled: "True LayerInOtherRegion", CodeResolved: "True Resolved" },
    },
  },
  "fails when code and layers together are too large": {
    seen: functionSeen({
      object: withLayers,
      layers: { type: "resolved", layers: [layerUse("tools", { unzippedBytes: 262_144_000 })], kept: [] },
    }),
    want: {
      outcome: "stalled",
      state: "Failed",
      conditions: { Stalled: "True CodeTooLarge", CodeResolved: "True Resolved", LayersResolved: "True Resolved" },
      message: 'Unzipped size must be smaller than 262144000 bytes: the code with layers "tools:1" has 262144200',
    },
  },
  "is active with its layers": {
    seen: functionSeen({
      object: withLayers,
      layers: { type: "resolved", layers: [tools], kept: [] },
      recipes: [keptRecipe(layeredRecipe)],
    }),
    want: {
      outcome: "done",
      state: "Active",
      revisionID: layeredRecipe.document.revisionID,
      conditions: { Ready: "True Available", LayersResolved: "True Resolved" },
      events: ["Normal Available"],
    },
  },
  "goes on with a layer that is gone, and says so": {
    seen: functionSeen({
      object: withLayers,
      layers: { type: "resolved", layers: [tools], kept: ["Layer is gone"] },
      recipes: [keptRecipe(layeredRecipe)],
    }),
    want: {
      outcome: "done",
      state: "Active",
      conditions: { Ready: "True Available", LayersResolved: "True LayersKept" },
      events: ["Warning LayersKept", "Normal Available"],
    },
  },

  "is active once its recipe is kept": {
    seen: functionSeen({ recipes: [keptRecipe(recipe)] }),
    want: {
      outcome: "done",
      state: "Active",
      lastUpdateStatus: "Successful",
      revisionID,
      conditions: { Ready: "True Available", Stalled: "False Available", CodeResolved: "True Resolved" },
      events: ["Normal Available"],
    },
  },
  "is pending while its code is resolved for the first time": {
    seen: functionSeen({ code: { type: "resolving" } }),
    want: {
      outcome: "waiting",
      state: "Pending",
      revisionID: undefined,
      conditions: { Ready: "False Resolving", Reconciling: "True Resolving", Stalled: "False Resolving" },
    },
  },
  "goes on with the old revision while the new code is resolved": {
    seen: updated({ code: { type: "resolving" } }),
    want: {
      outcome: "waiting",
      state: "Active",
      lastUpdateStatus: "InProgress",
      revisionID,
      conditions: { Ready: "Unknown Resolving", Reconciling: "True Resolving" },
      message: `The code is being fetched and checked; revision "${revisionID}" goes on`,
    },
  },
  "goes on with the old revision when the new code is refused": {
    seen: updated({ code: { type: "refused", reason: "InvalidArchive", message: "Cannot read" } }),
    want: {
      outcome: "stalled",
      state: "Active",
      lastUpdateStatus: "Failed",
      revisionID,
      conditions: { Ready: "False UpdateFailed", Stalled: "True InvalidArchive", CodeResolved: "False InvalidArchive" },
      message: `Cannot read; revision "${revisionID}" goes on`,
      events: ["Warning InvalidArchive"],
    },
  },
  "fails when its first code is refused": {
    seen: functionSeen({ code: { type: "refused", reason: "CodeTooLarge", message: "Cannot take" } }),
    want: {
      outcome: "stalled",
      state: "Failed",
      conditions: { Ready: "False CodeTooLarge", Stalled: "True CodeTooLarge" },
    },
  },
  "tries an unreachable source again, and says so once": {
    seen: functionSeen({ code: { type: "retrying", ...unreachable, retryAfterMs: 2000 } }),
    want: {
      outcome: "waiting",
      state: "Pending",
      conditions: {
        Ready: "False SourceUnreachable",
        Reconciling: "True SourceUnreachable",
        Stalled: "False SourceUnreachable",
      },
      events: ["Warning SourceUnreachable"],
    },
  },
  "says that an older object has its name": {
    seen: functionSeen({ nameHolder: "older" }),
    want: {
      outcome: "stalled",
      state: "Failed",
      conditions: { Ready: "False NameTaken", CodeResolved: "Unknown NameTaken" },
      message: 'Cannot be function "hello": Function "older" is older and has that name; set another spec.name',
    },
  },
  "runs a deprecated runtime and names newer ones": {
    seen: functionSeen({
      object: functionObject({ runtime: "nodejs20.x" }),
      recipes: [keptRecipe(recipeOf20())],
    }),
    want: {
      outcome: "done",
      state: "Active",
      conditions: { Ready: "True DeprecatedRuntime" },
      message: 'The function can be invoked; its runtime "nodejs20.x" is deprecated: move to nodejs24.x',
    },
  },
  "says what becomes of values that the kubelet reads": {
    seen: functionSeen({ object: withValue, recipes: [keptRecipe(recipeFor(withValue))] }),
    want: {
      outcome: "done",
      state: "Active",
      conditions: { Ready: "True Available" },
      message:
        "The function can be invoked; values of environment.valueFrom are read when an environment starts, and stay for its life",
    },
  },
  "refuses a blocked runtime to a new function": {
    seen: functionSeen({ object: functionObject({ runtime: "nodejs12.x" }) }),
    want: { outcome: "stalled", state: "Failed", conditions: { Stalled: "True BlockedRuntime" } },
  },
  "lists what it ignores": {
    seen: functionSeen({
      object: functionObject({
        role: "arn:aws:iam::1:role/x",
        podTemplate: { metadata: { labels: { "argocd.argoproj.io/instance": "x" } } },
      }),
      recipes: [
        keptRecipe(
          recipeFor(functionObject({ podTemplate: { metadata: { labels: { "argocd.argoproj.io/instance": "x" } } } })),
        ),
      ],
    }),
    want: {
      outcome: "done",
      state: "Active",
      conditions: { Ready: "True Available", FieldsIgnored: "True FieldsIgnored" },
    },
  },
  "says why environments do not come up, and stays ready": {
    seen: functionSeen({
      recipes: [keptRecipe(recipe)],
      health: { ok: false, reason: "Unschedulable", message: "No node" },
    }),
    want: {
      outcome: "done",
      conditions: { Ready: "True Available", EnvironmentsHealthy: "False Unschedulable" },
      events: ["Warning Unschedulable", "Normal Available"],
    },
  },
};

function recipeOf20() {
  const plan = decideFunction(functionSeen({ object: functionObject({ runtime: "nodejs20.x" }) }));
  const [kept] = plan.create as unknown as { readonly data: typeof recipe }[];
  assert.ok(kept !== undefined);
  return kept.data;
}

function summary({ conditions = [] }: FunctionStatus): Record<string, string> {
  return Object.fromEntries(conditions.map(({ type, status, reason }) => [type, `${status} ${reason}`]));
}

describe("decideFunction", () => {
  for (const [sentence, { seen, want }] of Object.entries(cases)) {
    it(sentence, () => {
      const { status, events, outcome } = decideFunction(seen);
      assert.ok(status !== undefined);
      assert.equal(outcome, want.outcome);
      const found = summary(status);
      for (const [type, expected] of Object.entries(want.conditions)) assert.equal(found[type], expected, type);
      if (want.state !== undefined) assert.equal(status.state, want.state);
      if (want.lastUpdateStatus !== undefined) assert.equal(status.lastUpdateStatus, want.lastUpdateStatus);
      if ("revisionID" in want) assert.equal(status.revisionID, want.revisionID);
      if (want.message !== undefined)
        assert.equal(status.conditions?.find(({ type }) => type === "Ready")?.message, want.message);
      if (want.events !== undefined)
        assert.deepEqual(
          events.map(({ type, reason }) => `${type} ${reason}`),
          want.events,
        );
    });
  }

  it("keeps the recipe before any status refers to it", () => {
    const plan = decideFunction(functionSeen());
    assert.equal(plan.create.length, 1);
    assert.equal(plan.status, undefined);
    assert.equal(plan.create[0]?.metadata.name, `hello-${revisionID}`);
    assert.equal(plan.create[0].metadata.ownerReferences?.[0]?.uid, "uid-1");
  });

  it("removes recipes of former revisions once the new one is active", () => {
    const object = functionObject({ timeout: 9 }, activeStatus);
    const next = recipeFor(object);
    const { remove, status } = decideFunction(updated({ object, recipes: [keptRecipe(recipe), keptRecipe(next)] }));
    assert.deepEqual(
      remove.map(({ uid }) => uid),
      [`uid-${revisionID}`],
    );
    assert.equal(status?.revisionID, next.document.revisionID);
  });

  it("goes on with a runtime that was blocked after it had become active", () => {
    const settings = {
      ...functionSeen().settings,
      runtimes: { "nodejs24.x": { image: "nodejs:24", state: "updateBlocked" as const } },
    };
    const same = decideFunction(
      functionSeen({ object: functionObject({}, activeStatus), recipes: [keptRecipe(recipe)], settings }),
    );
    assert.equal(same.status?.lastUpdateStatus, "Successful");
    const changed = decideFunction(updated({ settings }));
    assert.equal(changed.status?.lastUpdateStatus, "Failed");
    assert.equal(changed.status.revisionID, revisionID);
  });

  it("says the same a second time without a word more: no event, no moved time", () => {
    const again = decideFunction(
      functionSeen({
        object: functionObject({}, activeStatus),
        recipes: [keptRecipe(recipe)],
        now: "2027-01-01T00:00:00Z",
      }),
    );
    assert.deepEqual(again.status, activeStatus);
    assert.deepEqual(again.events, []);
  });

  it("lets what is not known about environments stand", () => {
    const sick = decideFunction(
      functionSeen({ recipes: [keptRecipe(recipe)], health: { ok: false, reason: "InitError", message: "boom" } }),
    );
    const later = decideFunction(
      functionSeen({ object: functionObject({}, sick.status), recipes: [keptRecipe(recipe)] }),
    );
    const healthy = (conditions: readonly Condition[] | undefined) =>
      conditions?.find(({ type }) => type === "EnvironmentsHealthy");
    assert.deepEqual(healthy(later.status?.conditions), healthy(sick.status?.conditions));
    assert.deepEqual(later.events, []);
  });

  it("makes nothing for a Function that is being deleted", () => {
    const object = functionObject();
    const going = { ...object, metadata: { ...object.metadata, deletionTimestamp: "2026-01-02T00:00:00Z" } };
    assert.deepEqual(decideFunction(functionSeen({ object: going })).create, []);
  });

  it("shows its layers in its status, and nothing of them once it has none", () => {
    const seen = functionSeen({
      object: withLayers,
      layers: { type: "resolved", layers: [tools], kept: [] },
      recipes: [keptRecipe(layeredRecipe)],
    });
    const { status } = decideFunction(seen);
    assert.deepEqual(status?.layers, [{ name: "tools", version: 3, digest: tools.digest }]);
    const without = decideFunction(functionSeen({ object: functionObject({}, status), recipes: [keptRecipe(recipe)] }));
    assert.equal(without.status?.layers, undefined);
    assert.ok(without.status?.conditions?.every(({ type }) => type !== "LayersResolved"));
  });
  it("says what memorySize means where extensions have limits of their own", () => {
    const extended = [layerUse("tools", { extensions: ["a"] })];
    const object = withLayers;
    const kept = recipeFor(object, extended);
    const ignored = (hasPodResources: boolean) =>
      decideFunction(
        functionSeen({
          object,
          layers: { type: "resolved", layers: extended, kept: [] },
          recipes: [keptRecipe(kept)],
          settings: { ...functionSettings, hasPodResources },
        }),
      ).status?.conditions?.find(({ type }) => type === "FieldsIgnored");
    assert.equal(ignored(true)?.status, "False");
    assert.match(
      ignored(false)?.message ?? "",
      /^spec\.memorySize: the limit of runtime and of each extension by itself/,
    );
  });
  it("has a URL once it wants one, ready or not, and keeps it from no other of its name", () => {
    const object = functionObject({ functionURLConfig: { authType: "NONE" } });
    const recipes = [keptRecipe(recipeFor(object, []))];
    assert.equal(decideFunction(functionSeen({ object, recipes })).status?.functionURL, "https://team-hello/");
    const code = { type: "refused", reason: "PackageNotFound", message: "gone" } as const;
    assert.equal(decideFunction(functionSeen({ object, code })).status?.functionURL, "https://team-hello/");
    assert.equal(decideFunction(functionSeen({ object, nameHolder: "older" })).status?.functionURL, undefined);
    const without = functionObject();
    const kept = [keptRecipe(recipeFor(without, []))];
    assert.equal(decideFunction(functionSeen({ object: without, recipes: kept })).status?.functionURL, undefined);
  });
});
