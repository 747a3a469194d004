/** One thing that goes wrong with a fleet under load. */
import type { ChildProcess } from "node:child_process";
import { sleep, systemClock } from "../../../lib/clock.ts";
import type { LimitWindow } from "./fleet-judge.ts";
import type { FleetLoad } from "./fleet-load.ts";
import type { Blocked, BlockKind } from "./fleet-network.ts";
import type { FleetRouters } from "./fleet-routers.ts";
import type { Run } from "./run-record.ts";

/** What a run of faults needs of a fleet. */
export interface FaultFleet extends FleetRouters {
  /** As the functions wrote them down. */
  runs(): readonly Run[];
  /** Resolves when all that was lost is there again. */
  whole(): Promise<void>;
  stop(): Promise<void>;
}

export interface FaultScene<Fleet extends FaultFleet> {
  readonly fleet: Fleet;
  readonly load: FleetLoad;
  /** How long what lasts lasts, ms. */
  readonly lastMs: number;
  /** How long the API server, etcd, operators or the package store are away, ms. */
  readonly awayMs: number;
  /** uids of routers that were killed. */
  readonly killed: Set<string>;
  /** Limits that were lower, and when, so that they are judged. */
  readonly windows: LimitWindow[];
}

/** It is over, and what was lost is there again, when it resolves. */
export interface Fault<Fleet extends FaultFleet> {
  /** A fault that a single router cannot have. */
  readonly leastRouters?: number;
  /** Calls that run may be lost with their environments. */
  readonly losesEnvironments?: boolean;
  /** Reservations are less for a while. */
  readonly lowersLimits?: boolean;
  /** Warm calls are answered all the while. */
  readonly flows?: boolean;
  readonly carryOut: (scene: FaultScene<Fleet>) => Promise<void>;
}

export async function whileBlocked(
  { fleet, lastMs }: { readonly fleet: Pick<FleetRouters, "network">; readonly lastMs: number },
  kind: BlockKind,
  blocked: readonly Blocked[],
): Promise<void> {
  const unblock = fleet.network.block(kind, blocked);
  try {
    await sleep(systemClock, lastMs);
  } finally {
    unblock();
  }
}

/** SIGSTOP: they answer nobody and keep their connections. */
export async function whileFrozen(processes: readonly ChildProcess[], lastMs: number): Promise<void> {
  for (const one of processes) one.kill("SIGSTOP");
  try {
    await sleep(systemClock, lastMs);
  } finally {
    for (const one of processes) one.kill("SIGCONT");
  }
}
