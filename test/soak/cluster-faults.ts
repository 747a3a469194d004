import { setTimeout as delay } from "node:timers/promises";
import { waitUntil } from "../cluster/wait-until.ts";
import { installNamespace, release } from "../e2e/fixture.ts";
import type { ClusterWorld } from "./cluster-world.ts";
import { pickOne, type Draw } from "./draw.ts";
import type { Allowance } from "./judge.ts";
import { nodeFunction, type SoakFunction } from "./soak-functions.ts";
import type { SoakReport } from "./soak-report.ts";

/** Workloads of the chart, by the process that they run. */
const workloads = {
  router: `deployment/${release}-router`,
  operator: `deployment/${release}-operator`,
  packages: `statefulset/${release}-packages`,
} as const;
type Process = keyof typeof workloads;

/** Parts of the cluster that only one built here lets be killed. */
const daemons = ["kube-apiserver", "kubelet", "containerd"] as const;

type Fault = "new code" | "environment" | Process | (typeof daemons)[number];

/** Code changes and environments come between the others, as they do in life. */
const round: readonly Fault[] = [
  ...(["router", "new code", "environment", "operator", "new code", "environment", "packages"] as const),
  ...daemons.flatMap((daemon): Fault[] => [daemon, "new code", "environment"]),
];
const pauseMs = 1500;
const recoveryMs = 120_000;

export interface ClusterFaultsOptions {
  readonly world: ClusterWorld;
  readonly functions: ReadonlyMap<string, SoakFunction>;
  readonly draw: Draw;
  readonly report: SoakReport;
  readonly nowMs: () => number;
}

/** Kills one part after the other in rounds of an order that the seed decides; each may come back before the next goes. */
export class ClusterFaults {
  readonly #options: ClusterFaultsOptions;
  readonly #names: readonly string[];
  #lastVersion = 0;

  constructor(options: ClusterFaultsOptions) {
    this.#options = options;
    this.#names = [...options.functions.keys()];
  }

  async deployAll(): Promise<void> {
    for (const name of this.#names) await this.#deploy(name);
  }

  async run(untilMs: number): Promise<void> {
    const { draw, nowMs, report } = this.#options;
    let left: Fault[] = [];
    while (nowMs() + pauseMs < untilMs) {
      await delay(pauseMs);
      if (left.length === 0) left = [...round];
      const fault = pickOne(draw, left);
      left.splice(left.indexOf(fault), 1);
      if (await this.#carryOut(fault)) report.fault(fault);
    }
  }

  /** No function of a soak ever goes, so a 404 is no answer; routers, which are killed, may leave their own callers without one. */
  allow(name: string): Allowance {
    return {
      thrown: this.#options.functions.get(name)?.thrown ?? "",
      functionErrors: [],
      serviceErrors: ["ServiceException", "ResourceNotReadyException"],
      mayBreak: true,
    };
  }

  /** Whether anything was done; resolves when what was killed is back. */
  async #carryOut(fault: Fault): Promise<boolean> {
    const { draw, world } = this.#options;
    switch (fault) {
      case "new code":
        await this.#deploy(pickOne(draw, this.#names));
        return true;
      case "environment": {
        const pods = await world.environments();
        if (pods.length === 0) return false;
        await world.killPod(world.space.name, pickOne(draw, pods).metadata.name);
        return true;
      }
      case "router":
      case "operator":
      case "packages":
        await world.killPod(installNamespace, pickOne(draw, await world.podsOf(fault)));
        await world.waitRollout(workloads[fault]);
        return true;
      case "kube-apiserver":
      case "kubelet":
      case "containerd":
        return await this.#restart(fault);
    }
  }

  async #restart(daemon: (typeof daemons)[number]): Promise<boolean> {
    const { system } = this.#options.world.space;
    if (system.cluster.kind !== "own") return false;
    await system.cluster.restartComponent(daemon);
    await waitUntil({ what: `the node after the end of ${daemon}`, timeoutMs: recoveryMs, everyMs: 500 }, async () => {
      await system.kubectl(["wait", "--for=condition=Ready", "node", "--all", "--timeout=10s"]);
      return true;
    });
    return true;
  }

  async #deploy(name: string): Promise<void> {
    const { world, functions } = this.#options;
    await world.deploy(name, (functions.get(name) ?? nodeFunction).spec((this.#lastVersion += 1)));
  }
}
