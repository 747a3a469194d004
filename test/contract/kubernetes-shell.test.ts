/** Electors, events, apply, status and a whole controller with a real API server. */
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "mocha";
import { systemClock } from "../../lib/clock.ts";
import { Applier } from "../../lib/kubernetes/apply.ts";
import type { ApiServerClient } from "../../lib/kubernetes/api-server-client.ts";
import { EventRecorder, type KubernetesEvent } from "../../lib/kubernetes/event-recorder.ts";
import { kinds } from "../../lib/kubernetes/kinds.ts";
import { LeaderElection } from "../../lib/kubernetes/leader-election.ts";
import type { ObjectRef } from "../../lib/kubernetes/object.ts";
import { patchStatus } from "../../lib/kubernetes/status-patch.ts";
import { waitUntil } from "../cluster/wait-until.ts";
import { type ApiServerUnderTest, startApiServer } from "../kit/kubernetes/api-server-under-test.ts";
import { type ConfigMap, configMap, widget, type Widget, widgetKind } from "../kit/kubernetes/objects.ts";
import { WidgetOperator } from "../kit/kubernetes/widget-operator.ts";

describe("with a real API server", function () {
  this.timeout(90_000);
  let server: ApiServerUnderTest;
  let client: ApiServerClient;
  let namespace: string;

  before(async () => {
    server = await startApiServer();
    client = server.client;
  });
  after(async () => {
    await server.stop();
  });
  beforeEach(async () => {
    namespace = await server.makeNamespace();
  });

  describe("LeaderElection", () => {
    interface Candidate {
      readonly election: LeaderElection;
      readonly own: ApiServerClient;
    }
    let leading: Set<string>;
    let mostAtOnce: number;

    beforeEach(() => {
      leading = new Set();
      mostAtOnce = 0;
    });

    async function candidate(identity: string, times: object = {}): Promise<Candidate> {
      const own = await server.makeClient();
      const election = new LeaderElection({
        client: own,
        clock: systemClock,
        namespace,
        name: "lead",
        identity,
        ...{ leaseDurationMs: 2000, renewDeadlineMs: 1200, ...times },
        retryPeriodMs: 200,
        onStarted: () => {
          leading.add(identity);
          mostAtOnce = Math.max(mostAtOnce, leading.size);
        },
        onLost: () => void leading.delete(identity),
      });
      election.start();
      return { election, own };
    }
    const untilLeads = (identity: string): Promise<true> =>
      waitUntil({ what: `"${identity}" to lead`, timeoutMs: 15_000, everyMs: 10 }, () =>
        leading.has(identity) ? true : undefined,
      );

    it("lets another take over from a leader that is cut off, never two at once", async () => {
      const one = await candidate("one");
      await untilLeads("one");
      const two = await candidate("two");
      const cutAtMs = performance.now();
      await one.own.close();
      await untilLeads("two");
      const tookMs = performance.now() - cutAtMs;
      assert.deepEqual([[...leading], mostAtOnce, one.election.isLeader()], [["two"], 1, false]);
      assert(tookMs > 1000, `took over after ${tookMs} ms`);
      await Promise.all([one.election.stop(), two.election.stop()]);
    });

    it("hands over at once when the leader stops", async () => {
      // Longer than the test: that nobody renews the Lease is no reason to take over.
      const long = { leaseDurationMs: 120_000, renewDeadlineMs: 100_000 };
      const one = await candidate("one", long);
      await untilLeads("one");
      const two = await candidate("two", long);
      await one.election.stop();
      await untilLeads("two");
      assert.equal(mostAtOnce, 1);
      await two.election.stop();
    });

    it("has one winner of many who begin together, and one again after the API server was killed", async () => {
      const all = await Promise.all(["a", "b", "c", "d"].map((identity) => candidate(identity)));
      const untilOne = (): Promise<true> =>
        waitUntil({ what: "one leader", timeoutMs: 20_000 }, () => (leading.size === 1 ? true : undefined));
      await untilOne();
      await server.kill();
      await waitUntil({ what: "no leader", timeoutMs: 10_000 }, () => (leading.size === 0 ? true : undefined));
      await server.restart();
      await untilOne();
      assert.equal(mostAtOnce, 1);
      assert.equal(all.filter(({ election }) => election.isLeader()).length, 1);
      await Promise.all(all.map(({ election }) => election.stop()));
      const lease = await client.get({ kind: kinds.lease, namespace, name: "lead" });
      assert.equal((lease.spec as { holderIdentity?: string }).holderIdentity ?? "", "");
    });
  });

  describe("EventRecorder", () => {
    it("writes one event for many repetitions, which the server takes and kubectl can count", async () => {
      const about = await client.create(widget(namespace, "w", {}));
      const dropped: unknown[] = [];
      const events = new EventRecorder({
        client,
        clock: systemClock,
        controller: "test.example.com/operator",
        instance: "pod-1",
        onDropped: (error) => dropped.push(error),
      });
      for (let i = 0; i < 20; i++) events.record(about, { type: "Warning", reason: "Broken", note: "It broke" });
      events.record(about, { type: "Normal", reason: "Mended", action: "Mend", note: "x".repeat(3000) });
      await events.stop();
      const { items } = await client.list<KubernetesEvent>(kinds.event, { namespace });
      const told = items.map((e) => [e.type, e.reason, e.action, e.note.length, e.series?.count]).sort();
      assert.deepEqual(told, [
        ["Normal", "Mended", "Mend", 1022, undefined],
        ["Warning", "Broken", "Broken", 8, 20],
      ]);
      assert.equal(items[0]?.regarding.uid, about.metadata.uid);
      assert.deepEqual(dropped, []);
    });
  });

  describe("Applier", () => {
    it("keeps fields of others, gives up what it no longer wants, and is no writer of the same again", async () => {
      const applier = new Applier({ client, fieldManager: "ours" });
      await applier.apply(configMap(namespace, "a", { mine: "1", old: "1" }, { labels: { l: "1" } }));
      const ref: ObjectRef = { kind: kinds.configMap, namespace, name: "a" };
      await client.patch(ref, { data: { theirs: "2", mine: "2" }, metadata: { annotations: { a: "2" } } });
      const applied = await applier.apply(configMap(namespace, "a", { mine: "1" }, { labels: { l: "1" } }));
      assert.deepEqual((applied as ConfigMap).data, { mine: "1", theirs: "2" });
      assert.deepEqual(applied.metadata.annotations, { a: "2" });
      const again = await new Applier({ client, fieldManager: "ours" }).apply(
        configMap(namespace, "a", { mine: "1" }, { labels: { l: "1" } }),
      );
      assert.equal(again.metadata.resourceVersion, applied.metadata.resourceVersion);
    });
  });

  describe("patchStatus", () => {
    it("writes a difference once, removes what is gone, and says Conflict when it saw an old state", async () => {
      const created = await client.create<Widget>(widget(namespace, "w", { size: 1 }));
      const first = await patchStatus(client, { kind: widgetKind, object: created, status: { ready: false, size: 1 } });
      assert.deepEqual(first?.status, { ready: false, size: 1 });
      const same = await patchStatus(client, { kind: widgetKind, object: first, status: { size: 1, ready: false } });
      assert.equal(same, undefined);
      const ref: ObjectRef = { kind: widgetKind, namespace, name: "w" };
      assert.equal((await client.get(ref)).metadata.resourceVersion, first.metadata.resourceVersion);
      const second = await patchStatus(client, { kind: widgetKind, object: first, status: { ready: true } });
      assert.deepEqual(second?.status, { ready: true });
      const stale = patchStatus(client, { kind: widgetKind, object: first, status: { ready: false } });
      await assert.rejects(stale, { code: "Conflict" });
    });
  });

  describe("Controller", () => {
    const untilReady = async (name: string, size: number): Promise<void> => {
      await waitUntil({ what: `widget "${name}" to be ready with ${size}`, timeoutMs: 20_000 }, async () => {
        const { status } = await client.get<Widget>({ kind: widgetKind, namespace, name });
        return status?.ready === true && status.size === size ? true : undefined;
      });
    };
    const childrenOf = async (name: string): Promise<string[]> => {
      const { items } = await client.list(kinds.configMap, { namespace, labelSelector: `widget=${name}` });
      return items.map(({ metadata }) => metadata.name).sort();
    };

    it("makes it so, keeps it so, and cleans up", async () => {
      const operator = new WidgetOperator({ client, namespace });
      await operator.start();
      await client.create(widget(namespace, "w", { size: 3 }));
      await untilReady("w", 3);
      assert.deepEqual(await childrenOf("w"), ["w-0", "w-1", "w-2"]);
      await client.patch({ kind: widgetKind, namespace, name: "w" }, { spec: { size: 1 } });
      await untilReady("w", 1);
      assert.deepEqual(await childrenOf("w"), ["w-0"]);
      await client.delete({ kind: kinds.configMap, namespace, name: "w-0" });
      await waitUntil({ what: "the child to come back", timeoutMs: 10_000 }, async () =>
        (await childrenOf("w")).length === 1 ? true : undefined,
      );
      await client.delete({ kind: widgetKind, namespace, name: "w" });
      await waitUntil({ what: "the widget to go", timeoutMs: 10_000 }, async () => {
        const { items } = await client.list(widgetKind, { namespace });
        return items.length === 0 ? true : undefined;
      });
      assert.deepEqual(await childrenOf("w"), []);
      await operator.stop();
    });

    it("writes nothing once all is as it should be", async () => {
      for (let i = 0; i < 5; i++) await client.create(widget(namespace, `w${i}`, { size: 2 }));
      const first = new WidgetOperator({ client, namespace });
      await first.start();
      for (let i = 0; i < 5; i++) await untilReady(`w${i}`, 2);
      await first.stop();
      const before = await client.list(widgetKind, { namespace });
      const second = new WidgetOperator({ client, namespace });
      await second.start();
      await waitUntil({ what: "five reconciliations", timeoutMs: 10_000 }, () =>
        second.reconciled >= 5 ? true : undefined,
      );
      await second.stop();
      assert.equal(second.writes, 0);
      const versions = (list: typeof before): string[] => list.items.map((o) => o.metadata.resourceVersion);
      assert.deepEqual(versions(await client.list(widgetKind, { namespace })), versions(before));
    });

    it("goes on after the API server was killed under it", async () => {
      const operator = new WidgetOperator({ client, namespace });
      await operator.start();
      for (let i = 0; i < 10; i++) await client.create(widget(namespace, `w${i}`, { size: 4 }));
      await server.kill();
      await server.restart();
      await client.create(widget(namespace, "late", { size: 2 }));
      for (let i = 0; i < 10; i++) await untilReady(`w${i}`, 4);
      await untilReady("late", 2);
      assert.deepEqual(await childrenOf("w7"), ["w7-0", "w7-1", "w7-2", "w7-3"]);
      await operator.stop();
    });
  });
});
