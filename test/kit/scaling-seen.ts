/** What the autoscaler sees of a function, as tests of its decisions begin with it. */
import type { EnvironmentSeen, ReplicaSeen, ScalingSeen } from "../../operator/scaling/decide.ts";

export const keepAliveMs = 300_000;

export function scalingSeen(changes: Partial<ScalingSeen> = {}): ScalingSeen {
  return {
    isWanted: true,
    target: { revisionID: "new", maxEnvironments: 10, keepAliveMs },
    environments: [],
    replicas: [replica()],
    creating: 0,
    asked: new Set(),
    backOffMs: 0,
    mayRelease: true,
    createAtOnce: 50,
    ...changes,
  };
}

export function replica(
  changes: {
    needed?: number;
    initialized?: number;
    idle?: Record<string, number>;
    inDoubt?: Record<string, number>;
    confirmed?: string[];
    knows?: boolean;
  } = {},
): ReplicaSeen {
  return {
    knowsFunction: changes.knows ?? true,
    needed: changes.needed ?? 0,
    ...(changes.initialized !== undefined && { initialized: changes.initialized }),
    idleForMsByUid: new Map(Object.entries(changes.idle ?? {})),
    inDoubtForMsByUid: new Map(Object.entries(changes.inDoubt ?? {})),
    confirmed: new Set(changes.confirmed ?? []),
  };
}

export function environment(uid: string, changes: Partial<EnvironmentSeen> = {}): EnvironmentSeen {
  return { uid, revisionID: "new", phase: "running", ageMs: 1000, ...changes };
}
