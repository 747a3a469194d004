import assert from "node:assert/strict";
import { describe, it } from "mocha";
import type { FunctionSpecInput } from "../../../crds/v1alpha1/function.ts";
import { ownedBy } from "../../../lib/kubernetes/object.ts";
import { functionObject, sha256 } from "../../../test/kit/function-seen.ts";
import { aliasObject, candidate, snapshot, versionObject } from "../../../test/kit/version-seen.ts";
import { decidePublishing, type PublishSeen } from "./decide.ts";

const owner = { ownerReferences: [ownedBy(functionObject())] };
const other = candidate(functionObject({ memorySize: 256 }));

function publishSeen(spec: Partial<FunctionSpecInput>, changes: Partial<PublishSeen> = {}): PublishSeen {
  return {
    object: functionObject(spec),
    current: candidate(),
    snapshots: [],
    versions: [],
    aliases: [],
    isShadowed: false,
    hash: sha256,
    now: "2026-02-03T04:05:06.789Z",
    ...changes,
  };
}

/** Versions that the operator made. */
function made(...numbers: readonly number[]) {
  return numbers.map((version) => versionObject(`v${version}`, {}, { ...owner, status: { version } }));
}

/** Version "claim", a user's, that has its number. */
function claim(version: number) {
  return versionObject("claim", { version }, { status: { version } });
}

function kindsOf(seen: PublishSeen): readonly string[] {
  return decidePublishing(seen).create.map(({ kind }) => kind);
}

function removed(seen: PublishSeen): readonly string[] {
  return decidePublishing(seen).remove.map(({ name }) => name);
}

