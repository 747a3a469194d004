/** Aliases, and functions that publish by themselves, on the whole operator against a real API server. */
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "mocha";
import { accountIdOf, functionArn } from "../../crds/names.ts";
import { kinds } from "../../lib/kubernetes/kinds.ts";
import type { KubernetesObject } from "../../lib/kubernetes/object.ts";
import { OperatorWorld } from "../kit/operator-world.ts";
import { code, messageOf, VersionSpace } from "../kit/version-space.ts";

describe("aliases on a real API server", function () {
  this.timeout(180_000);
  let world: OperatorWorld;
  let space: VersionSpace;

  before(async () => {
    world = await OperatorWorld.start();
    await world.startOperator();
  });
  after(() => world.stop());
  beforeEach(async () => {
    space = await VersionSpace.open(world);
  });

  async function twoVersions(): Promise<void> {
    await space.function();
    await space.published("first");
    await space.change(code("two"));
    await space.published("second");
  }

  it("stands for a version by number or by object, or follows the newest, and says so", async () => {
    await twoVersions();
    await space.createAlias("number", { functionVersion: "1" });
    await space.createAlias("object", { functionVersion: "first" });
    await space.createAlias("newest");
    await space.createAlias("latest", { functionVersion: "$LATEST" });
    await space.createAlias("upper", { name: "Live_1", functionRef: { from: { name: "f" } }, functionVersion: "2" });
    const resolved = [];
    for (const name of ["number", "object", "newest", "latest", "upper"])
      resolved.push((await space.untilAlias(name)).status?.functionVersion);
    assert.deepEqual(resolved, ["1", "1", "2", "$LATEST", "2"]);
    const upper = await space.alias("upper");
    const accountId = accountIdOf(space.namespace);
    const arn = functionArn({ region: "us-east-1", accountId, name: "f", qualifier: "Live_1" });
    assert.equal(upper.status?.aliasARN, arn);
    assert.equal(messageOf(upper, "Ready"), "Calls go to version 2");
    await space.change(code("three"));
    await space.published("third");
    await world.until("it follows", async () =>
      (await space.alias("newest")).status?.functionVersion === "3" ? true : undefined,
    );
  });

  it("versions-aliases 16: waits for a version that is not there, goes on with the former one, and takes it when it comes", async () => {
    await space.createAlias("live", { functionVersion: "1" });
    await space.untilAlias("live", { type: "Ready", status: "False", reason: "FunctionNotFound" });
    await space.function();
    const waiting = await space.untilAlias("live", { type: "Ready", status: "False", reason: "VersionNotFound" });
    assert.match(messageOf(waiting, "Ready"), /^Function not found: arn:aws:lambda:.*:function:f:1; waiting for it/);
    await space.published("first");
    assert.equal((await space.untilAlias("live")).status?.functionVersion, "1");
    await space.patchAlias("live", { functionVersion: "2" });
    const kept = await space.untilAlias("live", { type: "Ready", status: "Unknown", reason: "VersionNotFound" });
    assert.match(messageOf(kept, "Ready"), /:f:2; waiting for it to be published; meanwhile: Calls go to version 1$/);
    assert.equal(kept.status?.functionVersion, "1");
    await space.change(code("two"));
    await space.published("second");
    assert.equal((await space.untilAlias("live")).status?.functionVersion, "2");
  });

  it("versions-aliases 23: shows weights, and no member of them when they are gone", async () => {
    await twoVersions();
    await space.createAlias("live", {
      functionVersion: "1",
      routingConfig: { additionalVersionWeights: { "2": 0.1 } },
    });
    const weighted = await space.untilAlias("live");
    assert.deepEqual(weighted.status?.routingConfig, { additionalVersionWeights: { "2": 0.1 } });
    assert.equal(messageOf(weighted, "VersionsResolved"), "Calls go to version 1, 10 % of the calls to version 2");
    await space.patchAlias("live", { routingConfig: { additionalVersionWeights: { "2": null } } });
    const plain = await space.untilAlias("live");
    assert.equal(plain.status?.routingConfig, undefined);
  });

  it("versions-aliases 26: does not split calls between versions of different roles, and leaves the former route", async () => {
    await space.function();
    await space.published("first");
    await space.change({ role: "arn:aws:iam::123456789012:role/other" });
    await space.published("second");
    await space.createAlias("live", { functionVersion: "1" });
    await space.untilAlias("live");
    await space.patchAlias("live", { routingConfig: { additionalVersionWeights: { "2": 0.5 } } });
    const refused = await space.untilAlias("live", { type: "Stalled", status: "True", reason: "RoutingRefused" });
    assert.match(messageOf(refused, "Stalled"), /^Versions 1 and 2 differ in role/);
    assert.equal(refused.status?.functionVersion, "1");
    assert.equal(refused.status.routingConfig, undefined);
  });

  it("versions-aliases 22: refuses a version twice, also where the newest becomes that", async () => {
    await twoVersions();
    await space.createAlias("live", { routingConfig: { additionalVersionWeights: { "2": 0.5 } } });
    const refused = await space.untilAlias("live", { type: "Stalled", status: "True", reason: "RoutingRefused" });
    const text = "Invalid function version 2. Function version 2 is already included in routing configuration.";
    assert.equal(messageOf(refused, "Ready"), text);
    await space.patchAlias("live", { functionVersion: "1" });
    await space.untilAlias("live");
  });

  it("lets the older of two have a name, and says which fields do nothing", async () => {
    await twoVersions();
    const config = { functionEventInvokeConfig: { maximumRetryAttempts: 1 } };
    for (const name of ["one", "other"])
      await space.createAlias(name, { name: "live", functionVersion: "2", ...config });
    // Of the same second the one with the smaller uid is the older.
    const taken = await world.until("one of them is refused", async () =>
      (await space.aliases()).find(({ status }) =>
        status?.conditions?.some(
          ({ type, status: value, reason }) => `${type} ${value} ${reason}` === "Stalled True NameTaken",
        ),
      ),
    );
    assert.match(messageOf(taken, "FieldsIgnored"), /^spec.functionEventInvokeConfig: /);
    const { name } = taken.metadata;
    assert.equal(taken.status?.functionVersion, undefined);
    await space.deleteAlias(name === "one" ? "other" : "one");
    assert.equal((await space.untilAlias(name)).status?.functionVersion, "2");
  });

  it("tells of each route by an event", async () => {
    await space.function();
    await space.published("first");
    await space.createAlias("live");
    const notes = await world.until("events", async () => {
      const { items } = await world.client.list<KubernetesObject & { reason: string; note: string }>(kinds.event, {
        namespace: space.namespace,
      });
      const found = items.filter(({ reason }) => ["Published", "Routed"].includes(reason));
      return found.length === 2 ? found.map(({ note }) => note).sort() : undefined;
    });
    assert.match(notes[0] ?? "", /^Calls go to version 1$/);
    assert.match(notes[1] ?? "", /^Published version 1 \(.+=\)$/);
  });

  describe("a function that publishes by itself", () => {
    it("has a version for every change, an alias that follows, and drops what nobody needs", async () => {
      await space.function("one", { publish: true, autoPublishAlias: "live", revisionHistoryLimit: 1 });
      const newest = async (version: number) => {
        await world.until(`live is ${version}`, async () => {
          const live = (await space.aliases()).find(({ spec }) => spec.name === "live");
          return live?.status?.functionVersion === String(version) ? true : undefined;
        });
      };
      await newest(1);
      await space.createAlias("pinned", { functionVersion: "1" });
      await space.untilAlias("pinned");
      for (const [index, text] of ["two", "three", "four", "five"].entries()) {
        await space.change(code(text));
        await newest(index + 2);
      }
      await world.until("1 is pinned, 5 is the newest, 4 is the history", async () => {
        const numbers = (await space.versions()).map(({ status }) => status?.version ?? 0);
        return JSON.stringify(numbers.toSorted()) === "[1,4,5]" ? true : undefined;
      });
      await space.change(code("four"));
      await newest(6);
      const { "function.f.counted": counted = "", ...ledger } = await space.ledger();
      assert.deepEqual(ledger, { "function.f": "6" });
      assert.match(counted, /^6\/[0-9a-f]{16}$/);
    });

    it("gives its children none of the labels and annotations by which Argo CD, Flux and Helm know their own", async () => {
      const metadata = {
        namespace: space.namespace,
        name: "f",
        labels: { "app.kubernetes.io/instance": "x", "kustomize.toolkit.fluxcd.io/name": "x", "helm.sh/chart": "x" },
        annotations: { "argocd.argoproj.io/tracking-id": "x", "meta.helm.sh/release-name": "x" },
      };
      const spec = { runtime: "nodejs24.x", handler: "index.handler", ...code("one"), autoPublishAlias: "Live_1" };
      await world.client.create({ apiVersion: "kubelambda.dev/v1alpha1", kind: "Function", metadata, spec });
      await world.until("published", async () =>
        (await space.aliases())[0]?.status?.functionVersion === "1" ? true : undefined,
      );
      for (const child of [...(await space.versions()), ...(await space.aliases())]) {
        const known = Object.keys(child.metadata.annotations ?? {}).filter(
          (name) => !name.startsWith("kubelambda.dev/"),
        );
        assert.deepEqual([child.metadata.labels, known], [undefined, []]);
        assert.equal(child.metadata.ownerReferences?.[0]?.name, "f");
      }
      for (const { metadata: kept } of await space.snapshots())
        assert.deepEqual(Object.keys(kept.labels ?? {}), ["kubelambda.dev/version"]);
    });

    it("leaves a user's alias of that name to the user", async () => {
      await space.createAlias("mine", { name: "live", functionVersion: "1" });
      await space.function("one", { autoPublishAlias: "live" });
      await space.untilAlias("mine");
      await space.change(code("two"));
      await world.until("published", async () => ((await space.versions()).length === 2 ? true : undefined));
      assert.equal((await space.aliases()).length, 1);
      assert.equal((await space.alias("mine")).status?.functionVersion, "1");
    });
  });
});
