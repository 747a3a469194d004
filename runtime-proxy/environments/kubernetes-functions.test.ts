import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "mocha";
import { API_VERSION } from "../../crds/names.ts";
import { aliasKind, type AliasObject } from "../../crds/v1alpha1/alias.ts";
import { functionKind, type FunctionObject } from "../../crds/v1alpha1/function.ts";
import { versionKind, type VersionObject } from "../../crds/v1alpha1/version.ts";
import { ObjectCache } from "../../lib/kubernetes/object-cache.ts";
import type { KubernetesObject } from "../../lib/kubernetes/object.ts";
import { ObjectStore } from "../../local/object-store.ts";
import { ManualClock } from "../../test/kit/manual-clock.ts";
import { KubernetesFunctions, withoutContent } from "./kubernetes-functions.ts";
import { partIndexes } from "./kubernetes-versions.ts";

describe("KubernetesFunctions", () => {
  let store: ObjectStore;
  let functionCache: ObjectCache<FunctionObject>;
  let versions: ObjectCache<VersionObject>;
  let aliases: ObjectCache<AliasObject>;
  let directory: KubernetesFunctions;
  let uid: string;
  beforeEach(async () => {
    store = new ObjectStore({ kinds: [functionKind, versionKind, aliasKind], nowMs: () => 0, raw: {} });
    const watched = { client: store, clock: new ManualClock() };
    functionCache = new ObjectCache<FunctionObject>({ ...watched, kind: functionKind, transform: withoutContent });
    versions = new ObjectCache<VersionObject>({ ...watched, kind: versionKind, indexes: partIndexes });
    aliases = new ObjectCache<AliasObject>({ ...watched, kind: aliasKind, indexes: partIndexes });
    directory = new KubernetesFunctions(functionCache, { versions, aliases }, "us-east-1");
    const caches = [functionCache, versions, aliases];
    for (const cache of caches) cache.start();
    await Promise.all(caches.map((cache) => cache.synced()));
    const seen = nextChange(functionCache);
    uid = (await create("Function", "f", { timeout: 3, name: "F" })).metadata.uid ?? "";
    await seen;
  });
  afterEach(async () => {
    for (const cache of [functionCache, versions, aliases]) await cache.stop();
  });

  async function create(kind: string, name: string, spec: object): Promise<KubernetesObject> {
    return await store.create({ apiVersion: API_VERSION, kind, metadata: { name, namespace: "default" }, spec });
  }

  /** Resolves in the very turn in which the cache tells of a change. */
  async function nextChange<T extends KubernetesObject>(cache: ObjectCache<T>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const end = cache.onChange(() => resolve(undefined));
    await promise;
    end();
  }

  async function publish(name: string, version: number): Promise<void> {
    await create("Version", name, { functionName: "F" });
    const ref = { kind: versionKind, name, namespace: "default" };
    const seen = new Promise<void>((resolve) => {
      const end = versions.onChange(({ object }) => {
        if (object.metadata.name !== name || object.status?.version === undefined) return;
        end();
        resolve();
      });
    });
    const status = { version, revisionID: `v${version}`, timeout: version * 10 };
    await store.patch(ref, { status }, { subresource: "status" });
    await seen;
  }

  it("keeps neither code nor variables", async () => {
    const seen = nextChange(functionCache);
    const code = { files: { "index.mjs": "x".repeat(1000) } };
    await create("Function", "g", { code, environment: { variables: { SECRET: "x" } }, timeout: 9 });
    await seen;
    assert.deepEqual(functionCache.get("default/g")?.spec, { timeout: 9, code: {} });
    assert.equal(directory.find("default", "g")?.timeoutSeconds, 9);
  });

  it("knows a version by its number, with its own time limit and revision", async () => {
    await publish("one", 1);
    const facts = directory.findVersion(uid, "1");
    assert.deepEqual(
      [facts?.version, facts?.revisionID, facts?.timeoutSeconds, facts?.uid, facts?.state],
      ["1", "v1", 10, uid, "Active"],
    );
    assert.equal(directory.findVersion(uid, "2"), undefined);
    assert.equal(directory.findVersion(uid, "$LATEST")?.timeoutSeconds, 3);
    assert.deepEqual(
      directory.versionsOf(uid).map(({ version }) => version),
      ["$LATEST", "1"],
    );
  });

  it("has nothing of $LATEST's environments take a version's calls", async () => {
    await publish("one", 1);
    const seen = nextChange(functionCache);
    const ref = { kind: functionKind, name: "f", namespace: "default" };
    await store.patch(ref, { status: { revisionID: "r1", configurationID: "k1" } }, { subresource: "status" });
    await seen;
    assert.equal(directory.findVersion(uid, "$LATEST")?.configurationID, "k1");
    assert.equal(directory.findVersion(uid, "1")?.configurationID, undefined);
  });

  it("follows an alias in the very turn of the watch event, and tells its listeners then", async () => {
    await publish("one", 1);
    await publish("two", 2);
    const told: string[] = [];
    directory.onChange((changed) => told.push(changed));
    told.length = 0;
    const routes: (string | undefined)[] = [];
    aliases.onChange(() => routes.push(directory.findAlias(uid, "live")?.functionVersion));
    const steps = [
      () => create("Alias", "live", { functionRef: { from: { name: "f" } }, functionVersion: "1" }),
      () => store.patch(ref, { spec: { functionVersion: "2" } }),
      () => store.delete(ref),
    ];
    const ref = { kind: aliasKind, name: "live", namespace: "default" };
    for (const step of steps) {
      const seen = nextChange(aliases);
      await step();
      await seen;
    }
    assert.deepEqual(routes, ["1", "2", undefined]);
    assert.deepEqual(told, [uid, uid, uid]);
  });

  it("has nothing of another function's, nor of another account's or region's ARN", async () => {
    const seen = nextChange(aliases);
    await create("Alias", "other", {
      functionName: "arn:aws:lambda:eu-west-1:123456789012:function:F",
      functionVersion: "$LATEST",
    });
    await seen;
    assert.equal(directory.findAlias(uid, "other"), undefined);
  });
});
