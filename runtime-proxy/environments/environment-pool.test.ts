import assert from "node:assert/strict";
import fc from "fast-check";
import type { EnvironmentState } from "../../crds/wire/environment.ts";
import { ManualClock } from "../../test/kit/manual-clock.ts";
import { isIdle, isReleased, type UseEnd } from "../domain/environment.ts";
import type { FunctionFacts } from "../domain/function-facts.ts";
import { EnvironmentPool, type Acquired, type EnvironmentPoolOptions } from "./environment-pool.ts";

const facts: FunctionFacts = {
  uid: "f",
  version: "$LATEST",
  namespace: "default",
  objectName: "f",
  name: "f",
  arn: "arn:aws:lambda:us-east-1:000000000000:function:f",
  state: "Active",
  revisionID: "r1",
  timeoutSeconds: 3,
};
const waitMs = 1000;

/** A pool over one function that a test can change. */
class PoolWorld {
  readonly clock = new ManualClock();
  facts: FunctionFacts | undefined = facts;
  urgent = 0;
  readonly pool: EnvironmentPool;
  waitMs = waitMs;
  published: FunctionFacts[] = [];
  #arrivals = 0;
  #sequence = 0;

  constructor({
    maxWaiting = 3,
    ...limits
  }: Partial<Pick<EnvironmentPoolOptions, "maxWaiting" | "scalingRate" | "freshForMs">> = {}) {
    this.pool = new EnvironmentPool({
      clock: this.clock,
      functions: {
        findByUid: () => this.facts,
        findVersion: (_uid, version) => this.versions().find((facts) => facts.version === version),
        versionsOf: () => this.versions(),
      },
      maxWaiting,
      ...limits,
    });
    this.pool.listen({ onUrgent: () => (this.urgent += 1), onChanged: () => undefined });
  }

  versions(): readonly FunctionFacts[] {
    return this.facts === undefined ? [] : [this.facts, ...this.published];
  }

  put(podUid: string, { revisionID = "r1", isTerminating = false, configurationID = "" } = {}): void {
    const own = configurationID === "" ? {} : { configurationID };
    this.pool.putPod({ podUid, namespace: "default", functionUid: "f", revisionID, isTerminating, ...own });
  }

