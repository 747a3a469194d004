import assert from "node:assert/strict";
import { beforeEach, describe, it } from "mocha";
import { MemoryClient } from "../../test/kit/kubernetes/memory-client.ts";
import { widget } from "../../test/kit/kubernetes/objects.ts";
import { stored } from "../../test/kit/kubernetes/scripted-list-watch.ts";
import { settle } from "../../test/kit/kubernetes/settle.ts";
import { ManualClock } from "../../test/kit/manual-clock.ts";
import { EventRecorder, type KubernetesEvent } from "./event-recorder.ts";
import { kinds } from "./kinds.ts";
import type { EventDraft } from "./plan.ts";

const about = stored(widget("a", "w", {}), "7", "uid-w");
const draft: EventDraft = { type: "Warning", reason: "Broken", note: "It broke" };

describe("EventRecorder", () => {
  let client: MemoryClient;
  let clock: ManualClock;
  let events: EventRecorder;
  let dropped: (string | undefined)[];

  beforeEach(() => {
    [client, clock, dropped] = [new MemoryClient(), new ManualClock(), []];
    const names = { controller: "example.com/test", instance: "pod-1" };
    events = new EventRecorder({ client, clock, ...names, onDropped: (error) => dropped.push(error?.code) });
  });

  function written(): KubernetesEvent[] {
    const names = new Set(client.requests.map((line) => line.split(" Event a/")[1]));
    const found = [...names].map((name) => client.find({ kind: kinds.event, namespace: "a", name: name ?? "" }));
    return found.filter((event) => event !== undefined) as unknown as KubernetesEvent[];
  }

  it("writes an event at once, about this very object", async () => {
    events.record(about, draft);
    await settle();
    const [event] = written();
    assert.match(event!.metadata.name, /^w\.[0-9a-f-]{36}$/);
    const { type, reason, action, note, regarding, series } = event!;
    assert.deepEqual(
      { type, reason, action, note, regarding, series },
      {
        type: "Warning",
        reason: "Broken",
        action: "Broken",
        note: "It broke",
        regarding: {
          apiVersion: "test.example.com/v1",
          kind: "Widget",
          namespace: "a",
          name: "w",
          uid: "uid-w",
          resourceVersion: "7",
        },
        series: undefined,
      },
    );
  });

  it("counts repetitions, and writes them together", async () => {
    for (let i = 0; i < 50; i++) events.record(about, draft);
    clock.advance(9999);
    await settle();
    assert.equal(client.requests.length, 1);
    clock.advance(1);
    await settle();
    assert.deepEqual([client.requests.length, written()[0]!.series?.count], [2, 50]);
    assert.match(written()[0]!.series!.lastObservedTime, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  });

  it("begins anew after a long time, and for another reason, note, type or object", async () => {
    events.record(about, draft);
    clock.advance(600_001);
    events.record(about, draft);
    events.record(about, { ...draft, reason: "Other" });
    events.record(about, { ...draft, note: "Other" });
    events.record(about, { ...draft, type: "Normal" });
    events.record(stored(widget("a", "w", {}), "9", "uid-2"), draft);
    await settle();
    assert.equal(written().length, 6);
  });

  it("writes a series again whose event the server has forgotten", async () => {
    events.record(about, draft);
    await settle();
    client.failNext(/patch Event/, "NotFound");
    const [first] = written();
    await client.delete({ kind: kinds.event, namespace: "a", name: first!.metadata.name });
    events.record(about, draft);
    clock.advance(10_000);
    await settle();
    assert.deepEqual(
      written().map(({ series }) => series?.count),
      [2],
    );
  });

  it("lets one object not flood the cluster, nor silence the others", async () => {
    for (let i = 0; i < 40; i++) events.record(about, { ...draft, note: `note ${i}` });
    events.record(stored(widget("a", "v", {}), "9"), draft);
    await settle();
    assert.deepEqual([written().length, dropped.length], [26, 15]);
    clock.advance(30_000);
    events.record(about, { ...draft, note: "later" });
    await settle();
    assert.equal(written().length, 27);
  });

  it("tries again what may pass, and drops what will not", async () => {
    client.failNext(/create/, "Unavailable");
    events.record(about, draft);
    await settle();
    clock.advance(1000);
    await settle();
    assert.deepEqual([written().length, dropped], [1, []]);
    client.failNext(/create/, "Forbidden");
    events.record(about, { ...draft, note: "two" });
    await settle();
    assert.deepEqual([written().length, dropped], [1, ["Forbidden"]]);
  });

  it("cuts a note at 1 KiB, not inside a character", async () => {
    events.record(about, { ...draft, note: "ä".repeat(600) });
    await settle();
    const { note } = written()[0]!;
    assert(Buffer.byteLength(note) <= 1024 && Buffer.byteLength(note) > 1018);
    assert.match(note, /^ä+…$/);
  });

  it("writes the counts that are left when it stops, and takes no more", async () => {
    for (let i = 0; i < 3; i++) events.record(about, draft);
    await events.stop();
    assert.equal(written()[0]!.series?.count, 3);
    events.record(about, { ...draft, note: "late" });
    await settle();
    assert.deepEqual([written().length, clock.timers], [1, 0]);
  });
});
