/** What can go wrong with routers, environments and what they depend on, one thing after another. */
import { Agent } from "undici";
import { sleep, systemClock } from "../../../lib/clock.ts";
import { ports } from "../../../crds/wire/routes.ts";
import { whileBlocked, whileFrozen, type Fault, type FaultScene } from "./fault.ts";
import { accountLimit, FaultRun, names, reserved, type FaultRunOptions } from "./fault-run.ts";
import type { Blocked } from "./fleet-network.ts";
import { setClock } from "./fleet-process.ts";
import type { FleetRouter } from "./fleet-router.ts";
import type { LimitWindow } from "./fleet-judge.ts";
import { RouterFleet } from "./router-fleet.ts";
import { monotonicMs } from "./run-record.ts";

/** Longer than a router may be silent before it is out of the roster. */
const untilReplacedMs = 7000;
const clocksDifferMs = 290_000;
const hourMs = 3_600_000;
const ours = "hello";

export const faults = {
  "a router is killed": {
    carryOut: (scene) => killRouter(scene, (owner, all) => all.find((one) => one !== owner) ?? owner),
  },
  "the owner is killed": { carryOut: (scene) => killRouter(scene, (owner) => owner) },
  "the owner is rolled out": {
    leastRouters: 2,
    flows: true,
    carryOut: async ({ fleet }) => {
      const count = fleet.routers.length;
      await fleet.stopRouter(await fleet.owner());
      await fleet.scaleTo(count);
    },
  },
  "the owner is frozen": { carryOut: async (scene) => await freeze(scene, await scene.fleet.owner()) },
  "a router that is no owner is frozen": {
    leastRouters: 2,
    flows: true,
    carryOut: async (scene) => await freeze(scene, await anotherThanOwner(scene.fleet)),
  },
  "the owner is cut off from all, without a word": {
    leastRouters: 2,
    carryOut: async ({ fleet, lastMs }) => {
      const owner = await fleet.owner();
      await whileBlocked({ fleet, lastMs: Math.max(lastMs, untilReplacedMs) }, "drop", isolation(fleet, owner));
    },
  },
  "a router and the owner are cut off from each other, without a word": {
    leastRouters: 2,
    flows: true,
    carryOut: async ({ fleet, lastMs }) => {
      const [owner, other] = [await fleet.owner(), await anotherThanOwner(fleet)];
      await whileBlocked({ fleet, lastMs: Math.max(lastMs, untilReplacedMs) }, "drop", [
        { from: owner.group, ip: other.podIP },
        { from: other.group, ip: owner.podIP },
      ]);
    },
  },
  "all connections between routers are reset": {
    leastRouters: 2,
    flows: true,
    carryOut: async ({ fleet, load }) => {
      for (let times = 0; times < 3; times += 1) {
        fleet.network.block(
          "reset",
          fleet.routers.map(({ podIP }) => ({ ip: podIP, port: ports.routerInternal })),
        )();
        await load.untilServed(3);
      }
    },
  },
  "the routers are cut off from the API server, without a word": {
    flows: true,
    carryOut: async ({ fleet, lastMs }) => {
      const port = Number(new URL(fleet.world.controlPlane.server).port);
      const blocked = fleet.routers.map(({ group }) => ({ from: group, port }));
      await whileBlocked({ fleet, lastMs }, "drop", blocked);
    },
  },
  "the routers are cut off from the operator, without a word": {
    flows: true,
    carryOut: async ({ fleet, lastMs }) => {
      const blocked = fleet.routers.map(({ group }) => ({ from: group, port: fleet.operator.port }));
      await whileBlocked({ fleet, lastMs: Math.max(lastMs, untilReplacedMs) }, "drop", blocked);
    },
  },
  "a node is killed": {
    losesEnvironments: true,
    carryOut: async ({ fleet: { environments } }) => {
      const [node] = environments.nodes;
      if (node !== undefined) await environments.killNode(node);
      await environments.addNode();
    },
  },
  "a node is frozen": {
    losesEnvironments: true,
    carryOut: async ({ fleet: { environments }, lastMs }) => {
      await whileFrozen(
        environments.nodes.slice(0, 1).map((node) => node.process),
        lastMs,
      );
    },
  },
  "a node is cut off from all routers, without a word": {
    losesEnvironments: true,
    carryOut: async ({ fleet, lastMs }) => {
      const [node] = fleet.environments.nodes;
      const from = node === undefined ? {} : { from: node.group };
      await whileBlocked({ fleet, lastMs }, "drop", [
        { ...from, port: ports.routerInternal },
        ...fleet.environments.addressesOn(node).map((ip) => ({ ip, port: ports.agent })),
      ]);
    },
  },
  "an environment is killed": {
    losesEnvironments: true,
    carryOut: async ({ fleet: { environments } }) => {
      environments.crashOne();
      await environments.lost(1);
      await environments.whole();
    },
  },
  "the API server is killed": {
    flows: true,
    carryOut: async ({ fleet: { world }, awayMs }) => {
      await world.controlPlane.kill("kube-apiserver");
      await sleep(systemClock, awayMs);
      await world.controlPlane.start("kube-apiserver");
    },
  },
  "etcd is killed": {
    flows: true,
    carryOut: async ({ fleet: { world }, awayMs }) => {
      await world.controlPlane.kill("etcd");
      await sleep(systemClock, awayMs);
      await world.controlPlane.start("etcd");
    },
  },
  "every watch expires": {
    lowersLimits: true,
    flows: true,
    carryOut: async ({ fleet, fleet: { world } }) => {
      await fleet.reserve(ours, 1);
      await fleet.reserve(ours, 2);
      await world.controlPlane.kill("kube-apiserver");
      await world.controlPlane.compact();
      await world.controlPlane.start("kube-apiserver");
    },
  },
  "the operator is away": {
    flows: true,
    carryOut: async ({ fleet: { operator }, awayMs }) => {
      await operator.stop();
      await sleep(systemClock, awayMs);
      await operator.start();
    },
  },
  "clocks of routers and nodes jump": {
    flows: true,
    carryOut: async ({ fleet, load }) => {
      const [node] = fleet.environments.nodes;
      const [first, ...others] = fleet.routers;
      try {
        // Between any two less than what claims allow for.
        for (const offsetMs of [clocksDifferMs, -clocksDifferMs]) {
          if (first !== undefined) setClock(first, offsetMs / 2);
          for (const router of others) setClock(router, -offsetMs / 2);
          node?.tell({ kind: "clock", offsetMs: -offsetMs / 2 });
          await load.untilServed(20);
        }
      } finally {
        for (const router of fleet.routers) setClock(router, 0);
        node?.tell({ kind: "clock", offsetMs: 0 });
      }
    },
  },
  "a router's clock is an hour ahead, then an hour behind": {
    carryOut: async ({ fleet, lastMs }) => {
      const [router] = fleet.routers;
      try {
        for (const offsetMs of [hourMs, -hourMs]) {
          if (router !== undefined) setClock(router, offsetMs);
          await sleep(systemClock, lastMs);
        }
      } finally {
        if (router !== undefined) setClock(router, 0);
      }
    },
  },
  "a node's clock is an hour ahead, then an hour behind": {
    carryOut: async ({ fleet, lastMs }) => {
      const [node] = fleet.environments.nodes;
      try {
        for (const offsetMs of [hourMs, -hourMs]) {
          node?.tell({ kind: "clock", offsetMs });
          await sleep(systemClock, lastMs);
        }
      } finally {
        node?.tell({ kind: "clock", offsetMs: 0 });
      }
    },
  },
  "a limit is set below what is in use": {
    lowersLimits: true,
    carryOut: async ({ fleet, load, windows }) => {
      // While it is 0 nothing is let in: what is let in later shows that the next limit is known.
      for (const limit of [1, 2]) {
        await fleet.reserve(ours, 0);
        await load.untilInARow(ours, 30, ({ answer }) => answer?.status !== 200);
        await whileLimited({ name: ours, limit: 0 }, windows, async () => await load.untilServed(5));
        await fleet.reserve(ours, limit);
        await load.untilInARow(ours, 1, ({ answer }) => answer?.status === 200);
        await whileLimited({ name: ours, limit }, windows, async () => await load.untilServed(20));
      }
    },
  },
  "a thousand unknown functions are called": {
    flows: true,
    carryOut: async ({ fleet }) => {
      await untilSure(fleet);
      const others = new Agent({ connections: 1000 });
      const calls = Array.from({ length: 1000 }, (_, number) =>
        fleet.invoke(fleet.routers[number % fleet.routers.length], `unknown-${number}`, {}, others),
      );
      for (const { status } of await Promise.all(calls))
        if (status !== 404) throw new Error(`Cannot see an unknown function refused: status ${status}, right is 404`);
      await others.close();
    },
  },
} as const satisfies Readonly<Record<string, Fault<RouterFleet>>>;

