import assert from "node:assert/strict";
import { EnvironmentRegistry, type EnvironmentPod } from "./environment.ts";

const tenure = { epoch: 5, firstTurn: 1000 };

function podOf(podUid: string, namespace = "a"): EnvironmentPod {
  return { podUid, namespace, functionUid: `f-${namespace}`, revisionID: "r1", isTerminating: false };
}

describe("an account that is taken over", () => {
  const mayRun = new Set<string>();
  let registry: EnvironmentRegistry;
  beforeEach(() => {
    mayRun.clear();
    registry = new EnvironmentRegistry({
      onMayRun: ({ podUid }, may) => {
        if (may) mayRun.add(podUid);
        else mayRun.delete(podUid);
      },
    });
  });

  it("counts all that are listed until they are heard, and none that came after the list", () => {
    const listed = [podOf("one"), podOf("two")];
    for (const pod of [...listed, podOf("later")]) registry.putPod(pod);
    registry.adopt("a", tenure, listed, 0);
    assert.deepEqual([...mayRun], ["one", "two"]);
    const position = { epoch: 5, turn: 1000 };
    for (const podUid of ["one", "two"])
      registry.announce({ podUid, address: "h:1", state: "ready", sequence: 1, isRunning: false, position }, 0);
    assert.deepEqual([...mayRun], []);
  });

  it("under the next roster counts what is in doubt until the agent has seen that one", () => {
    registry.putPod(podOf("one"));
    registry.adopt("a", tenure, [podOf("one")], 0);
    registry.renew("a", 6);
    const hear = (epoch: number, turn: number, sequence: number): void => {
      const said = { podUid: "one", address: "h:1", state: "ready", isRunning: false } as const;
      registry.announce({ ...said, sequence, position: { epoch, turn } }, 0);
    };
    hear(5, 2000, 1);
    assert.deepEqual([...mayRun], ["one"]);
    hear(6, 1000, 2);
    assert.deepEqual([...mayRun], []);
  });

  it("has its own environments to ask, and no other's", () => {
    for (const namespace of ["a", "b", "c"]) registry.putPod(podOf(namespace, namespace));
    for (const namespace of ["a", "b"]) registry.adopt(namespace, tenure, [podOf(namespace, namespace)], 0);
    const asked = (namespace?: string): readonly string[] =>
      [...registry.unsettled(namespace)].map(({ pod }) => pod.podUid);
    assert.deepEqual([asked("a"), asked("c"), asked()], [["a"], [], ["a", "b"]]);
  });

  it("is there until its last environment is gone", () => {
    for (const podUid of ["one", "two"]) registry.putPod(podOf(podUid));
    assert.equal(registry.has("a"), true);
    registry.removePod("one");
    assert.equal(registry.has("a"), true);
    registry.removePod("two");
    assert.equal(registry.has("a"), false);
  });
});