  announce(podUid: string, state: EnvironmentState = "ready"): void {
    this.pool.announce({ podUid, address: `${podUid}:1`, state, sequence: (this.#sequence += 1) });
  }

  acquire(arrival = (this.#arrivals += 1), version = "$LATEST"): Acquired | Promise<Acquired> {
    return this.pool.acquire({
      functionUid: "f",
      version,
      arrival,
      deadlineMs: this.clock.monotonicMs() + this.waitMs,
    });
  }
}

function podOf(acquired: Acquired | Promise<Acquired>): string {
  assert.ok(!(acquired instanceof Promise) && acquired.ok);
  return acquired.environment.pod.podUid;
}

async function outcome(acquired: Acquired | Promise<Acquired>): Promise<string> {
  const result = await acquired;
  return result.ok ? result.environment.pod.podUid : result.refusal;
}

describe("EnvironmentPool", () => {
  it("gives out no pod of another namespace than the function's, nor one that came before the function", () => {
    const world = new PoolWorld();
    const foreign = (podUid: string): void => {
      world.pool.putPod({ podUid, namespace: "evil", functionUid: "f", revisionID: "r1", isTerminating: false });
      world.announce(podUid);
    };
    world.facts = undefined;
    foreign("early");
    world.facts = facts;
    world.pool.functionChanged("f");
    foreign("late");
    assert.ok(world.acquire() instanceof Promise);
    assert.deepEqual([...world.pool.of("f")], []);
  });

  it("gives one that has been heard lately, also where those used last are silent", () => {
    const world = new PoolWorld({ freshForMs: 8000 });
    for (const podUid of ["heard", "silent-1", "silent-2"]) {
      world.put(podUid);
      world.announce(podUid);
    }
    world.clock.advance(8001);
    world.announce("heard");
    assert.equal(podOf(world.acquire()), "heard");
    assert.ok(world.acquire() instanceof Promise);
  });

  describe("scaling rate", () => {
    const scalingRate = { burst: 2, perSecond: 0.2 };
    const limited = (): PoolWorld => new PoolWorld({ maxWaiting: 10, scalingRate });

    it("lets as many calls wait as new environments may come", async () => {
      const world = limited();
      const waiting = [world.acquire(), world.acquire()];
      assert.equal(await outcome(world.acquire()), "scalingRate");
      for (const podUid of ["p1", "p2"]) {
        world.put(podUid);
        world.announce(podUid);
      }
      assert.deepEqual(await Promise.all(waiting.map(outcome)), ["p1", "p2"]);
      assert.equal(await outcome(world.acquire()), "scalingRate", "two have come");
      world.clock.advance(5000);
      assert.ok(world.acquire() instanceof Promise, "one more may come");
    });

    it("is not used up by calls that wait for what is there", async () => {
      const world = limited();
      world.put("p1");
      world.announce("p1");
      assert.equal(podOf(world.acquire()), "p1");
      for (let call = 0; call < 20; call += 1) {
        const waits = world.acquire();
        world.pool.free("p1", "answered");
        assert.equal(await outcome(waits), "p1");
      }
    });

    it("counts what comes for all versions of a function together", async () => {
      const world = limited();
      world.published = [{ ...facts, version: "1", revisionID: "r-1" }];
      void world.acquire();
      void world.acquire(undefined, "1");
      assert.equal(await outcome(world.acquire()), "scalingRate");
      world.put("p1");
      assert.equal(await outcome(world.acquire()), "scalingRate", "the other one is still to come");
    });

    it("knows what came under an owner before it", async () => {
      const world = limited();
      const createdAtMs = world.clock.nowMs();
      const pod = { namespace: "default", functionUid: "f", revisionID: "r1", isTerminating: false, createdAtMs };
      const listed = ["p1", "p2"].map((podUid) => ({ ...pod, podUid, isTerminating: true }));
      world.pool.adopt("default", { epoch: 2, firstTurn: 0 }, listed);
      assert.equal(await outcome(world.acquire()), "scalingRate");
      world.pool.adopt(
        "default",
        { epoch: 3, firstTurn: 0 },
        listed.map((gone) => ({ ...gone, provisionedFor: "1" })),
      );
      assert.ok(world.acquire() instanceof Promise, "what is kept ready has limits of its own");
    });
  });

  it("tells the operator at once when what a waiting call hoped for turns out to run another", async () => {
    const world = new PoolWorld();
    for (const podUid of ["a", "b"]) world.put(podUid);
    const listed = ["a", "b"].map((podUid) => world.pool.get(podUid)?.pod).filter((pod) => pod !== undefined);
    world.pool.adopt("default", { epoch: 2, firstTurn: 1 }, listed);
    const waiting = world.acquire();
    world.urgent = 0;
    world.pool.announce({ podUid: "a", address: "a:1", state: "busy", isRunning: true, sequence: 1 });
    assert.equal(world.urgent, 1);
    const position = { epoch: 2, turn: 1 };
    world.pool.announce({ podUid: "b", address: "b:1", state: "ready", position, sequence: 1 });
    assert.equal(await outcome(waiting), "b");
    assert.equal(world.urgent, 1);
  });

  it("hands out the most recently used", () => {
    const world = new PoolWorld();
    for (const podUid of ["a", "b", "c"]) {
      world.put(podUid);
      world.announce(podUid);
    }
    const first = podOf(world.acquire());
    assert.equal(first, "c");
    assert.equal(podOf(world.acquire()), "b");
    world.pool.free("c", "answered");
    world.pool.free("b", "answered");
    assert.equal(podOf(world.acquire()), "b");
  });

  it("serves waiting calls in the order of their arrival, one that comes back before those after it", async () => {
    const world = new PoolWorld();
    world.put("a");
    world.announce("a");
    assert.equal(podOf(world.acquire(1)), "a");
    const second = world.acquire(2);
    world.pool.free("a", "busy");
    const first = world.acquire(1);
    world.announce("a");
    assert.equal(await outcome(first), "a");
    world.pool.free("a", "answered");
    assert.equal(await outcome(second), "a");
  });

  it("ends a wait with its deadline, and refuses more waiting calls than it may hold", async () => {
    const world = new PoolWorld();
    const waiting = [world.acquire(), world.acquire(), world.acquire()];
    assert.equal(await outcome(world.acquire()), "queueFull");
    world.clock.advance(waitMs);
    assert.deepEqual(await Promise.all(waiting.map(outcome)), ["timedOut", "timedOut", "timedOut"]);
    assert.equal(world.clock.timers, 0);
  });

  it("lets a former revision of the same configuration stand in while none of the new one is idle", async () => {
    const world = new PoolWorld();
    for (const [podUid, configurationID] of [
      ["other", "k0"],
      ["a", "k1"],
    ] as const) {
      world.put(podUid, { configurationID });
      world.announce(podUid);
    }
    world.facts = { ...facts, revisionID: "r2", configurationID: "k1" };
    assert.equal(podOf(world.acquire()), "a");
    const waiting = world.acquire();
    world.pool.free("a", "answered");
    assert.equal(await outcome(waiting), "a");
    world.put("b", { revisionID: "r2", configurationID: "k1" });
    world.announce("b");
    world.pool.free("a", "answered");
    assert.equal(podOf(world.acquire()), "b");
    world.pool.free("b", "answered");
    world.pool.askBack(["b"]);
    assert.equal(podOf(world.acquire()), "a");
    world.pool.removePod("a");
    world.pool.askBack(["b", "other"]);
    assert.ok(world.acquire() instanceof Promise);
  });

  it("tells calls early that wait for what somebody has to mend, and not where an environment is up", async () => {
    const world = new PoolWorld();
    world.waitMs = 60_000;
    const first = world.acquire();
    world.clock.advance(20_000);
    world.facts = { ...facts, trouble: { reason: "ContainerNotConfigured", message: 'secret "s" not found' } };
    world.pool.functionChanged("f");
    world.clock.advance(9_999);
    const second = world.acquire();
    world.clock.advance(1);
    assert.deepEqual(await Promise.all([first, second].map(outcome)), ["timedOut", "timedOut"]);
    const third = world.acquire();
    world.put("a");
    world.announce("a", "busy");
    world.clock.advance(10_000);
    world.pool.free("a", "answered");
    world.announce("a");
    assert.equal(await outcome(third), "a");
  });

  it("serves waiting calls by the new revision only", async () => {
    const world = new PoolWorld();
    const waiting = world.acquire();
    world.facts = { ...facts, revisionID: "r2" };
    world.pool.functionChanged("f");
    world.put("old");
    world.announce("old");
    world.put("new", { revisionID: "r2" });
    world.announce("new");
    assert.equal(await outcome(waiting), "new");
  });

  it("ends waiting calls when their function goes or fails", async () => {
    const world = new PoolWorld();
    const first = world.acquire();
    world.facts = { ...facts, state: "Failed" };
    world.pool.functionChanged("f");
    assert.equal(await outcome(first), "functionFailed");
    const second = world.acquire();
    world.facts = undefined;
    world.pool.functionChanged("f");
    assert.equal(await outcome(second), "functionGone");
  });

  it("gives back what the operator wants once it is not in use, and hands it out again when it is not wanted any more", () => {
    const world = new PoolWorld();
    world.put("a");
    world.announce("a");
    podOf(world.acquire());
    world.pool.askBack(["a"]);
    assert.equal(isReleased(world.pool.get("a")!), false);
    const before = world.urgent;
    world.pool.free("a", "answered");
    assert.equal(isReleased(world.pool.get("a")!), true);
    assert.equal(world.urgent, before + 1);
    assert.ok(world.acquire() instanceof Promise);
    world.pool.askBack([]);
    assert.equal(world.pool.get("a")?.isInUse, true);
  });

  it("keeps the failed init of the current revision until an init succeeds", () => {
    const world = new PoolWorld();
    world.put("a");
    const announcement = { podUid: "a", address: "a:1", state: "ready" as const };
    const init = { ok: false, durationMs: 1, errorType: "Error", errorMessage: "no" };
    world.pool.announce({ ...announcement, sequence: 1, init });
    assert.deepEqual(world.pool.failure(facts), { podUid: "a", errorType: "Error", errorMessage: "no" });
    assert.equal(world.pool.failure({ ...facts, revisionID: "r2" }), undefined);
    world.pool.announce({ ...announcement, sequence: 2, init: { ok: true, durationMs: 1 } });
    assert.equal(world.pool.failure(facts), undefined);
  });

  it("an older announcement never overwrites a newer one", () => {
    const world = new PoolWorld();
    world.put("a");
    world.pool.announce({ podUid: "a", address: "a:1", state: "draining", sequence: 2 });
    assert.equal(world.pool.announce({ podUid: "a", address: "a:1", state: "ready", sequence: 1 }), "stale");
    assert.equal(isIdle(world.pool.get("a")!), false);
  });

  it("never gives one environment to two calls, and every call exactly one outcome, in any interleaving", async () => {
    const podUid = fc.constantFrom("a", "b", "c");
    const step = fc.oneof(
      fc.record({
        do: fc.constant("put" as const),
        podUid,
        isTerminating: fc.boolean(),
        revisionID: fc.constantFrom("r1", "r2"),
      }),
      fc.record({
        do: fc.constant("announce" as const),
        podUid,
        state: fc.constantFrom<EnvironmentState>("starting", "ready", "busy", "draining"),
      }),
      fc.record({ do: fc.constant("acquire" as const) }),
      fc.record({
        do: fc.constant("free" as const),
        place: fc.nat(5),
        end: fc.constantFrom<UseEnd>("answered", "busy", "draining", "lost"),
      }),
      fc.record({ do: fc.constant("vanish" as const), podUid }),
      fc.record({ do: fc.constant("askBack" as const), podUids: fc.subarray(["a", "b", "c"]) }),
      fc.record({ do: fc.constant("advance" as const), ms: fc.nat(1500) }),
      fc.record({ do: fc.constant("revise" as const), revisionID: fc.constantFrom("r1", "r2") }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 50 }), async (steps) => {
        const world = new PoolWorld();
        // A pod that came back under its uid is another environment: uses end with the pod that they began with.
        const uses: { podUid: string; isOver: boolean }[] = [];
        let asked = 0;
        let outcomes = 0;
        const take = (acquired: Acquired): void => {
          outcomes += 1;
          if (!acquired.ok) return;
          const { podUid: taken, revisionID } = acquired.environment.pod;
          assert.equal(
            uses.some((use) => use.podUid === taken && !use.isOver),
            false,
            `${taken} given twice`,
          );
          assert.equal(acquired.environment.pod.isTerminating, false);
          assert.equal(revisionID, world.facts?.revisionID);
          uses.push({ podUid: taken, isOver: false });
        };
        const settle = async (): Promise<void> => {
          for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
        };
        for (const next of steps) {
          if (next.do === "put") world.put(next.podUid, next);
          else if (next.do === "announce") world.announce(next.podUid, next.state);
          else if (next.do === "askBack") world.pool.askBack(next.podUids);
          else if (next.do === "advance") world.clock.advance(next.ms);
          else if (next.do === "revise") {
            world.facts = { ...facts, revisionID: next.revisionID };
            world.pool.functionChanged("f");
          } else if (next.do === "vanish") {
            world.pool.removePod(next.podUid);
            for (const use of uses) if (use.podUid === next.podUid) use.isOver = true;
          } else if (next.do === "free") {
            const running = uses.filter(({ isOver }) => !isOver);
            const use = running[next.place % Math.max(1, running.length)];
            if (use !== undefined) {
              use.isOver = true;
              world.pool.free(use.podUid, next.end);
            }
          } else {
            asked += 1;
            const acquired = world.acquire();
            if (acquired instanceof Promise) void acquired.then(take);
            else take(acquired);
          }
          await settle();
        }
        world.clock.advance(2 * waitMs);
        await settle();
        assert.equal(outcomes, asked);
        assert.equal(world.pool.waiting("f", "$LATEST"), 0);
        assert.equal(world.clock.timers, 0);
      }),
      { numRuns: 1000 },
    );
  });
});
