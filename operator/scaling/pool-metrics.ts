import { Counter, Gauge, type Registry } from "prom-client";

/** Why no pod waits for a while: what is needed has no room; none was taken by a node, by the API server; its agent did not answer. */
export type PoolPause = "noRoom" | "unschedulable" | "refused" | "silent";

/** What the pool of generic pods tells of itself. */
export interface PoolMetrics {
  /** `free`: can be taken now; `starting`: not yet. */
  waiting(count: { readonly free: number; readonly starting: number }): void;
  /** An environment that could be of the pool was needed. */
  brought(from: "pool" | "new"): void;
  /** A pause begins, or goes on. */
  paused(reason: PoolPause): void;
}

/** The same as Prometheus metrics. */
export function createPoolMetrics(registry: Registry): PoolMetrics {
  const registers = [registry];
  const pods = new Gauge({
    name: "kubelambda_generic_pool_pods",
    help: "Generic pods that wait for a function, by whether one can take them",
    labelNames: ["state"],
    registers,
  });
  const environments = new Counter({
    name: "kubelambda_generic_pool_environments_total",
    help: "Environments that were needed of functions with generic pods, by whether one that waited was there",
    labelNames: ["from"],
    registers,
  });
  const pauses = new Counter({
    name: "kubelambda_generic_pool_pauses_total",
    help: "How often it was decided that for a while no pod is made or waits, in a namespace or everywhere, by reason",
    labelNames: ["reason"],
    registers,
  });
  for (const from of ["pool", "new"] as const) environments.inc({ from }, 0);
  for (const reason of ["noRoom", "unschedulable", "refused", "silent"] as const) pauses.inc({ reason }, 0);
  return {
    waiting: ({ free, starting }) => {
      pods.set({ state: "free" }, free);
      pods.set({ state: "starting" }, starting);
    },
    brought: (from) => environments.inc({ from }),
    paused: (reason) => pauses.inc({ reason }),
  };
}
