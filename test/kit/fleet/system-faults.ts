/** What can go wrong with the processes that make and feed environments, one thing after another. Routers have theirs in fleet-faults.ts. */
import { sleep, systemClock } from "../../../lib/clock.ts";
import { ports } from "../../../crds/wire/routes.ts";
import type { ControlPlaneComponent } from "../../cluster/control-plane.ts";
import { whileBlocked, whileFrozen, type Fault, type FaultScene } from "./fault.ts";
import { accountLimit, FaultRun, names, reserved, type FaultRunOptions } from "./fault-run.ts";
import { killProcess, setClock } from "./fleet-process.ts";
import { SystemFleet } from "./system-fleet.ts";

type Scene = FaultScene<SystemFleet>;

/** The leader has lost its Lease by then, and another has it. */
const untilAnotherLeadsMs = 20_000;
/** Less than what claims allow for. */
const clockJumpMs = 145_000;
/** Environments are replaced all the while, and each is old before what is away is back. */
const maxAgeSeconds = 6;

const apiServerPort = ({ fleet }: Scene): number => Number(new URL(fleet.world.controlPlane.server).port);
const operatorProcesses = ({ fleet }: Scene) => fleet.operators.all.map((operator) => operator.process);

export const systemFaults = {
  "the operator that leads is killed": {
    flows: true,
    carryOut: async ({ fleet }) => {
      await fleet.operators.kill(await fleet.leader());
      await fleet.leader();
    },
  },
  "all operators are killed": {
    flows: true,
    carryOut: async ({ fleet, awayMs }) => {
      await Promise.all([...fleet.operators.all].map((operator) => fleet.operators.kill(operator)));
      await sleep(systemClock, awayMs);
    },
  },
  "the operator that leads is frozen": {
    flows: true,
    carryOut: async ({ fleet, lastMs }) => await whileFrozen([(await fleet.leader()).process], lastMs),
  },
  "the operator that leads is frozen until another leads": {
    flows: true,
    carryOut: async ({ fleet, lastMs }) =>
      await whileFrozen([(await fleet.leader()).process], Math.max(lastMs, untilAnotherLeadsMs)),
  },
  "all operators are frozen": {
    flows: true,
    carryOut: async (scene) => await whileFrozen(operatorProcesses(scene), scene.awayMs),
  },
  "the operator that leads is cut off from the API server, without a word": {
    flows: true,
    carryOut: async (scene) => {
      const { group } = await scene.fleet.leader();
      const lastMs = Math.max(scene.lastMs, untilAnotherLeadsMs);
      await whileBlocked({ ...scene, lastMs }, "drop", [{ from: group, port: apiServerPort(scene) }]);
    },
  },
  "routers are cut off from the operators, without a word": {
    flows: true,
    carryOut: async ({ fleet, lastMs }) => {
      const place = { ip: fleet.operatorAddress, port: ports.operatorInternal };
      const blocked = fleet.routers.map(({ group }) => ({ from: group, ...place }));
      await whileBlocked({ fleet, lastMs }, "drop", blocked);
    },
  },
  "operators are cut off from agents, without a word": {
    flows: true,
    carryOut: async ({ fleet, lastMs }) => {
      const blocked = fleet.operators.all.map(({ group }) => ({ from: group, port: ports.agent }));
      await whileBlocked({ fleet, lastMs }, "drop", blocked);
    },
  },
  "the package store is killed": {
    flows: true,
    carryOut: async ({ fleet, awayMs }) => {
      await killProcess(fleet.store);
      await sleep(systemClock, awayMs);
      await fleet.startStore();
    },
  },
  "the package store is frozen": {
    flows: true,
    carryOut: async ({ fleet, awayMs }) => await whileFrozen([fleet.store.process], awayMs),
  },
  "the package store is cut off, without a word": {
    flows: true,
    carryOut: async ({ fleet, lastMs }) => await whileBlocked({ fleet, lastMs }, "drop", [fleet.storePlace]),
  },
  "the API server is frozen": {
    flows: true,
    carryOut: async (scene) => await whileComponentFrozen(scene, "kube-apiserver"),
  },
  "etcd is frozen": {
    flows: true,
    carryOut: async (scene) => await whileComponentFrozen(scene, "etcd"),
  },
  "the API server is killed": {
    flows: true,
    carryOut: async (scene) => await whileComponentDead(scene, "kube-apiserver"),
  },
  "etcd is killed": {
    flows: true,
    carryOut: async (scene) => await whileComponentDead(scene, "etcd"),
  },
  "etcd has no room": {
    flows: true,
    carryOut: async ({ fleet, awayMs }) => {
      const { controlPlane } = fleet.world;
      await controlPlane.fillEtcd();
      await sleep(systemClock, awayMs);
      await controlPlane.emptyEtcd();
    },
  },
  "an agent is frozen": {
    losesEnvironments: true,
    carryOut: async ({ fleet, lastMs }) => {
      const [pod] = fleet.kubelet.running.values();
      await whileFrozen(pod === undefined ? [] : [pod.agent], lastMs);
    },
  },
  "an agent is killed": {
    losesEnvironments: true,
    carryOut: async ({ fleet: { kubelet, world } }) => {
      const [pod] = kubelet.running.values();
      pod?.kill();
      await world.until("its pod has ended", () =>
        Promise.resolve(pod === undefined || kubelet.endedAtMs.has(pod.podUid) ? true : undefined),
      );
    },
  },
  "clocks of operators and of the package store jump": {
    flows: true,
    carryOut: async ({ fleet, load }) => {
      const all = [...fleet.operators.all, fleet.store];
      try {
        for (const offsetMs of [clockJumpMs, -clockJumpMs]) {
          for (const [place, one] of all.entries()) setClock(one, place === 0 ? offsetMs : -offsetMs);
          await load.untilServed(20);
        }
      } finally {
        for (const one of all) setClock(one, 0);
      }
    },
  },
} as const satisfies Readonly<Record<string, Fault<SystemFleet>>>;

