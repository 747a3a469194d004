import { setTimeout as delay } from "node:timers/promises";
import { waitUntil } from "../cluster/wait-until.ts";
import { faultsOf, type Fault } from "./cluster-fault-list.ts";
import type { ClusterWorld } from "./cluster-world.ts";
import { pickOne, type Draw } from "./draw.ts";
import { FaultWindows } from "./fault-windows.ts";
import type { Allowance } from "./judge.ts";
import { nodeFunction, type SoakFunction } from "./soak-functions.ts";
import type { SoakReport } from "./soak-report.ts";

const pauseMs = 500;
const recoveryMs = 120_000;

export interface ClusterFaultsOptions {
  readonly world: ClusterWorld;
  readonly functions: ReadonlyMap<string, SoakFunction>;
  readonly draw: Draw;
  readonly report: SoakReport;
  readonly nowMs: () => number;
  /** Resolves when every function has answered. */
  readonly untilServed: () => Promise<void>;
}

/** Kills and freezes one part after the other in rounds of an order that the seed decides; each is back, and every function served, before the next goes. */
export class ClusterFaults {
  readonly #options: ClusterFaultsOptions;
  readonly #names: readonly string[];
  readonly #windows: FaultWindows;
  /** What was away while a function that was warm got no right answer. */
  readonly stillness: string[] = [];
  #lastVersion = 0;

  constructor(options: ClusterFaultsOptions) {
    this.#options = options;
    this.#names = [...options.functions.keys()];
    this.#windows = new FaultWindows(options.nowMs);
  }

  async deployAll(): Promise<void> {
    for (const name of this.#names) await this.#deploy(name);
  }

  /** Resolves after the time and when each fault has been once, whatever comes last. Code changes come between the others, as they do in life. */
  async run(untilMs: number): Promise<void> {
    const { draw, nowMs, world } = this.#options;
    const faults = faultsOf(world);
    for (let left = [...faults]; left.length > 0;) {
      const fault = pickOne(draw, left);
      left.splice(left.indexOf(fault), 1);
      await this.#suffer(fault);
      await this.#deploy(pickOne(draw, this.#names));
      this.#options.report.fault("new code");
      if (left.length === 0 && nowMs() < untilMs) left = [...faults];
    }
  }

  /** What a call may meet that began then and ends now. No function of a soak ever goes, so a 404 is no answer. */
  allow(name: string, startedMs: number): Allowance {
    const met = this.#windows.metSince(startedMs);
    return {
      thrown: this.#options.functions.get(name)?.thrown ?? "",
      functionErrors: [],
      functionFaults: met.flatMap(({ excuse }) => excuse.functionFaults ?? []),
      serviceErrors: met.flatMap(({ excuse }) => excuse.serviceErrors ?? []),
      mayBreak: met.some(({ excuse }) => excuse.mayBreak === true),
      meanwhile: met.map((window) => window.name),
    };
  }

  answered(name: string, startedMs: number): void {
    this.#windows.answered(name, startedMs);
  }

  async #suffer(fault: Fault): Promise<void> {
    const { untilServed, draw, report, nowMs } = this.#options;
    await delay(pauseMs);
    await untilServed();
    const window = this.#windows.begin(fault.name, fault.excuse ?? {});
    try {
      const mend = await fault.strike(draw);
      if (mend === undefined) return;
      try {
        await delay(fault.lastMs ?? 0);
      } finally {
        this.#windows.mend(window);
        await mend();
      }
      const awayMs = nowMs() - window.beganMs;
      report.fault(fault.name);
      if (fault.flows === true) this.#judgeFlow(window.name, window.rightWithin);
      await this.#untilWhole();
      await untilServed();
      const right = this.#names.map((name) => window.rightWithin.get(name) ?? 0).join(", ");
      const recoveredMs = nowMs() - window.beganMs - awayMs;
      report.note(
        `${fault.name}: away ${Math.round(awayMs)} ms, right meanwhile ${right}; whole ${Math.round(recoveredMs)} ms later`,
      );
    } finally {
      this.#windows.end(window);
    }
  }

  #judgeFlow(fault: string, right: ReadonlyMap<string, number>): void {
    for (const name of this.#names) {
      if ((right.get(name) ?? 0) === 0) this.stillness.push(`"${name}" had no right answer: ${fault}`);
    }
  }

  /** The node is ready and so are all of ours: what one part lost may take a moment to show at another. */
  async #untilWhole(): Promise<void> {
    const { world } = this.#options;
    await waitUntil({ what: "the whole cluster to be ready", timeoutMs: recoveryMs, everyMs: 500 }, async () => {
      await world.space.system.kubectl(["wait", "--for=condition=Ready", "node", "--all", "--timeout=10s"]);
      await world.waitRollouts();
      return true;
    });
  }

  async #deploy(name: string): Promise<void> {
    const { world, functions } = this.#options;
    await world.deploy(name, (functions.get(name) ?? nodeFunction).spec((this.#lastVersion += 1)));
  }
}
