/** kill -9 of a generic pod's agent while it becomes a function's: the call goes elsewhere, the pod is nobody else's, and nothing is left of it. */
import assert from "node:assert/strict";
import { labels } from "../../crds/names.ts";
import { kinds } from "../../lib/kubernetes/kinds.ts";
import type { FleetPod } from "../kit/fleet/fleet-pod.ts";
import { team, WholeFleet, type FleetAnswer } from "../kit/fleet/whole-fleet.ts";

/** Resolves when the agent is where it shall die; what held it there is let go by the function that comes back. */
type Step = (fleet: WholeFleet, pod: FleetPod) => Promise<() => void>;

const steps: Readonly<Record<string, Step>> = {
  "before it answers": async (fleet, pod) => {
    const asked = Promise.withResolvers<undefined>();
    fleet.agents.beforeAssign = (podUid) => {
      assert.equal(podUid, pod.podUid);
      pod.agent.kill("SIGSTOP");
      asked.resolve(undefined);
    };
    await asked.promise;
    return () => (fleet.agents.beforeAssign = () => undefined);
  },
  "while its code is fetched": async ({ store }) => {
    await store.hold("before");
    return () => store.open();
  },
  "while its code is unpacked": async ({ store }) => {
    await store.hold("halfway");
    return () => store.open();
  },
  "before it announces itself": async (fleet, pod) => {
    const letGo = fleet.holdInit();
    await fleet.world.until("its runtime is in its init", () => Promise.resolve(pod.hasRuntime ? true : undefined));
    return letGo;
  },
};

describe("an agent that is killed while its pod becomes a function's", function () {
  this.timeout(60_000);
  let fleet: WholeFleet;

  before(async () => {
    fleet = await WholeFleet.start({ KUBELAMBDA_POOL_SIZE: "1" });
    await fleet.scaleTo(2);
    await fleet.addFunction("first");
    assert.equal((await call("first")).status, 200);
  });
  after(() => fleet.stop());

  const call = async (name: string): Promise<FleetAnswer> => await fleet.invoke(fleet.routers[0], name);
  const podOf = ({ body }: FleetAnswer): unknown => (JSON.parse(body) as { podUid: string }).podUid;

  /** One that waits, and of which the operator knows that it is nobody's. */
  async function waiting(): Promise<FleetPod> {
    return await fleet.world.until("a pod waits", () => {
      const uids = fleet.kubelet.pods
        .filter(({ metadata }) => metadata.labels?.[labels.functionUid] === undefined)
        .map(({ metadata }) => metadata.uid);
      const uid = uids.find((candidate) => fleet.agents.free.has(candidate));
      return Promise.resolve(uid === undefined ? undefined : fleet.kubelet.running.get(uid));
    });
  }

  async function isThere(podUid: string): Promise<boolean> {
    const { items } = await fleet.world.client.list(kinds.pod, { namespace: team });
    return items.some(({ metadata }) => metadata.uid === podUid);
  }

  for (const [number, [when, reach]] of Object.entries(steps).entries())
    it(when, async () => {
      const name = `victim-${number}`;
      // Whatever stayed counted of the call would leave no room for the next.
      const { uid } = (await fleet.addFunction(name, { reservedConcurrentExecutions: 1 })).metadata;
      const pod = await waiting();
      const reached = reach(fleet, pod);
      const answering = call(name);
      const letGo = await reached;
      pod.kill();
      letGo();
      const answer = await answering;
      assert.equal(answer.status, 200, answer.body);
      assert.notEqual(podOf(answer), pod.podUid);
      assert.equal(fleet.runs(name).length, 1, "the call ran once");
      await pod.ended;
      await fleet.world.until("its pod is gone", async () => ((await isThere(pod.podUid)) ? undefined : true));
      const other = await fleet.addFunction(`other-${number}`);
      assert.equal((await call(`other-${number}`)).status, 200);
      assert.equal((await call(name)).status, 200, "its slot is free");
      const owners = fleet.kubelet.functionsOf.get(pod.podUid) ?? new Set();
      assert.ok(!owners.has(other.metadata.uid) && owners.size <= 1, [...owners].join());
      assert.ok([...owners].every((owner) => owner === uid));
      await waiting();
    });
});
