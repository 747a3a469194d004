/** What an account grants, and environments that are kept ready: the whole operator on a real API server, with a scripted router. */
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "mocha";
import { labels } from "../../crds/names.ts";
import type { AliasObject } from "../../crds/v1alpha1/alias.ts";
import type { FunctionObject } from "../../crds/v1alpha1/function.ts";
import type { VersionObject } from "../../crds/v1alpha1/version.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";
import type { RunningOperator } from "../../operator/operator.ts";
import type { Pod } from "../../operator/pod.ts";
import { loadOf, OperatorWorld } from "../kit/operator-world.ts";
import { code, messageOf, VersionSpace } from "../kit/version-space.ts";

const config = (many: number) => ({ provisionedConcurrencyConfig: { provisionedConcurrentExecutions: many } });
const minimumMessage =
  "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100].";

function numbersOf({ status }: AliasObject | VersionObject): readonly unknown[] {
  const { provisionedRequested, provisionedAllocated, provisionedAvailable, provisionedStatus } = status ?? {};
  return [provisionedStatus, provisionedRequested, provisionedAllocated, provisionedAvailable];
}

describe("an account's concurrency on a real API server", function () {
  this.timeout(180_000);
  let world: OperatorWorld;
  let operator: RunningOperator;
  let space: VersionSpace;
  /** Versions, or uids of pods, whose init fails. */
  let failing: Set<string>;
  /** uids of pods that are not initialised yet, and of those that run a call. */
  let starting: Set<string>;
  let busy: Set<string>;
  /** uids of pods that the router does not hear any more. */
  let unheard: Set<string>;
  let cancel: NodeJS.Timeout;

  before(async () => {
    world = await OperatorWorld.start();
    operator = await world.startOperator();
  });
  after(() => world.stop());
  beforeEach(async () => {
    space = await VersionSpace.open(world);
    failing = new Set();
    starting = new Set();
    busy = new Set();
    unheard = new Set();
  });

  /** A router to which every environment of "f" is idle, but for those whose init fails. */
  async function route(object: Stored<FunctionObject>): Promise<void> {
    let released: string[] = [];
    const tell = async (): Promise<void> => {
      const pods = (await world.pods(object)).filter(({ metadata }) => metadata.deletionTimestamp === undefined);
      const isFailing = ({ metadata }: Stored<Pod>): boolean =>
        failing.has(metadata.uid) || failing.has(metadata.labels?.[labels.provisioned] ?? "");
      const isIdle = (pod: Stored<Pod>): boolean =>
        !isFailing(pod) && ![...released, ...starting, ...busy, ...unheard].includes(pod.metadata.uid);
      const load = loadOf(object, {
        idle: pods.filter(isIdle).map(({ metadata }) => ({ podUid: metadata.uid, idleForMs: 10 })),
        initFailed: pods.filter(isFailing).map(({ metadata }) => metadata.uid),
        unreachable: [...unheard],
        inUse: [...busy],
        released,
      });
      const answer = await world.report(operator, [load]).catch(() => undefined);
      released = [...(answer?.body.release ?? [])];
    };
    cancel = setInterval(() => void tell(), 200);
    await tell();
  }

  async function withRouter(test: () => Promise<void>): Promise<void> {
    await route(await world.getFunction(space.namespace, "f"));
    try {
      await test();
    } finally {
      clearInterval(cancel);
    }
  }

  async function twoVersions(): Promise<void> {
    await space.function();
    await space.published("first");
    await space.change(code("two"));
    await space.published("second");
  }

  /** Environments that are kept ready for a version. */
  async function keptFor(version: string): Promise<readonly Stored<Pod>[]> {
    const pods = await world.pods(await world.getFunction(space.namespace, "f"));
    return pods.filter(
      ({ metadata }) => metadata.labels?.[labels.provisioned] === version && metadata.deletionTimestamp === undefined,
    );
  }

  it("concurrency 5: reservations leave the minimum, who has one keeps it, and room is used by who waits", async () => {
    const make = async (name: string, reserved: number): Promise<void> => {
      await world.createFunction(space.namespace, name, { reservedConcurrentExecutions: reserved });
    };
    const until = async (name: string, want: object) =>
      await world.untilCondition({ namespace: space.namespace, name }, want as never);
    await make("a", 600);
    await until("a", { type: "ConcurrencyGranted", status: "True" });
    await make("b", 301);
    const refused = await until("b", { type: "Ready", status: "False", reason: "ConcurrencyRefused" });
    assert.equal(
      refused.status?.conditions?.find(({ type }) => type === "Stalled")?.message,
      `${minimumMessage}; nothing is reserved`,
    );
    assert.deepEqual([refused.status.concurrency, refused.status.state], [{}, "Active"]);
    await world.patchSpec(space.namespace, "b", { reservedConcurrentExecutions: 300 });
    await until("b", { type: "Ready", status: "True" });
    await world.patchSpec(space.namespace, "a", { reservedConcurrentExecutions: 700 });
    const kept = await until("a", { type: "ConcurrencyGranted", status: "False" });
    assert.equal(kept.status?.concurrency?.reservedConcurrentExecutions, 600);
    await world.patchSpec(space.namespace, "b", { reservedConcurrentExecutions: null });
    const granted = await until("a", { type: "ConcurrencyGranted", status: "True" });
    assert.equal(granted.status?.concurrency?.reservedConcurrentExecutions, 700);
    const free = await until("b", { type: "Ready", status: "True" });
    assert.equal(
      free.status?.conditions?.some(({ type }) => type === "ConcurrencyGranted"),
      false,
    );
  });

  it("concurrency 13, 14: refuses $LATEST and 0 in Lambda's words", async () => {
    await space.function();
    await assert.rejects(
      space.createAlias("live", { functionVersion: "$LATEST", ...config(1) }),
      /cannot be applied to unpublished function versions/,
    );
    await assert.rejects(
      space.createVersion("first", config(0)),
      /Value '0' at 'provisionedConcurrentExecutions' failed to satisfy constraint/,
    );
  });

  it("concurrency 14: a version is IN_PROGRESS with 0, then READY 2/2/2, and not Ready before", async () => {
    await space.function();
    await space.createVersion("first", config(2));
    const started = await space.untilVersion("first", {
      type: "Reconciling",
      status: "True",
      reason: "ProvisioningInProgress",
    });
    assert.deepEqual(numbersOf(started), ["IN_PROGRESS", 2, 0, 0]);
    await world.until("two are made", async () => ((await keptFor("1")).length === 2 ? true : undefined));
    const [pod] = await keptFor("1");
    const document = JSON.parse(pod?.metadata.annotations?.["kubelambda.dev/environment"] ?? "{}") as Record<
      string,
      unknown
    >;
    assert.deepEqual([document["initializationType"], document["initTimeoutMs"]], ["provisioned-concurrency", 130_000]);
    assert.equal(started.status?.conditions?.find(({ type }) => type === "Ready")?.status, "False");
    await withRouter(async () => {
      const ready = await space.untilVersion("first");
      assert.deepEqual(numbersOf(ready), ["READY", 2, 2, 2]);
      await world.endPod(pod as Stored<Pod>, "gone");
      await world.until("it is replaced", async () =>
        (await keptFor("1")).every(({ metadata }) => metadata.uid !== pod?.metadata.uid) &&
        (await keptFor("1")).length === 2
          ? true
          : undefined,
      );
      await space.untilVersion("first");
    });
  });

  it("concurrency 19, 20: P above R and R below P are refused, and change nothing", async () => {
    await space.function("one", { reservedConcurrentExecutions: 2 });
    await space.createVersion("first", config(3));
    const refused = await space.untilVersion("first", {
      type: "Stalled",
      status: "True",
      reason: "ConcurrencyRefused",
    });
    assert.deepEqual(numbersOf(refused), ["FAILED", 3, 0, 0]);
    assert.equal(
      messageOf(refused, "ProvisionedConcurrencyReady"),
      "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function",
    );
    await world.client.patch(space.versionRef("first"), { spec: config(2) });
    await withRouter(async () => {
      await space.untilVersion("first");
      await world.patchSpec(space.namespace, "f", { reservedConcurrentExecutions: 1 });
      const kept = await world.untilCondition(
        { namespace: space.namespace, name: "f" },
        { type: "ConcurrencyGranted", status: "False" },
      );
      assert.equal(
        kept.status?.conditions?.find(({ type }) => type === "ConcurrencyGranted")?.message,
        " ReservedConcurrentExecutions  1 should not be lower than function's total provisioned concurrency [2].; 2 stay reserved",
      );
    });
  });

  it("concurrency 21: a version and an alias to it cannot both have it", async () => {
    await twoVersions();
    await world.client.patch(space.versionRef("first"), { spec: config(1) });
    await withRouter(async () => {
      await space.untilVersion("first");
      await space.createAlias("live", { functionVersion: "1", ...config(1) });
      const alias = await space.untilAlias("live", { type: "Ready", status: "False", reason: "ConcurrencyRefused" });
      assert.match(
        messageOf(alias, "Ready"),
        /Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version/,
      );
      await space.patchAlias("live", { functionVersion: "2" });
      await space.untilAlias("live");
      await world.client.patch(space.versionRef("second"), { spec: config(1) });
      const version = await space.untilVersion("second", {
        type: "Ready",
        status: "False",
        reason: "ConcurrencyRefused",
      });
      assert.match(messageOf(version, "Ready"), /Version is pointed by a Provisioned Concurrency alias/);
    });
  });

  it("concurrency 22: an alias that moves has the new version's made ready before the old one's go", async () => {
    await twoVersions();
    await space.createAlias("live", { functionVersion: "1", ...config(2) });
    await withRouter(async () => {
      const ready = await space.untilAlias("live");
      assert.match(
        ready.status?.provisionedSelector ?? "",
        /^kubelambda.dev\/function-uid=.*,kubelambda.dev\/provisioned in \(1\)$/,
      );
      clearInterval(cancel);
      await space.patchAlias("live", { functionVersion: "2" });
      await world.until("the new version's are made", async () =>
        (await keptFor("2")).length === 2 ? true : undefined,
      );
      assert.equal((await keptFor("1")).length, 2);
      const moving = await space.alias("live");
      assert.deepEqual(numbersOf(moving), ["IN_PROGRESS", 2, 2, 2]);
      await route(await world.getFunction(space.namespace, "f"));
      assert.deepEqual(numbersOf(await space.untilAlias("live")), ["READY", 2, 2, 2]);
      await world.until("the old version's are gone", async () =>
        (await keptFor("1")).length === 0 ? true : undefined,
      );
      await space.deleteAlias("live");
      await world.until("all are gone", async () => ((await keptFor("2")).length === 0 ? true : undefined));
    });
  });

  it("concurrency 23: after some tries it is FAILED with Lambda's word, is tried on, and recovers", async () => {
    failing = new Set(["1"]);
    await space.function();
    await space.createVersion("first", config(1));
    await world.until("it is published", async () => (await space.version("first")).status?.version);
    await withRouter(async () => {
      const failed = await space.untilVersion("first", {
        type: "Stalled",
        status: "True",
        reason: "ProvisioningFailed",
      });
      assert.deepEqual(numbersOf(failed), ["FAILED", 1, 0, 0]);
      assert.equal(failed.status?.provisionedStatusReason, "FUNCTION_ERROR_INIT_FAILURE");
      const { status } = await world.getFunction(space.namespace, "f");
      assert.equal(status?.concurrency?.provisioned?.[0]?.allocated, 0);
      failing = new Set();
      assert.deepEqual(numbersOf(await space.untilVersion("first")), ["READY", 1, 1, 1]);
    });
  });

  it("of two aliases of one version none is READY by what the other one uses", async () => {
    await space.function();
    await space.published("first");
    await space.createAlias("blue", { functionVersion: "1", ...config(1) });
    await space.createAlias("live", { functionVersion: "1", ...config(1) });
    const [first, second] = await world.until("one for each is made", async () => {
      const pods = await keptFor("1");
      return pods.length === 2 ? pods : undefined;
    });
    assert.ok(first !== undefined && second !== undefined);
    starting.add(second.metadata.uid);
    const told = async (): Promise<readonly unknown[]> =>
      (await Promise.all(["blue", "live"].map((name) => space.alias(name))))
        .map(({ status }) => status?.provisionedStatus)
        .sort();
    await withRouter(async () => {
      await world.until("one has it", async () => ((await told()).includes("READY") ? true : undefined));
      assert.deepEqual(await told(), ["IN_PROGRESS", "READY"]);
      starting.clear();
      for (const name of ["blue", "live"])
        assert.deepEqual(numbersOf(await space.untilAlias(name)), ["READY", 1, 1, 1]);
    });
  });

  it("one that nobody hears is made up for, once, and goes when its place is taken", async () => {
    await space.function();
    await space.published("first");
    await space.createAlias("live", { functionVersion: "1", ...config(1) });
    await withRouter(async () => {
      await space.untilAlias("live");
      const [lost] = await keptFor("1");
      assert.ok(lost !== undefined);
      const seen = new Set<string>();
      unheard.add(lost.metadata.uid);
      const left = await world.until("another has its place", async () => {
        const pods = await keptFor("1");
        for (const { metadata } of pods) seen.add(metadata.uid);
        const isGone = pods.every(({ metadata }) => metadata.uid !== lost.metadata.uid);
        return isGone && pods.length === 1 && numbersOf(await space.alias("live"))[3] === 1 ? pods : undefined;
      });
      assert.deepEqual([...seen].sort(), [lost, ...left].map(({ metadata }) => metadata.uid).sort());
    });
  });

  it("one failed init after a full quota is no third one in a row", async () => {
    await space.function();
    const quota = { apiVersion: "v1", kind: "ResourceQuota", metadata: { namespace: space.namespace, name: "none" } };
    const path = `/api/v1/namespaces/${space.namespace}/resourcequotas`;
    const hard = { pods: "0" };
    const made = (await world.client.raw("POST", path, { ...quota, spec: { hard } })) as object;
    await world.client.raw("PUT", `${path}/none/status`, { ...made, status: { hard, used: { pods: "0" } } });
    await space.createVersion("first", config(1));
    await world.until("it has been refused", async () =>
      /exceeded quota/.test((await space.version("first")).status?.provisionedStatusReason ?? "") ? true : undefined,
    );
    await new Promise((resolve) => setTimeout(resolve, 3500));
    await world.client.raw("DELETE", `${path}/none`);
    const pod = await world.until("it is made", async () => (await keptFor("1"))[0]);
    failing.add(pod.metadata.uid);
    const told = new Set<unknown>();
    await withRouter(async () => {
      await world.until("the next one is ready", async () => {
        const status = numbersOf(await space.version("first"))[0];
        told.add(status);
        return status === "READY" ? true : undefined;
      });
    });
    assert.deepEqual([...told], ["IN_PROGRESS", "READY"]);
  });

  it("the scale subresource of an alias moves its number, and says what there is and by which labels", async () => {
    await space.function();
    await space.published("first");
    await space.createAlias("live", { functionVersion: "1", ...config(1) });
    await withRouter(async () => {
      await space.untilAlias("live");
      const path = `/apis/kubelambda.dev/v1alpha1/namespaces/${space.namespace}/aliases/live/scale`;
      const scale = (await world.client.raw("GET", path)) as {
        spec: object;
        status: { replicas: number; selector: string };
      };
      assert.deepEqual([scale.spec, scale.status.replicas], [{ replicas: 1 }, 1]);
      assert.equal(scale.status.selector, (await space.alias("live")).status?.provisionedSelector);
      await world.client.patch(space.aliasRef("live"), { spec: { replicas: 3 } }, { subresource: "scale" });
      await world.until("three are ready", async () =>
        numbersOf(await space.alias("live"))[3] === 3 ? true : undefined,
      );
      assert.equal((await space.alias("live")).spec.provisionedConcurrencyConfig?.provisionedConcurrentExecutions, 3);
    });
  });

  it("an operator that starts anew takes nothing back and makes nothing twice", async () => {
    await space.function();
    await space.published("first");
    await space.createAlias("live", { functionVersion: "1", ...config(2) });
    await withRouter(async () => {
      await space.untilAlias("live");
      const before = (await keptFor("1")).map(({ metadata }) => metadata.uid).sort();
      busy.add(before[0] ?? "");
      await world.stopOperator(operator);
      operator = await world.startOperator();
      await new Promise((resolve) => setTimeout(resolve, 7000));
      assert.deepEqual(numbersOf(await space.alias("live")), ["READY", 2, 2, 2]);
      assert.deepEqual((await keptFor("1")).map(({ metadata }) => metadata.uid).sort(), before);
    });
  });
});
