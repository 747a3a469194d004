import { setTimeout as delay } from "node:timers/promises";
import { planCall, type CallPlan } from "./call-plan.ts";
import { seededRandom } from "../../bench/seeded-random.ts";
import { judge, type Allowance, type Outcome } from "./judge.ts";
import type { SoakReport } from "./soak-report.ts";

export interface SteadyLoadOptions {
  readonly connections: number;
  readonly seed: number;
  readonly functionNames: readonly string[];
  /** Rejects when there is no whole answer. */
  readonly invoke: (plan: CallPlan) => Promise<Outcome>;
  readonly allow: (functionName: string) => Allowance;
  readonly report: SoakReport;
  /** Whether an answer by code older than what has answered before is wrong; otherwise it is counted. */
  readonly olderCodeIsWrong: boolean;
  /** The test's own clock, ms. */
  readonly nowMs: () => number;
}

const pauseMs = 10;
/** After a call that got no answer: who is refused a connection would ask a hundred times a second. */
const backOffMs = 200;

/** So many callers, each asks again when it has its answer; every answer is judged. */
export class SteadyLoad {
  readonly #options: SteadyLoadOptions;
  /** The newest code that has answered, by function. */
  readonly #newest = new Map<string, number>();
  #lastCall = 0;

  constructor(options: SteadyLoadOptions) {
    this.#options = options;
  }

  /** Resolves when the last call that began before `untilMs` is answered. */
  async run(untilMs: number): Promise<void> {
    const { connections, seed, functionNames, nowMs } = this.#options;
    const caller = async (_: unknown, index: number): Promise<void> => {
      const draw = seededRandom(seed + index);
      while (nowMs() < untilMs) {
        const outcome = await this.#ask(planCall(draw, (this.#lastCall += 1), functionNames));
        await delay("error" in outcome ? backOffMs : pauseMs);
      }
    };
    await Promise.all(Array.from({ length: connections }, caller));
  }

  /** One plain call; whether it got its answer. Not part of the report. */
  async probe(functionName: string): Promise<string> {
    const { allow } = this.#options;
    const plan: CallPlan = {
      functionName,
      event: { call: (this.#lastCall += 1), act: "echo", waitMs: 0, padding: "" },
    };
    const verdict = judge(plan, await this.#outcomeOf(plan), allow(functionName));
    return "why" in verdict ? `${verdict.name}: ${verdict.why}` : verdict.name;
  }

  async #ask(plan: CallPlan): Promise<Outcome> {
    const { allow, report, olderCodeIsWrong } = this.#options;
    const { functionName } = plan;
    const atLeast = this.#newest.get(functionName) ?? 0;
    const before = allow(functionName);
    const outcome = await this.#outcomeOf(plan);
    const verdict = judge(plan, outcome, either(before, allow(functionName)));
    const version = verdict.kind === "right" ? (verdict.version ?? atLeast) : atLeast;
    this.#newest.set(functionName, Math.max(version, this.#newest.get(functionName) ?? 0));
    if (version >= atLeast) report.call(plan, verdict);
    else if (olderCodeIsWrong) {
      const why = `code ${version} answered a call that began after an answer of code ${atLeast}`;
      report.call(plan, { kind: "wrong", name: "older code", why });
    } else report.call(plan, { kind: "right", name: "ok, by older code" });
    return outcome;
  }

  async #outcomeOf(plan: CallPlan): Promise<Outcome> {
    return await this.#options
      .invoke(plan)
      .catch((error: unknown) => ({ error: error instanceof Error ? error.message : String(error) }));
  }
}

/** A call may meet what was allowed at its start and what is at its end. */
function either(first: Allowance, second: Allowance): Allowance {
  return {
    thrown: first.thrown,
    functionErrors: [...first.functionErrors, ...second.functionErrors],
    serviceErrors: [...first.serviceErrors, ...second.serviceErrors],
    mayBreak: first.mayBreak || second.mayBreak,
  };
}
