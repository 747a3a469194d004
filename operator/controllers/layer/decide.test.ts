import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { keptVersion, layerObject, layerPackage, layerSeen } from "../../../test/kit/layer-seen.ts";
import { ownedBy } from "../../../lib/kubernetes/object.ts";
import { sha256 } from "../../../test/kit/function-seen.ts";
import { decideLayer, decideUnpublished, type LayerSeen } from "./decide.ts";
import { layerVersionObject } from "./layer-version.ts";

const published = decideLayer(layerSeen({ versions: [keptVersion(1)] })).status;
assert.ok(published !== undefined);
const other = { ...layerPackage, digest: `sha256:${sha256("other")}` };
const resolvedOther = { type: "resolved", sourceHash: "other", package: other } as const;

/** A Layer with version 1, whose spec has changed since. */
function updated(changes: Partial<LayerSeen>): LayerSeen {
  return layerSeen({ object: layerObject({}, published), versions: [keptVersion(1)], ...changes });
}

interface Want {
  readonly outcome: string;
  /** `status reason` by type; none: no status is written. */
  readonly conditions?: Readonly<Record<string, string>>;
  /** Of Ready. */
  readonly message?: string;
  readonly events?: readonly string[];
  readonly latestVersion?: number | undefined;
  /** Name of the ControllerRevision that is created. */
  readonly creates?: string;
}

const unreachable = { reason: "SourceUnreachable", message: "Cannot fetch" } as const;
const cases: Record<string, { seen: LayerSeen; want: Want }> = {
  "waits while its content is resolved for the first time": {
    seen: layerSeen({ content: { type: "resolving" } }),
    want: {
      outcome: "waiting",
      conditions: {
        Ready: "False Resolving",
        Reconciling: "True Resolving",
        Stalled: "False Resolving",
        ContentResolved: "False Resolving",
      },
      events: [],
      latestVersion: undefined,
    },
  },
  "waits for a number": {
    seen: layerSeen({ number: { type: "taking" } }),
    want: {
      outcome: "waiting",
      conditions: { Ready: "False Publishing", ContentResolved: "True Resolved" },
      events: [],
    },
  },
  "says why there is no number": {
    seen: layerSeen({ number: { type: "failed", message: "Cannot take", retryAfterMs: 1000 } }),
    want: {
      outcome: "waiting",
      conditions: { Ready: "False NumberUnavailable", Reconciling: "True NumberUnavailable" },
      message: "Cannot take",
      events: ["Warning NumberUnavailable"],
    },
  },
  "keeps its version under the number before it says a word of it": {
    seen: layerSeen({ number: { type: "taken", number: 3 } }),
    want: { outcome: "waiting", creates: "tools-layer-3" },
  },
  "is ready once its version is kept": {
    seen: layerSeen({ versions: [keptVersion(1)] }),
    want: {
      outcome: "done",
      conditions: {
        Ready: "True Available",
        Reconciling: "False Available",
        Stalled: "False Available",
        ContentResolved: "True Resolved",
      },
      message: "Version 1 is published",
      events: ["Normal Published"],
      latestVersion: 1,
    },
  },
  "has the highest number as its newest, whatever the order": {
    seen: layerSeen({ versions: [keptVersion(10), keptVersion(9, other)] }),
    want: { outcome: "done", latestVersion: 10, events: ["Normal Published", "Normal Published"] },
  },
  "publishes again what it had before the newest": {
    seen: layerSeen({ versions: [keptVersion(1), keptVersion(2, other)], number: { type: "taken", number: 3 } }),
    want: { outcome: "waiting", creates: "tools-layer-3" },
  },
  "keeps its newest version while new content is resolved": {
    seen: updated({ content: { type: "resolving" } }),
    want: {
      outcome: "waiting",
      conditions: { Ready: "Unknown Resolving" },
      message: "The content is being fetched and checked; version 1 stays the newest",
      latestVersion: 1,
    },
  },
  "keeps its newest version when new content is refused": {
    seen: updated({ content: { type: "refused", reason: "InvalidArchive", message: "Cannot read" } }),
    want: {
      outcome: "stalled",
      conditions: {
        Ready: "False UpdateFailed",
        Stalled: "True InvalidArchive",
        ContentResolved: "False InvalidArchive",
      },
      message: "Cannot read; version 1 stays the newest",
      events: ["Warning InvalidArchive"],
      latestVersion: 1,
    },
  },
  "fails when its first content is refused": {
    seen: layerSeen({ content: { type: "refused", reason: "CodeTooLarge", message: "Cannot take" } }),
    want: { outcome: "stalled", conditions: { Ready: "False CodeTooLarge", Stalled: "True CodeTooLarge" } },
  },
  "tries an unreachable source again, and says so": {
    seen: layerSeen({ content: { type: "retrying", ...unreachable, retryAfterMs: 2000 } }),
    want: {
      outcome: "waiting",
      conditions: { Ready: "False SourceUnreachable", Reconciling: "True SourceUnreachable" },
      events: ["Warning SourceUnreachable"],
    },
  },
  "leaves a name to the older Layer that has it": {
    seen: layerSeen({ nameHolder: "first", content: { type: "resolving" } }),
    want: {
      outcome: "stalled",
      conditions: { Ready: "False NameTaken", ContentResolved: "Unknown NameTaken" },
      message: 'Cannot be layer "tools": Layer "first" is older and has that name; set another spec.name',
    },
  },
};