export type FaultName = keyof typeof faults;
export type RouterFaultRun = FaultRun<RouterFleet, FaultName>;

/** Two nodes with environments for more calls than the limits let in. */
export async function startRouterFaults(routers: number, options: FaultRunOptions): Promise<RouterFaultRun> {
  const fleet = await RouterFleet.start({
    KUBELAMBDA_REQUESTS_PER_CONCURRENCY: "0",
    KUBELAMBDA_ACCOUNT_CONCURRENCY: String(accountLimit),
  });
  await Promise.all([fleet.scaleTo(routers), fleet.environments.addNode(), fleet.environments.addNode()]);
  for (const name of names) {
    const limit = reserved[name];
    const owner = await fleet.addFunction(name, limit === undefined ? {} : { reserved: limit });
    await fleet.addEnvironments(owner, 3);
  }
  const run = new FaultRun(fleet, faults, options);
  await run.untilServed();
  return run;
}

async function killRouter(
  { fleet, killed }: FaultScene<RouterFleet>,
  choose: (owner: FleetRouter, all: readonly FleetRouter[]) => FleetRouter,
): Promise<void> {
  const count = fleet.routers.length;
  const router = choose(await fleet.owner(), fleet.routers);
  killed.add(router.podUid);
  await fleet.killRouter(router);
  await fleet.scaleTo(count);
}

