import assert from "node:assert/strict";
import { beforeEach, describe, it } from "mocha";
import { MemoryClient } from "../../test/kit/kubernetes/memory-client.ts";
import { settle } from "../../test/kit/kubernetes/settle.ts";
import { ManualClock } from "../../test/kit/manual-clock.ts";
import type { Clock } from "../clock.ts";
import { kinds } from "./kinds.ts";
import { LeaderElection, type LeaderElectionOptions, type Lease } from "./leader-election.ts";

describe("LeaderElection", () => {
  let client: MemoryClient;
  let clock: ManualClock;
  let story: string[];

  beforeEach(() => {
    [client, clock, story] = [new MemoryClient(), new ManualClock(), []];
  });

  function candidate(identity: string, options: Partial<LeaderElectionOptions> = {}): LeaderElection {
    const election = new LeaderElection({
      client,
      clock,
      namespace: "a",
      name: "lead",
      identity,
      onStarted: () => story.push(`${identity} started`),
      onLost: (reason) => void story.push(`${identity} lost: ${reason}`),
      draw: () => 0,
      ...options,
    });
    election.start();
    return election;
  }
  function lease(): Lease["spec"] {
    return (client.find({ kind: kinds.lease, namespace: "a", name: "lead" }) as Lease | undefined)?.spec;
  }
  async function pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 500) {
      clock.advance(Math.min(500, left));
      await settle();
    }
  }

  it("gives the lead to the first, who keeps it", async () => {
    const one = candidate("one");
    await settle();
    const two = candidate("two");
    await pass(60_000);
    assert.deepEqual(story, ["one started"]);
    assert.deepEqual([one.isLeader(), two.isLeader()], [true, false]);
    const { holderIdentity, leaseDurationSeconds, leaseTransitions } = lease()!;
    assert.deepEqual([holderIdentity, leaseDurationSeconds, leaseTransitions], ["one", 15, 0]);
    assert.match(lease()!.renewTime ?? "", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  });

  it("makes way at once when the leader stops, after its work has ended", async () => {
    const ended = Promise.withResolvers<undefined>();
    const one = candidate("one", { onLost: () => ended.promise });
    await settle();
    candidate("two");
    const stopping = one.stop();
    await pass(4000);
    assert.deepEqual(story, ["one started"]);
    ended.resolve(undefined);
    await stopping;
    await pass(2500);
    assert.deepEqual(story, ["one started", "two started"]);
    assert.equal(lease()!.leaseTransitions, 1);
  });

  it("takes over without waiting for its next look when it is told that the lease may be free", async () => {
    const one = candidate("one");
    await settle();
    const two = candidate("two");
    await settle();
    two.lookNow();
    await settle();
    assert.deepEqual(story, ["one started"], "it was not");
    await one.stop();
    two.lookNow();
    await settle();
    assert.deepEqual(story, ["one started", "one lost: stopped", "two started"]);
  });

  it("takes over from a leader that is gone, but not before its lease is over", async () => {
    // Another machine's clock says nothing: this lease claims to be long over, and to be far in the future.
    for (const renewTime of ["2001-01-01T00:00:00.000000Z", "2099-01-01T00:00:00.000000Z"]) {
      [client, story] = [new MemoryClient(), []];
      const spec = { holderIdentity: "dead", leaseDurationSeconds: 15, renewTime, leaseTransitions: 4 };
      await client.create<Lease>({
        apiVersion: kinds.lease.apiVersion,
        kind: "Lease",
        metadata: { namespace: "a", name: "lead" },
        spec,
      });
      candidate("two");
      await settle();
      await pass(14_500);
      assert.deepEqual(story, [], renewTime);
      await pass(4000);
      assert.deepEqual(story, ["two started"], renewTime);
      assert.equal(lease()!.leaseTransitions, 5);
    }
  });

  it("takes over from a holder whose end is known once two renewals are missing, and from no other", async () => {
    const spec = { holderIdentity: "dead", leaseDurationSeconds: 15 };
    const metadata = { namespace: "a", name: "lead" };
    await client.create<Lease>({ apiVersion: kinds.lease.apiVersion, kind: "Lease", metadata, spec });
    const asked: string[] = [];
    candidate("wrong", { isHolderGone: () => Promise.resolve(false) });
    await settle();
    await pass(6000);
    assert.deepEqual(story, []);
    const isHolderGone = (identity: string): Promise<boolean> => Promise.resolve(asked.push(identity) > 0);
    candidate("two", { isHolderGone });
    await settle();
    await pass(3500);
    assert.deepEqual([story, asked], [[], []], "it may renew yet");
    await pass(1000);
    assert.deepEqual([story, asked], [["two started"], ["dead"]]);
  });

  it("does not take over from a holder that renews, whatever is said of it", async () => {
    candidate("one");
    await settle();
    candidate("two", { isHolderGone: () => Promise.resolve(true) });
    await pass(30_000);
    assert.deepEqual(story, ["one started"]);
  });

  it("ends itself when it cannot renew, before another may take over", async () => {
    const one = candidate("one");
    await settle();
    for (let i = 0; i < 12; i++) client.failNext(/Lease/, "Unavailable");
    await pass(9500);
    assert.equal(one.isLeader(), true);
    await pass(500);
    assert.deepEqual(story, ["one started", "one lost: the lease could not be renewed in time"]);
    assert.equal(one.isLeader(), false);
  });

  it("is no leader after a pause of the process, even before any timer has run", async () => {
    let nowMs = 0;
    const now = (): number => nowMs;
    const clockOfOne: Clock = { nowMs: now, monotonicMs: now, schedule: (ms, call) => clock.schedule(ms, call) };
    const one = candidate("one", { clock: clockOfOne });
    await settle();
    assert.equal(one.isLeader(), true);
    nowMs += 10_000;
    assert.equal(one.isLeader(), false);
  });

  it("begins no new term before the work of the last has ended", async () => {
    const ended = Promise.withResolvers<undefined>();
    const onLost = (): Promise<undefined> => {
      story.push("one lost");
      return ended.promise;
    };
    candidate("one", { onLost });
    await settle();
    for (let i = 0; i < 4; i++) client.failNext(/Lease/, "Unavailable");
    await pass(40_000);
    assert.deepEqual(story, ["one started", "one lost"]);
    ended.resolve(undefined);
    await pass(4000);
    assert.deepEqual(story, ["one started", "one lost", "one started"]);
  });

  it("loses when another has taken the lease", async () => {
    candidate("one");
    await settle();
    const current = client.find({ kind: kinds.lease, namespace: "a", name: "lead" }) as Lease;
    await client.update<Lease>({ ...current, spec: { ...current.spec, holderIdentity: "thief" } });
    await pass(2000);
    assert.deepEqual(story, ["one started", "one lost: another candidate holds the lease"]);
  });

  it("keeps the lead when the answer to a renewal was lost, though the renewal was not", async () => {
    candidate("one");
    await settle();
    const current = client.find({ kind: kinds.lease, namespace: "a", name: "lead" }) as Lease;
    await client.update<Lease>(current);
    await pass(4000);
    assert.deepEqual(story, ["one started"]);
  });

  for (const [answer, ends] of [
    ["comes", (open: (nothing: undefined) => void) => open(undefined)],
    ["is lost", (_open: unknown, lose: (error: Error) => void) => lose(new Error("timed out"))],
  ] as const) {
    it(`lets the lease go that a request under way got it, when it stops and the answer ${answer}`, async () => {
      const one = candidate("one");
      await settle();
      const update = client.update.bind(client);
      const held = Promise.withResolvers<undefined>();
      client.update = async (object) => {
        client.update = update;
        const stored = await update(object);
        await held.promise;
        return stored;
      };
      await pass(2000);
      const stopping = one.stop();
      await settle();
      ends(held.resolve, held.reject);
      await stopping;
      assert.deepEqual(story, ["one started", "one lost: stopped"]);
      assert.equal(lease()!.holderIdentity, "");
    });
  }

  it("refuses durations that cannot work", () => {
    assert.throws(() => candidate("one", { renewDeadlineMs: 15_000 }), /have to grow in this order/);
  });
});
