/** Changes of owner under calls: a new owner that has not heard of the environments makes no more of them than calls need. */
import assert from "node:assert/strict";
import { ports } from "../../crds/wire/routes.ts";
import { WholeFleet, type FleetAnswer, type FleetRouter } from "../kit/fleet/whole-fleet.ts";

const clients = 3;
const callMs = 50;

describe("changes of owner and the number of environments", function () {
  this.timeout(90_000);
  let fleet: WholeFleet;

  before(async () => {
    fleet = await WholeFleet.start({ KUBELAMBDA_POOL_SIZE: "0" });
    await fleet.scaleTo(2);
  });
  after(() => fleet.stop());

  /** Each calls again and again, whichever router lives. */
  function keepCalling(name: string): { readonly served: () => number; readonly stop: () => Promise<void> } {
    let isOver = false;
    let served = 0;
    const client = async (place: number): Promise<void> => {
      while (!isOver) {
        const router = fleet.routers[place % Math.max(1, fleet.routers.length)];
        const answer = await fleet.invoke(router, name, { ms: callMs }).catch(() => undefined);
        if (answer?.status === 200) served += 1;
        else await new Promise((resolve) => setTimeout(resolve, 50));
      }
    };
    const all = Promise.all(Array.from({ length: clients }, (_, place) => client(place)));
    return {
      served: () => served,
      stop: async () => {
        isOver = true;
        await all;
      },
    };
  }

  const made = (functionUid: string): number =>
    [...fleet.kubelet.functionsOf.values()].filter((functions) => functions.has(functionUid)).length;

  it("makes none more while routers die and calls go on", async () => {
    const { uid } = (await fleet.addFunction("steady")).metadata;
    const calling = keepCalling("steady");
    const servedMore = async (more: number): Promise<void> => {
      const goal = calling.served() + more;
      await fleet.world.until("calls are served", () => Promise.resolve(calling.served() >= goal ? true : undefined));
    };
    await servedMore(clients * 10);
    const before = made(uid);
    for (let fault = 0; fault < 3; fault += 1) {
      await fleet.killRouter(await fleet.owner());
      await servedMore(clients * 10);
      await fleet.scaleTo(2);
    }
    await servedMore(clients * 10);
    await calling.stop();
    assert.ok(before <= clients, `${before} environments for ${clients} clients before any fault`);
    // A call of a router that died may run on while its client calls again.
    assert.ok(made(uid) <= 2 * clients, `${made(uid)} environments for ${clients} clients`);
  });

  it("makes what waiting calls need where the new owner cannot reach those that are there", async () => {
    const { uid } = (await fleet.addFunction("deaf")).metadata;
    const first = await Promise.all([1, 2].map(() => fleet.invoke(fleet.routers[0], "deaf", { ms: 500 })));
    assert.deepEqual(statusesOf(first), [200, 200]);
    const before = made(uid);
    const owner = await fleet.owner();
    const next = fleet.routers.find((router) => router !== owner) as FleetRouter;
    const addresses = [...fleet.kubelet.running.values()].map(({ podIP }) => podIP);
    const blocked = addresses.map((ip) => ({ from: next.group, ip, port: ports.agent }));
    const restore = fleet.network.block("drop", blocked);
    await fleet.killRouter(owner);
    await fleet.untilRoster(({ replicas }) => replicas.length === 1);
    const answer = await fleet.invoke(next, "deaf");
    restore();
    assert.equal(answer.status, 200);
    assert.equal(made(uid), before + 1);
  });
});

function statusesOf(answers: readonly FleetAnswer[]): readonly number[] {
  return answers.map(({ status }) => status);
}
