/** Requests and limits of an environment's pod and containers. */
import type { EnvironmentSettings } from "../../environment-settings.ts";
import type { Pod } from "../../pod.ts";
import type { Recipe } from "./recipe.ts";

type Resources = NonNullable<Pod["spec"]["containers"][number]["resources"]>;

export interface EnvironmentResources {
  /** Of all containers together, where the cluster can. */
  readonly pod?: Resources;
  readonly assemble?: Resources;
  readonly agent?: Resources;
  readonly runtime?: Resources;
  /** Of each extension. */
  readonly extension?: Resources;
}

/** So much memory is one CPU, MB. Source: Lambda developer guide, "Configure Lambda function memory". */
const megabytesPerCpu = 1769;
/** What agent and page cache of its code are given beside the function's memory, MiB. */
const agentMemoryMiB = 96;
/** Unpacking streams, so this is Node itself, MiB. */
const assembleMemoryMiB = 192;
const agentCpuMillis = 10;
/** What each extension asks of a node whose pods have no resources of their own: a small one's need, MiB. */
const extensionMemoryMiB = 32;
const extensionCpuMillis = 10;

/** `memorySize` is the function's alone; the agent's share, and a /tmp in memory, come on top of it. `agentFills`: it does what `assemble` does elsewhere. */
export function decideResources(
  recipe: Recipe,
  settings: EnvironmentSettings,
  agentFills = false,
): EnvironmentResources {
  const { memorySize } = recipe.document;
  const memoryMiB = memorySize + (settings.tmpMedium === "Memory" ? recipe.ephemeralStorage : 0);
  const cpuMillis = Math.ceil((memorySize * 1000) / megabytesPerCpu);
  const request = {
    cpuMillis: percent(cpuMillis, settings.cpuRequestPercent),
    memoryMiB: percent(memorySize, settings.memoryRequestPercent),
  };
  const cpuLimit = cpuLimitMillis(cpuMillis, settings.cpuPolicy);
  if (settings.hasPodResources) {
    return {
      pod: {
        requests: quantities(request.cpuMillis + agentCpuMillis, request.memoryMiB + agentMemoryMiB),
        limits: quantities(cpuLimit === undefined ? undefined : cpuLimit + agentCpuMillis, memoryMiB + agentMemoryMiB),
      },
    };
  }
  return {
    assemble: {
      requests: quantities(agentCpuMillis, agentMemoryMiB),
      limits: quantities(cpuLimit === undefined ? undefined : Math.max(1000, cpuLimit), assembleMemoryMiB),
    },
    agent: {
      requests: quantities(agentCpuMillis, agentMemoryMiB),
      limits: quantities(undefined, agentFills ? assembleMemoryMiB : agentMemoryMiB),
    },
    runtime: { requests: quantities(request.cpuMillis, request.memoryMiB), limits: quantities(cpuLimit, memoryMiB) },
    extension: {
      requests: quantities(extensionCpuMillis, extensionMemoryMiB),
      limits: quantities(cpuLimit, memoryMiB),
    },
  };
}

/** Undefined: no limit. */
function cpuLimitMillis(cpuMillis: number, policy: EnvironmentSettings["cpuPolicy"]): number | undefined {
  switch (policy) {
    case "burst":
      return Math.max(1000, cpuMillis);
    case "proportional":
      return cpuMillis;
    case "none":
      return undefined;
  }
}

function percent(amount: number, share: number): number {
  return Math.max(1, Math.ceil((amount * share) / 100));
}

function quantities(cpuMillis: number | undefined, memoryMiB: number): Record<string, string> {
  return { ...(cpuMillis !== undefined && { cpu: `${cpuMillis}m` }), memory: `${memoryMiB}Mi` };
}