describe("decidePublishing", () => {
  const created: Record<string, { seen: PublishSeen; want: readonly string[] }> = {
    "nothing unasked": { seen: publishSeen({}), want: [] },
    "a version": { seen: publishSeen({ publish: true }), want: ["Version"] },
    "a version and an alias": { seen: publishSeen({ autoPublishAlias: "live" }), want: ["Version", "Alias"] },
    "a version after a change": {
      seen: publishSeen({ publish: true }, { snapshots: [snapshot(1, other)] }),
      want: ["Version"],
    },
    "none when nothing has changed": { seen: publishSeen({ publish: true }, { snapshots: [snapshot(1)] }), want: [] },
    "none while $LATEST does not run": { seen: publishSeen({ publish: true }, { current: undefined }), want: [] },
    "none while one of ours waits": {
      seen: publishSeen({ publish: true }, { versions: [versionObject("w", {}, owner)] }),
      want: [],
    },
    "one beside a user's that waits": {
      seen: publishSeen({ publish: true }, { versions: [versionObject("w", { codeSHA256: "eA==" })] }),
      want: ["Version"],
    },
    "no alias where a user has one of that name": {
      seen: publishSeen(
        { autoPublishAlias: "live" },
        { snapshots: [snapshot(1)], aliases: [aliasObject("mine", { name: "live" })] },
      ),
      want: [],
    },
    "nothing for a Function whose name another has": {
      seen: publishSeen({ publish: true }, { isShadowed: true }),
      want: [],
    },
  };
  for (const [title, { seen, want }] of Object.entries(created)) {
    it(`makes ${title}`, () => {
      assert.deepEqual(kindsOf(seen), want);
    });
  }

  it("takes back what a backup brought without owner, and publishes nothing for a minute while its newest version is not there", () => {
    const bare = functionObject({ autoPublishAlias: "live" });
    const annotations = { "kubelambda.dev/published-version": "2" };
    const object = { ...bare, metadata: { ...bare.metadata, annotations } };
    const publisher = { annotations: { "kubelambda.dev/publisher": "hello" } };
    const versions = [versionObject("v1", {}, publisher), versionObject("users")];
    const aliases = [aliasObject("a", { name: "live" }, publisher)];
    const created = Date.parse(object.metadata.creationTimestamp);
    const at = (ms: number): string => new Date(created + ms).toISOString();
    const seen = publishSeen({}, { object, versions, aliases, snapshots: [snapshot(1, other)], now: at(10_000) });
    const plan = decidePublishing(seen);
    assert.deepEqual(
      plan.adopt?.map(({ object: child }) => child.metadata.name),
      ["v1", "a"],
    );
    assert.deepEqual([plan.create, plan.recheckAfterMs], [[], 50_000]);
    const published = [versionObject("v1", {}, { ...publisher, status: { version: 1 } })];
    assert.deepEqual(kindsOf({ ...seen, versions: published, now: at(60_000) }), ["Version"]);
    assert.deepEqual(decidePublishing({ ...seen, snapshots: [snapshot(2)] }).create, []);
  });

  it("gives its alias up for one of that name that a user made, whichever came first", () => {
    const aliases = [aliasObject("ours", { name: "live" }, owner), aliasObject("users", { name: "live" })];
    const seen = publishSeen({ autoPublishAlias: "live" }, { aliases, snapshots: [snapshot(1)] });
    assert.deepEqual([removed(seen), kindsOf(seen)], [["ours"], []]);
  });

  it("names a version by what it publishes and what came before, so that twice is once and a return is new", () => {
    const nameOf = (changes: Partial<PublishSeen>): string | undefined =>
      decidePublishing(publishSeen({ publish: true }, changes)).create[0]?.metadata.name;
    assert.equal(nameOf({}), nameOf({}));
    const names = [nameOf({}), nameOf({ current: other }), nameOf({ snapshots: [snapshot(2, other)] })];
    assert.equal(new Set(names).size, 3);
    for (const name of names) assert.match(name ?? "", /^hello-[0-9a-f]{10}$/);
  });

  it("gives children an owner, the reference to the object and its name, and none of its labels and annotations", () => {
    const { create } = decidePublishing(publishSeen({ autoPublishAlias: "Live_1" }));
    for (const { metadata, spec } of create) {
      const { finalizers: _kept, ...others } = metadata;
      assert.deepEqual(Object.keys(others).sort(), ["annotations", "name", "namespace", "ownerReferences"]);
      assert.deepEqual(metadata.annotations, { "kubelambda.dev/publisher": "hello" });
      assert.match(metadata.name, /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/);
      assert.deepEqual((spec as { functionRef: unknown }).functionRef, { from: { name: "hello" } });
    }
  });

  it("gives two aliases whose names differ in case objects of their own", () => {
    const names = ["live", "Live", "LIVE", "_", "-"].map(
      (name) => decidePublishing(publishSeen({ autoPublishAlias: name })).create[1]?.metadata.name,
    );
    assert.equal(new Set(names).size, names.length);
    for (const name of names) assert.match(name ?? "", /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/);
  });

  const drops: Record<string, { seen: PublishSeen; want: readonly string[] }> = {
    "what is older than the history": {
      seen: publishSeen({ publish: true, revisionHistoryLimit: 1 }, { versions: made(1, 2, 3, 4) }),
      want: ["v2", "v1"],
    },
    "never the newest": {
      seen: publishSeen({ publish: true, revisionHistoryLimit: 0 }, { versions: made(4, 3) }),
      want: ["v3"],
    },
    "nothing that an alias needs, by number, weight, object or for want of another": {
      seen: publishSeen(
        { publish: true, revisionHistoryLimit: 0 },
        {
          versions: made(1, 2, 3, 4, 5, 6),
          aliases: [
            aliasObject("a", { functionVersion: "1", routingConfig: { additionalVersionWeights: { "2": 0.5 } } }),
            aliasObject("b", { functionVersion: "v3" }),
            aliasObject("c", { functionVersion: "9" }, { status: { functionVersion: "4" } }),
          ],
        },
      ),
      want: ["v5"],
    },
    "nothing that a user made": {
      seen: publishSeen(
        { publish: true, revisionHistoryLimit: 0 },
        { versions: [versionObject("u", {}, { status: { version: 1 } }), ...made(2)] },
      ),
      want: [],
    },
    "what a user's claim has the number of, also the newest": {
      seen: publishSeen({ publish: true }, { versions: [...made(1), claim(1)], snapshots: [snapshot(1)] }),
      want: ["v1"],
    },
    "what is the same as a later number that a user claimed, and nothing else": {
      seen: publishSeen(
        { publish: true },
        {
          versions: [...made(1, 2, 3, 6), claim(5)],
          snapshots: [snapshot(1), snapshot(2, other), snapshot(3), snapshot(5), snapshot(6)],
          aliases: [aliasObject("a", { functionVersion: "3" })],
        },
      ),
      want: ["v1"],
    },
    "nothing for a user's Version that claims no number": {
      seen: publishSeen(
        { publish: true },
        {
          versions: [...made(1), versionObject("u", {}, { status: { version: 1 } })],
          snapshots: [snapshot(1)],
        },
      ),
      want: [],
    },
    "nothing twice": {
      seen: publishSeen(
        { publish: true, revisionHistoryLimit: 0 },
        {
          versions: [
            versionObject("v1", {}, { ...owner, status: { version: 1 }, deletionTimestamp: "2026-02-01T00:00:00Z" }),
            ...made(2),
          ],
        },
      ),
      want: [],
    },
    "its alias when that is no longer asked for, and no user's": {
      seen: publishSeen({ autoPublishAlias: "new" }, { aliases: [aliasObject("old", {}, owner), aliasObject("mine")] }),
      want: ["old"],
    },
  };
  for (const [title, { seen, want }] of Object.entries(drops)) {
    it(`drops ${title}`, () => {
      assert.deepEqual(removed(seen), want);
    });
  }

  it("does nothing for a Function that goes", () => {
    const object = functionObject({ publish: true });
    const metadata = { ...object.metadata, deletionTimestamp: "2026-02-01T00:00:00Z" };
    const plan = decidePublishing(publishSeen({}, { object: { ...object, metadata }, versions: made(1, 2) }));
    assert.deepEqual([plan.create, plan.remove], [[], []]);
  });
});