async function freeze({ fleet, lastMs }: FaultScene<RouterFleet>, router: FleetRouter): Promise<void> {
  await whileFrozen([router.process], Math.max(lastMs, untilReplacedMs));
  await fleet.untilRoster(({ replicas }) => replicas.length === fleet.routers.length);
}

async function whileLimited(
  limited: Pick<LimitWindow, "name" | "limit">,
  windows: LimitWindow[],
  work: () => Promise<void>,
): Promise<void> {
  const fromMs = monotonicMs();
  await work();
  windows.push({ ...limited, fromMs, untilMs: monotonicMs() });
}

/** Its clients reach it, and nobody else does, nor does it reach anybody. */
function isolation(fleet: RouterFleet, { group, podIP }: FleetRouter): readonly Blocked[] {
  const apiServer = Number(new URL(fleet.world.controlPlane.server).port);
  const peers = fleet.routers.filter((router) => router.podIP !== podIP).map((router) => router.podIP);
  return [
    { ip: podIP, port: ports.routerInternal },
    ...[...peers, ...fleet.environments.addresses()].map((ip) => ({ from: group, ip })),
    ...[apiServer, fleet.operator.port].map((port) => ({ from: group, port })),
  ];
}

/** A router that has just lost sight of the API server does not say of any function that there is none. */
async function untilSure(fleet: RouterFleet): Promise<void> {
  for (const router of fleet.routers)
    await fleet.world.until(`${router.podName} knows which functions there are`, async () =>
      (await fleet.invoke(router, "unknown")).status === 404 ? true : undefined,
    );
}

async function anotherThanOwner(fleet: RouterFleet): Promise<FleetRouter> {
  const owner = await fleet.owner();
  const other = fleet.routers.find((router) => router !== owner);
  if (other === undefined) throw new Error("Cannot find a router that is no owner: there is one alone");
  return other;
}
