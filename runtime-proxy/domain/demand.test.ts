import assert from "node:assert/strict";
import { functionLoad, isWorthReporting } from "./demand.ts";
import { EnvironmentRegistry, type EnvironmentPod } from "./environment.ts";
import type { FunctionFacts } from "./function-facts.ts";

const facts: FunctionFacts = {
  uid: "f",
  version: "$LATEST",
  namespace: "team",
  objectName: "f",
  name: "f",
  arn: "arn:aws:lambda:us-east-1:000000000000:function:f",
  state: "Active",
  revisionID: "r",
  timeoutSeconds: 3,
};
const epoch = 2;
const firstTurn = 100;

function pod(podUid: string): EnvironmentPod {
  return { podUid, namespace: "team", functionUid: "f", revisionID: "r", isTerminating: false };
}

/** An owner since the moment 1000, and what it inherited. */
function owner(...podUids: readonly string[]): EnvironmentRegistry {
  const registry = new EnvironmentRegistry();
  registry.adopt("team", { epoch, firstTurn }, podUids.map(pod), 1000);
  return registry;
}

function say(registry: EnvironmentRegistry, podUid: string, isRunning: boolean, sequence = 1): void {
  const state = isRunning ? "busy" : "ready";
  const position = { epoch, turn: firstTurn };
  registry.announce({ podUid, address: "a:1", state, isRunning, position, sequence }, 1500);
}

function load(registry: EnvironmentRegistry, waiting = 0, nowMs = 3000) {
  const demand = { facts, environments: registry.of("f"), listsEnvironments: true, waiting, ceiling: 10 };
  const found = functionLoad(demand, nowMs);
  assert.ok(found);
  return found;
}

describe("functionLoad", () => {
  it("tells apart what runs by its own word, what is idle, and what a new owner has not heard of", () => {
    const registry = owner("busy", "idle", "unheard");
    say(registry, "busy", true);
    say(registry, "idle", false);
    const { needed, idle, inDoubt } = load(registry, 2);
    assert.deepEqual(
      { needed, idle, inDoubt },
      {
        needed: 3,
        idle: [{ podUid: "idle", idleForMs: 1500 }],
        inDoubt: [{ podUid: "unheard", forMs: 2000 }],
      },
    );
  });

  it("counts as initialized what is idle and what runs, not what starts, nor what it has not heard of", () => {
    const registry = owner("busy", "idle", "starts", "unheard");
    say(registry, "busy", true);
    say(registry, "idle", false);
    const starting = { podUid: "starts", address: "a:1", state: "starting", isRunning: false } as const;
    registry.announce({ ...starting, position: { epoch, turn: firstTurn }, sequence: 1 }, 1500);
    assert.equal(load(registry).initialized, 2);
    registry.pick({ functionUid: "f", revisionID: "r" });
    assert.equal(load(registry).initialized, 2);
  });

  it("reports a function also when all that it has is in doubt: whoever does not know it may take everything away", () => {
    assert.equal(isWorthReporting(load(owner("unheard"))), true);
  });

  it("names what runs a call and is not needed: kept ready, or of a former revision", () => {
    const registry = new EnvironmentRegistry();
    const pods = [{ ...pod("kept"), provisionedFor: "1" }, { ...pod("former"), revisionID: "q" }, pod("own")];
    registry.adopt("team", { epoch, firstTurn }, pods, 1000);
    for (const podUid of ["kept", "former", "own"]) say(registry, podUid, true);
    const found = load(registry);
    assert.deepEqual([found.needed, found.idle, found.inUse], [1, [], ["kept", "former"]]);
    assert.equal(isWorthReporting({ ...found, needed: 0 }), true, "the operator would take them for given back");
    const demand = { facts, environments: registry.of("f"), listsEnvironments: true, waiting: 0, ceiling: 10 };
    const ofAll = functionLoad({ ...demand, revisions: new Set(["r", "q"]) }, 3000);
    assert.deepEqual(ofAll?.inUse, ["kept"], "another version's load counts it");
    for (const podUid of ["kept", "former"]) say(registry, podUid, false, 2);
    assert.equal(load(registry).inUse, undefined);
  });

  it("is in doubt from the moment when whoever carried a call is gone, until the environment says what it runs", () => {
    const registry = owner("one");
    say(registry, "one", false);
    const given = registry.pick({ functionUid: "f", revisionID: "r" });
    assert.equal(given?.pod.podUid, "one");
    assert.deepEqual([load(registry).needed, load(registry).inDoubt], [1, undefined]);
    registry.free("one", "abandoned", 2400);
    assert.deepEqual([load(registry).needed, load(registry).inDoubt], [0, [{ podUid: "one", forMs: 600 }]]);
    const position = { epoch, turn: given.turn };
    registry.announce({ podUid: "one", address: "a:1", state: "busy", isRunning: true, position, sequence: 2 }, 2500);
    assert.deepEqual([load(registry).needed, load(registry).inDoubt], [1, undefined]);
  });

  it("does not count one that answers no more: the operator does not either", () => {
    const registry = owner("gone");
    say(registry, "gone", true);
    registry.miss("gone");
    const { needed, unreachable } = load(registry, 1);
    assert.deepEqual([needed, unreachable], [1, ["gone"]]);
  });

  it("begins a new doubt with every change of owner", () => {
    const registry = owner("one");
    registry.adopt("team", { epoch: 3, firstTurn: 200 }, [pod("one")], 2900);
    assert.deepEqual(load(registry).inDoubt, [{ podUid: "one", forMs: 100 }]);
  });
});
