import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { VERSION_FINALIZER } from "../../../crds/names.ts";
import { ownedBy } from "../../../lib/kubernetes/object.ts";
import { functionObject } from "../../../test/kit/function-seen.ts";
import {
  aliasObject,
  candidate,
  keptSnapshot,
  snapshot,
  versionObject,
  versionSeen,
} from "../../../test/kit/version-seen.ts";
import { decideVersion, type VersionSeen } from "./decide.ts";
import type { SnapshotObject } from "./snapshot.ts";

const going = { deletionTimestamp: "2026-02-03T00:00:00Z", finalizers: [VERSION_FINALIZER] };

function publishedSeen(changes: Partial<VersionSeen> = {}, object = versionObject("v")): VersionSeen {
  return versionSeen({
    object,
    own: keptSnapshot(object, snapshot(3, candidate(), "v")),
    revisionID: "rev",
    ...changes,
  });
}

function conditionsOf(seen: VersionSeen): Record<string, string> {
  const conditions = decideVersion(seen).status?.conditions ?? [];
  return Object.fromEntries(conditions.map(({ type, status, reason }) => [type, `${status} ${reason}`]));
}

describe("decideVersion", () => {
  it("keeps a snapshot under the number that was taken, behind a finalizer, before it says anything", () => {
    const plan = decideVersion(versionSeen({ number: { type: "taken", number: 3 } }));
    const [kept] = plan.create as readonly SnapshotObject[];
    assert.equal(plan.status, undefined);
    assert.deepEqual(plan.finalizers, { add: [VERSION_FINALIZER] });
    assert.deepEqual([kept?.metadata.name, kept?.revision, kept?.data.version], ["v-version", 3, 3]);
    assert.deepEqual(kept?.metadata.labels, { "kubelambda.dev/version": "3" });
    assert.equal(kept.data.recipe.document.version, "3");
  });

  it("keeps a copy of the version that it stands for", () => {
    const plan = decideVersion(versionSeen({ snapshots: [snapshot(3, candidate(), "first")] }));
    const [kept] = plan.create as readonly SnapshotObject[];
    assert.deepEqual(kept?.data, snapshot(3, candidate(), "first"));
  });

  it("says what is published: number, digests, qualified ARN", () => {
    const { status, outcome, events } = decideVersion(publishedSeen());
    assert.equal(outcome, "done");
    assert.equal(status?.functionARN?.endsWith(":function:hello:3"), true);
    assert.deepEqual([status.version, status.snapshot, status.revisionID, status.timeout], [3, "v-version", "rev", 3]);
    assert.deepEqual(
      events.map(({ type, reason }) => `${type} ${reason}`),
      ["Normal Published"],
    );
  });

  const restored = versionObject("v", {}, { annotations: { "kubelambda.dev/published-version": "3" } });
  const readiness: Record<string, { seen: VersionSeen; ready: string; stalled: string }> = {
    "ready when published": { seen: publishedSeen(), ready: "True Published", stalled: "False Published" },
    "ready for the version that is there": {
      seen: publishedSeen({}, versionObject("other")),
      ready: "True Unchanged",
      stalled: "False Published",
    },
    "kept without its function": {
      seen: publishedSeen({ function: undefined, current: undefined }),
      ready: "False FunctionNotFound",
      stalled: "False FunctionNotFound",
    },
    "under way while its number is taken": {
      seen: versionSeen({ number: { type: "taking" } }),
      ready: "False Publishing",
      stalled: "False Publishing",
    },
    "under way while the ledger cannot be read": {
      seen: versionSeen({ number: { type: "failed", message: "no", retryAfterMs: 5 } }),
      ready: "False NumberUnavailable",
      stalled: "False NumberUnavailable",
    },
    "stalled when the ledger gave its number to another": {
      seen: versionSeen({ object: versionObject("v", { version: 3 }), number: { type: "refused" } }),
      ready: "False NumberTaken",
      stalled: "True NumberTaken",
    },
    "stalled when its snapshot was deleted, and not published anew": {
      seen: versionSeen({ object: versionObject("v", {}, { status: { version: 3 } }) }),
      ready: "False SnapshotLost",
      stalled: "True SnapshotLost",
    },
    "under way while its snapshot may still come back from a backup": {
      seen: versionSeen({ object: restored, now: "2026-01-02T00:00:59Z" }),
      ready: "False RestoreAwaited",
      stalled: "False RestoreAwaited",
    },
    "stalled when its snapshot has not come back": {
      seen: versionSeen({ object: restored, now: "2026-01-02T00:01:00Z" }),
      ready: "False SnapshotLost",
      stalled: "True SnapshotLost",
    },
  };
  for (const [title, { seen, ready, stalled }] of Object.entries(readiness)) {
    it(`is ${title}`, () => {
      const conditions = conditionsOf(seen);
      assert.deepEqual([conditions["Ready"], conditions["Stalled"]], [ready, stalled]);
    });
  }

  it("becomes the owner of a snapshot that has none, and touches none that has one", () => {
    const object = versionObject("v");
    const own = keptSnapshot(object, snapshot(3));
    const { ownerReferences: _owners, ...metadata } = own.metadata;
    const orphan = { ...own, metadata };
    assert.deepEqual(decideVersion(publishedSeen({ own: orphan })).adopt, [{ object: orphan, owner: ownedBy(object) }]);
    assert.deepEqual(decideVersion(publishedSeen()).adopt, []);
  });

  describe("that shall keep environments ready", () => {
    const wants = (provisionedConcurrentExecutions: number) => ({
      provisionedConcurrencyConfig: { provisionedConcurrentExecutions },
    });
    const shares = [{ qualifier: "3", functionVersion: "3", requested: 2, allocated: 2, available: 2 }];
    const holder = versionObject("first", wants(2), {
      status: { version: 3 },
      creationTimestamp: "2026-01-01T00:00:00Z",
    });
    const younger = (wanted: number) =>
      decideVersion(
        publishedSeen(
          { granted: { provisioned: shares }, siblings: [holder] },
          versionObject("second", wants(wanted), { status: { version: 3 } }),
        ),
      );

    it("has failed where an older Version of the number asks for another number of them, and names that", () => {
      const { status } = younger(5);
      assert.equal(status?.provisionedStatus, "FAILED");
      assert.deepEqual([status.provisionedRequested, status.provisionedAllocated], [5, 0]);
      assert.match(
        String(status.provisionedStatusReason),
        /Version "first" stands for it too, is older and asks for 2/,
      );
      const conditions = Object.fromEntries(status.conditions?.map((one) => [one.type, one]) ?? []);
      assert.equal(conditions["ProvisionedConcurrencyReady"]?.reason, "ConcurrencyRefused");
      assert.equal(conditions["Stalled"]?.status, "True");
      assert.equal(conditions["Ready"]?.status, "False");
    });

    it("has what an older Version of the number has where both ask for the same", () => {
      assert.equal(younger(2).status?.provisionedStatus, "READY");
    });

    it("says why it stands for no version instead of being on its way for ever", () => {
      const object = versionObject("v", { version: 3, ...wants(2) });
      const { status } = decideVersion(versionSeen({ object, number: { type: "refused" } }));
      assert.equal(status?.provisionedStatus, "FAILED");
      assert.match(String(status.provisionedStatusReason), /^Cannot publish as version 3: that number was given to/);
    });
  });

  it("has the same status when it is looked at again, and then no event", () => {
    const first = decideVersion(publishedSeen());
    assert.ok(first.status !== undefined);
    const again = decideVersion(publishedSeen({}, versionObject("v", {}, { status: first.status })));
    assert.deepEqual([again.status, again.events], [first.status, []]);
  });

  it("says which fields do nothing", () => {
    const spec = { functionEventInvokeConfig: { maximumRetryAttempts: 1 } };
    assert.equal(conditionsOf(publishedSeen({}, versionObject("v", spec)))["FieldsIgnored"], "True FieldsIgnored");
  });

  describe("deleted", () => {
    const object = versionObject("v", {}, { ...going, status: { version: 3 } });
    const deleted = (changes: Partial<VersionSeen>) => {
      const siblings = [object, ...(changes.siblings ?? [])];
      return decideVersion(publishedSeen({ ...changes, siblings }, object));
    };
    const standIn = versionObject("w", {}, { status: { version: 3 } });
    const newer = versionObject("w", {}, { status: { version: 4 } });
    const cases: Record<string, { seen: Partial<VersionSeen>; holders: string }> = {
      "goes when nothing needs it": { seen: {}, holders: "" },
      "stays for an alias that names its number": {
        seen: { aliases: [aliasObject("live", { functionVersion: "3" })] },
        holders: "live",
      },
      "versions-aliases 14: stays where it is only the additional version": {
        seen: {
          siblings: [newer],
          aliases: [
            aliasObject("live", { functionVersion: "4", routingConfig: { additionalVersionWeights: { "3": 0.1 } } }),
          ],
        },
        holders: "live",
      },
      "stays for an alias that names its object": {
        seen: { siblings: [standIn], aliases: [aliasObject("live", { functionVersion: "v" })] },
        holders: "live",
      },
      "stays for one that follows the newest where there is no other": {
        seen: { aliases: [aliasObject("live")] },
        holders: "live",
      },
      "goes where that has another to follow": {
        seen: { siblings: [newer], aliases: [aliasObject("live")] },
        holders: "",
      },
      "stays for an alias that waits for another version": {
        seen: {
          siblings: [newer],
          aliases: [aliasObject("live", { functionVersion: "9" }, { status: { functionVersion: "3" } })],
        },
        holders: "live",
      },
      "goes where another Version stands for its number": {
        seen: { siblings: [standIn], aliases: [aliasObject("live", { functionVersion: "3" })] },
        holders: "",
      },
      "goes with aliases that go too": {
        seen: { aliases: [aliasObject("live", { functionVersion: "3" }, going)] },
        holders: "",
      },
      "goes without its function": {
        seen: { function: undefined, aliases: [aliasObject("live", { functionVersion: "3" })] },
        holders: "",
      },
      "goes with its function": {
        seen: {
          function: { ...functionObject(), metadata: { ...functionObject().metadata, ...going } },
          aliases: [aliasObject("live", { functionVersion: "3" })],
        },
        holders: "",
      },
      "names all that hold it": {
        seen: { aliases: [aliasObject("b", { functionVersion: "3" }), aliasObject("a", { functionVersion: "3" })] },
        holders: "a, b",
      },
    };
    for (const [title, { seen, holders }] of Object.entries(cases)) {
      it(title, () => {
        const plan = deleted(seen);
        if (holders === "") {
          assert.deepEqual(plan.finalizers, { remove: [VERSION_FINALIZER] });
          assert.deepEqual(
            plan.remove.map(({ name }) => name),
            ["v-version"],
          );
          return;
        }
        const ready = plan.status?.conditions?.find(({ type }) => type === "Ready");
        const text = `Unable to delete version because the following aliases reference it: [${holders}]`;
        assert.deepEqual([ready?.reason, ready?.message], ["HeldByAlias", text]);
        assert.deepEqual([plan.remove, plan.finalizers], [[], undefined]);
        assert.equal(plan.status?.version, 3);
      });
    }

    it("goes at once when it was never published", () => {
      const plan = decideVersion(versionSeen({ object: versionObject("v", {}, going) }));
      assert.deepEqual([plan.finalizers, plan.remove, plan.create], [{ remove: [VERSION_FINALIZER] }, [], []]);
    });
  });
});
