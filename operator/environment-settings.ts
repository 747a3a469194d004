/** How this installation makes execution environments: from the operator's configuration and what the cluster can do. */
export interface EnvironmentSettings {
  /** Our own image: `assemble` and `agent`. */
  readonly image: string;
  readonly assembleCommand: readonly string[];
  readonly agentCommand: readonly string[];
  readonly imagePullPolicy: "Always" | "IfNotPresent" | "Never";
  readonly packagesUrl: string;
  /** Of the caches on the nodes before it; empty: there are none. */
  readonly cacheUrl: string;
  /** Where agents announce themselves. */
  readonly routerUrl: string;
  /** Where functions find the Invoke API; empty: they are not told. */
  readonly lambdaUrl: string;
  /** Public keys of the routers, as formatPublicKey() writes them. */
  readonly routerKeys: readonly string[];
  /** burst: one CPU at least; proportional: memory / 1769 MB of one; none: no limit. */
  readonly cpuPolicy: "burst" | "proportional" | "none";
  /** Shares of the limits that are requested, percent. */
  readonly cpuRequestPercent: number;
  readonly memoryRequestPercent: number;
  /** "": /tmp on disk; Memory: a part of the memory limit. */
  readonly tmpMedium: "" | "Memory";
  readonly runtimeClassName?: string | undefined;
  /** A pod on a node that is not ready or unreachable stays for so long; Kubernetes' own: 300. */
  readonly nodeLostSeconds: number;
  /** Functions that need nothing of their own in a pod's spec run in generic pods. */
  readonly genericPods: boolean;
  /** Agents bring code and layers in own pods too. */
  readonly agentsFill: boolean;
  /** The cluster takes spec.resources of a pod (on by default from 1.34). */
  readonly hasPodResources: boolean;
}

/**
 * Of the agent's Node.js: a small young generation keeps its memory flat under load (`bench/main.ts agent-memory`), one
 * thread works for V8 however many CPUs the node has (0 would mean as many as those), and what is free goes back to the system while the environment idles.
 */
export const agentNodeOptions = [
  "--max-semi-space-size=1",
  "--v8-pool-size=1",
  "--expose-gc",
  "--single-threaded-gc",
  "--no-allocation-site-pretenuring",
] as const;

/** Of `assemble`: what a large package leaves behind is collected as it passes (`bench/main.ts package-memory`). */
export const assembleNodeOptions = ["--max-semi-space-size=1", "--expose-gc"] as const;

/** User ids of an environment: two, so that the "other" permission bits of a package mean what they mean in Lambda. */
export const agentUserId = 10_001;
export const functionUserId = 10_002;
