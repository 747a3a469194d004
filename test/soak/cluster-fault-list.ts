/** What a soak of a cluster does to it, and what calls may meet meanwhile. */
import { daemonNames } from "../cluster/own-cluster.ts";
import { processesOfPod, signalProcesses } from "../cluster/pod-processes.ts";
import { waitUntil } from "../cluster/wait-until.ts";
import { installNamespace } from "../e2e/fixture.ts";
import type { ClusterWorld, PodName, Process } from "./cluster-world.ts";
import { pickOne, type Draw } from "./draw.ts";
import type { Excuse } from "./fault-windows.ts";

/** What brings back what was struck. */
export type Mend = () => void | Promise<void>;

export interface Fault {
  readonly name: string;
  /** Absent: every call is right. */
  readonly excuse?: Excuse;
  /** Whether warm calls have to be answered while it lasts. */
  readonly flows?: boolean;
  /** How long it lasts, ms, before it is mended. Default 0. */
  readonly lastMs?: number;
  /** Answers with what mends it; with nothing where there was nothing to strike. */
  readonly strike: (draw: Draw) => Promise<Mend | undefined>;
}

/** Daemons of the cluster whose end or silence no warm call may notice. The registry is no part of a cluster. */
const daemons = daemonNames.filter((name) => name !== "registry");

/** Of our own processes, likewise. */
const quietProcesses = ["operator", "packages", "cache"] as const satisfies readonly Process[];

const killedMs = 4000;
const frozenMs = 10_000;
/** Longer than its Lease: another leads when it wakes up, and thinks that it does. */
const frozenLeaderMs = 20_000;
const goneMs = 60_000;

/** A call that an environment was carrying out is lost with it. */
const environmentLost: Excuse = { serviceErrors: ["ServiceException"], functionFaults: ["Runtime.ExitError"] };
/** The time of a call goes on while its environment stands still. */
const environmentFrozen: Excuse = { serviceErrors: ["ServiceException"], functionFaults: ["Sandbox.Timedout"] };

/** All that can be done to this cluster: its daemons and processes are ours only where it was built here. */
export function faultsOf(world: ClusterWorld): readonly Fault[] {
  return [
    { name: "router killed", excuse: { mayBreak: true }, strike: (draw) => killOne(world, "router", draw) },
    ...quietProcesses.map((part): Fault => ({
      name: `${part} killed`,
      flows: true,
      // Longer than the calls that were under way.
      lastMs: killedMs,
      strike: () => killAll(world, part),
    })),
    { name: "environment killed", excuse: environmentLost, strike: (draw) => killEnvironment(world, draw) },
    ...(world.space.system.cluster.kind === "own" ? ownFaults(world) : []),
  ];
}

function ownFaults(world: ClusterWorld): readonly Fault[] {
  const { cluster } = world.space.system;
  return [
    ...daemons.map((daemon): Fault => ({
      ...{ name: `${daemon} killed`, flows: true, lastMs: killedMs },
      strike: async () => {
        await cluster.killComponent(daemon);
        return () => cluster.startComponent(daemon);
      },
    })),
    ...daemons.map((daemon): Fault => ({
      ...{ name: `${daemon} frozen`, flows: true, lastMs: frozenMs },
      strike: () => {
        cluster.pauseComponent(daemon);
        return Promise.resolve(() => {
          cluster.resumeComponent(daemon);
        });
      },
    })),
    {
      ...{ name: "router frozen", lastMs: frozenMs },
      strike: async (draw) => freeze(pickOne(draw, await world.podsOf("router"))),
    },
    {
      ...{ name: "operator leader frozen", flows: true, lastMs: frozenLeaderMs },
      strike: async () => freeze(await world.leader()),
    },
    {
      ...{ name: "packages frozen", flows: true, lastMs: frozenMs },
      strike: async (draw) => freeze(pickOne(draw, await world.podsOf("packages"))),
    },
    {
      ...{ name: "agent frozen", excuse: environmentFrozen, lastMs: frozenMs },
      strike: async (draw) => {
        const pods = await world.environmentPods();
        return pods.length === 0 ? undefined : freeze(pickOne(draw, pods), /agent\.cjs/);
      },
    },
  ];
}

async function killOne(world: ClusterWorld, part: Process, draw: Draw): Promise<Mend> {
  return await kill(world, installNamespace, [pickOne(draw, await world.podsOf(part))]);
}

async function killAll(world: ClusterWorld, part: Process): Promise<Mend> {
  const ended = await kill(world, installNamespace, await world.podsOf(part));
  return async () => {
    await ended();
    await world.waitRollouts();
  };
}

async function killEnvironment(world: ClusterWorld, draw: Draw): Promise<Mend | undefined> {
  const pods = await world.environmentPods();
  return pods.length === 0 ? undefined : await kill(world, world.space.name, [pickOne(draw, pods)]);
}

/** The object goes at once, the processes a moment later. */
async function kill(world: ClusterWorld, namespace: string, pods: readonly PodName[]): Promise<Mend> {
  for (const { name } of pods) await world.killPod(namespace, name);
  return async () => {
    await waitUntil({ what: "processes of killed pods to end", timeoutMs: goneMs, everyMs: 50 }, () =>
      pods.every(({ uid }) => processesOfPod(uid).length === 0) ? true : undefined,
    );
  };
}

function freeze({ name, uid }: PodName, which = /./): Mend {
  const processes = processesOfPod(uid).filter(({ command }) => which.test(command));
  if (processes.length === 0) throw new Error(`Cannot freeze pod "${name}": no process of it is to be seen`);
  signalProcesses(processes, "SIGSTOP");
  return () => {
    signalProcesses(processes, "SIGCONT");
  };
}