describe("decideLayer", () => {
  for (const [sentence, { seen, want }] of Object.entries(cases)) {
    it(sentence, () => {
      const { outcome, status, events, create } = decideLayer(seen);
      assert.equal(outcome, want.outcome);
      assert.deepEqual(
        create.map(({ metadata }) => metadata.name),
        want.creates === undefined ? [] : [want.creates],
      );
      assert.equal(status === undefined, want.creates !== undefined);
      const told = new Map((status?.conditions ?? []).map((condition) => [condition.type, condition]));
      for (const [type, text] of Object.entries(want.conditions ?? {}))
        assert.equal(`${told.get(type)?.status ?? ""} ${told.get(type)?.reason ?? ""}`, text, type);
      if (want.message !== undefined) assert.equal(told.get("Ready")?.message, want.message);
      if (want.events !== undefined)
        assert.deepEqual(
          events.map(({ type, reason }) => `${type} ${reason}`),
          want.events,
        );
      if ("latestVersion" in want) assert.equal(status?.latestVersion, want.latestVersion);
    });
  }

  it("says the same a second time without a word more: no event, no moved time", () => {
    const again = decideLayer(updated({ now: "2027-01-01T00:00:00Z" }));
    assert.deepEqual(again.status, published);
    assert.deepEqual(again.events, []);
  });

  describe("back from a backup", () => {
    const bare = layerObject();
    const annotations = { "kubelambda.dev/published-version": "2" };
    const object = { ...bare, metadata: { ...bare.metadata, annotations } };
    const young = "2026-01-01T00:00:10Z";

    it("waits a minute for its newest version and publishes nothing", () => {
      const seen = layerSeen({ object, content: resolvedOther, versions: [keptVersion(1)], now: young });
      const { status, recheckAfterMs, create } = decideLayer(seen);
      const ready = status?.conditions?.find(({ type }) => type === "Ready");
      assert.deepEqual([ready?.reason, recheckAfterMs, create], ["RestoreAwaited", 50_000, []]);
      assert.equal(decideUnpublished(seen), undefined);
      const told = { ...object, ...(status !== undefined && { status }) };
      assert.equal(decideUnpublished({ ...seen, object: told }), undefined);
      assert.notEqual(decideUnpublished({ ...seen, object: told, now: "2026-01-01T00:01:00Z" }), undefined);
    });

    it("waits for nothing that went while it was here", () => {
      const here = { ...object, status: published };
      assert.notEqual(decideUnpublished(updated({ object: here, content: resolvedOther, now: young })), undefined);
    });

    it("becomes the owner of its versions", () => {
      const kept = keptVersion(2);
      const { ownerReferences: _owners, ...metadata } = kept.metadata;
      const orphan = { ...kept, metadata };
      const { adopt, annotate } = decideLayer(layerSeen({ object, versions: [orphan] }));
      const owner = ownedBy(object);
      assert.deepEqual(adopt, [{ object: orphan, owner, labels: { "kubelambda.dev/layer-uid": "uid-1" } }]);
      assert.deepEqual(annotate, {});
      assert.deepEqual(decideLayer(layerSeen({ object, versions: [orphan], nameHolder: "x" })).adopt, []);
    });
  });

  it("makes nothing for a Layer that is being deleted", () => {
    const object = layerObject();
    const going = { ...object, metadata: { ...object.metadata, deletionTimestamp: "2026-01-02T00:00:00Z" } };
    const plan = decideLayer(layerSeen({ object: going, number: { type: "taken", number: 1 } }));
    assert.deepEqual([plan.create, plan.status], [[], undefined]);
    assert.equal(decideUnpublished(layerSeen({ object: going })), undefined);
  });

  const changes: Record<string, { seen: Partial<LayerSeen>; isNew: boolean }> = {
    "other content": { seen: { content: resolvedOther }, isNew: true },
    "another description": { seen: { object: layerObject({ description: "x" }) }, isNew: true },
    "another license": { seen: { object: layerObject({ licenseInfo: "MIT" }) }, isNew: true },
    "other runtimes": { seen: { object: layerObject({ compatibleRuntimes: ["a"] }) }, isNew: true },
    "other architectures": { seen: { object: layerObject({ compatibleArchitectures: ["arm64"] }) }, isNew: true },
    "other namespaces that may use it": { seen: { object: layerObject({ allowedNamespaces: ["x"] }) }, isNew: false },
    "another source of the same content": {
      seen: { content: { type: "resolved", sourceHash: "elsewhere", package: layerPackage } },
      isNew: false,
    },
  };
  for (const [what, { seen, isNew }] of Object.entries(changes)) {
    it(`${isNew ? "publishes" : "publishes nothing for"} ${what}`, () => {
      assert.equal(decideUnpublished(updated(seen)) !== undefined, isNew);
    });
  }

  it("publishes nothing when runtimes stand in another order", () => {
    const runtimes = (...compatibleRuntimes: string[]) => layerObject({ compatibleRuntimes });
    const number = { type: "taken", number: 1 } as const;
    const [made] = decideLayer(layerSeen({ object: runtimes("b", "a"), number })).create;
    const kept = { ...keptVersion(1), data: (made as ReturnType<typeof keptVersion>).data };
    assert.equal(decideUnpublished(layerSeen({ object: runtimes("a", "b"), versions: [kept] })), undefined);
  });

  it("keeps within a status what 1,000 versions with long names of extensions would not", () => {
    const extensions = Array.from({ length: 64 }, (_, i) => `${"x".repeat(200)}${i}`);
    const versions = Array.from({ length: 1100 }, (_, i) => keptVersion(i + 1, { extensions }));
    const { status } = decideLayer(layerSeen({ versions, content: { type: "resolving" } }));
    const shown = (status?.versions ?? []).map(({ version }) => version);
    assert.ok(JSON.stringify(status).length < 600_000);
    assert.ok(shown.length > 30);
    assert.deepEqual(
      shown,
      Array.from({ length: shown.length }, (_, i) => 1100 - shown.length + 1 + i),
    );
  });

  it("keeps versions of long names apart", () => {
    const named = (name: string) => ({ ...layerObject(), metadata: { ...layerObject().metadata, name } });
    const names = ["a", "b"].map((end) => `${"x".repeat(250)}${end}`);
    const made = names.map((name) => layerVersionObject(named(name), keptVersion(1000).data, sha256).metadata.name);
    assert.notEqual(made[0], made[1]);
    assert.ok(made.every((name) => name.length <= 253));
  });
});