export type SystemFaultName = keyof typeof systemFaults;
export type SystemFaultRun = FaultRun<SystemFleet, SystemFaultName>;

/** Real operators make what calls need, and replace it all the while. */
export async function startSystemFaults(routers: number, options: FaultRunOptions): Promise<SystemFaultRun> {
  const fleet = await SystemFleet.start({
    routers: { KUBELAMBDA_REQUESTS_PER_CONCURRENCY: "0", KUBELAMBDA_ACCOUNT_CONCURRENCY: String(accountLimit) },
    operators: {
      KUBELAMBDA_ACCOUNT_CONCURRENCY: String(accountLimit),
      KUBELAMBDA_UNRESERVED_CONCURRENCY: "0",
      KUBELAMBDA_POOL_SIZE: "1",
      KUBELAMBDA_MAX_AGE_SECONDS: String(maxAgeSeconds),
    },
  });
  await fleet.scaleTo(routers);
  for (const name of names) {
    const limit = reserved[name];
    await fleet.addFunction(name, { timeout: 3, ...(limit !== undefined && { reservedConcurrentExecutions: limit }) });
  }
  const run = new FaultRun(fleet, systemFaults, options);
  await run.untilServed();
  return run;
}

async function whileComponentFrozen({ fleet, awayMs }: Scene, component: ControlPlaneComponent): Promise<void> {
  const { controlPlane } = fleet.world;
  controlPlane.pause(component);
  try {
    await sleep(systemClock, awayMs);
  } finally {
    controlPlane.resume(component);
  }
}

async function whileComponentDead({ fleet, awayMs }: Scene, component: ControlPlaneComponent): Promise<void> {
  const { controlPlane } = fleet.world;
  await controlPlane.kill(component);
  await sleep(systemClock, awayMs);
  await controlPlane.start(component);
}
