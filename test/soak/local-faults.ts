import { setTimeout as delay } from "node:timers/promises";
import { pickOne, pickWeighted, type Draw } from "./draw.ts";
import type { Allowance } from "./judge.ts";
import type { ProcessRole } from "./local-processes.ts";
import { noZip, type LocalWorld } from "./local-world.ts";
import { brokenInit, brokenInitError, nodeFunction, type SoakFunction } from "./soak-functions.ts";
import type { SoakReport } from "./soak-report.ts";

/** Weights of what may happen. */
const weights = {
  "kill runtime": 26,
  "kill agent": 18,
  "kill supervisor": 10,
  "new code": 20,
  "broken manifest": 12,
  "removal and return": 7,
  "code that does not load": 7,
} as const;
export type LocalFault = keyof typeof weights;

/** Kills, each of which may cost the one call that its environment is carrying out. */
export const kills = ["kill runtime", "kill agent", "kill supervisor"] as const satisfies readonly LocalFault[];

/** Function that goes and comes back, and the one whose code does not always load. */
export const goesAndReturns = "returning";
export const doesNotAlwaysLoad = "fragile";

const everyMs = 1200;
const shortestBreakMs = 300;
const longestBreakMs = 1500;

export interface LocalFaultsOptions {
  readonly world: LocalWorld;
  readonly functions: ReadonlyMap<string, SoakFunction>;
  readonly ledgerUrl: string;
  readonly draw: Draw;
  readonly report: SoakReport;
  readonly nowMs: () => number;
}

/** Carries out one fault after the other in a sequence that the seed decides, and repairs what a user would. */
export class LocalFaults {
  readonly #options: LocalFaultsOptions;
  readonly #names: readonly string[];
  #lastVersion = 0;

  constructor(options: LocalFaultsOptions) {
    this.#options = options;
    this.#names = [...options.functions.keys()];
    for (const name of this.#names) this.deploy(name);
  }

  /** Puts newer code of the function in place. */
  deploy(name: string): void {
    const { world, functions, ledgerUrl } = this.#options;
    world.writeFunction(name, (functions.get(name) ?? nodeFunction).spec((this.#lastVersion += 1), ledgerUrl));
  }

  /** All manifests are good when it resolves. */
  async run(untilMs: number): Promise<void> {
    const { draw, nowMs, report } = this.#options;
    while (nowMs() + everyMs < untilMs) {
      await delay(everyMs);
      const fault = pickWeighted(draw, weights);
      if (await this.#carryOut(fault)) report.fault(fault);
    }
  }

  /** What calls of a function may meet: errors that only a fault of the present kinds explains. */
  allow(name: string): Allowance {
    const isReturning = name === goesAndReturns;
    return {
      thrown: this.#options.functions.get(name)?.thrown ?? "",
      functionErrors: name === doesNotAlwaysLoad ? [brokenInitError] : [],
      functionFaults: ["Runtime.ExitError"],
      serviceErrors: [
        "ServiceException",
        ...(isReturning ? ["ResourceNotFoundException", "ResourceConflictException"] : []),
      ],
      mayBreak: false,
    };
  }

  /** Whether anything was done. */
  async #carryOut(fault: LocalFault): Promise<boolean> {
    const { world, draw } = this.#options;
    switch (fault) {
      case "kill runtime":
        return await this.#kill("runtime");
      case "kill agent":
        return await this.#kill("agent");
      case "kill supervisor":
        return await this.#kill("supervisor");
      case "new code":
        this.deploy(pickOne(draw, this.#names));
        return true;
      case "broken manifest": {
        const name = pickOne(draw, this.#names);
        this.#break(name);
        await this.#pause();
        this.deploy(name);
        return true;
      }
      case "removal and return":
        world.removeFunction(goesAndReturns);
        await this.#pause();
        this.deploy(goesAndReturns);
        return true;
      case "code that does not load":
        world.writeFunction(doesNotAlwaysLoad, brokenInit((this.#lastVersion += 1)));
        await this.#pause();
        this.deploy(doesNotAlwaysLoad);
        return true;
    }
  }

  /** In one of the ways that manifests break: a value out of range, a file cut off, code that is no zip. */
  #break(name: string): void {
    const { world, functions, draw } = this.#options;
    const spec = (functions.get(name) ?? nodeFunction).spec((this.#lastVersion += 1));
    const how = pickOne(draw, ["value", "text", "code"] as const);
    if (how === "value") world.writeFunction(name, { ...spec, timeout: 0 });
    else if (how === "text")
      world.writeFile(name, 'apiVersion: kubelambda.dev/v1alpha1\nkind: Function\nmetadata: { name: "');
    else world.writeFunction(name, { ...spec, code: { zipFile: noZip() } });
  }

  /** SIGKILL to one process of that role, of those that the local mode under test has started. */
  async #kill(role: ProcessRole): Promise<boolean> {
    const { world, draw } = this.#options;
    const pids = (await world.processes())[role];
    if (pids.length === 0) return false;
    try {
      process.kill(pickOne(draw, pids), "SIGKILL");
      return true;
    } catch {
      // It ended since it was seen.
      return false;
    }
  }

  async #pause(): Promise<void> {
    await delay(shortestBreakMs + this.#options.draw() * (longestBreakMs - shortestBreakMs));
  }
}
