import { setTimeout as delay } from "node:timers/promises";
import { planCall, type CallPlan } from "./call-plan.ts";
import { seededRandom } from "../../bench/seeded-random.ts";
import { judge, type Allowance, type Outcome, type Verdict } from "./judge.ts";
import type { SoakReport } from "./soak-report.ts";

export interface SteadyLoadOptions {
  readonly connections: number;
  readonly seed: number;
  readonly functionNames: readonly string[];
  /** Rejects when there is no whole answer. */
  readonly invoke: (plan: CallPlan) => Promise<Outcome>;
  /** What a call may meet that began then and ends now. */
  readonly allow: (functionName: string, startedMs: number) => Allowance;
  /** Is told of each right answer as it comes. */
  readonly onRight?: (functionName: string, startedMs: number) => void;
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

  /** Resolves when the last call that began while `goesOn` is answered. */
  async run(goesOn: () => boolean): Promise<void> {
    const { connections, seed, functionNames } = this.#options;
    const caller = async (_: unknown, index: number): Promise<void> => {
      const draw = seededRandom(seed + index);
      while (goesOn()) {
        const outcome = await this.#ask(planCall(draw, (this.#lastCall += 1), functionNames));
        await delay("error" in outcome ? backOffMs : pauseMs);
      }
    };
    await Promise.all(Array.from({ length: connections }, caller));
  }

  /** One plain call; whether it got its answer. Not part of the report. */
  async probe(functionName: string): Promise<string> {
    const { allow, nowMs } = this.#options;
    const plan: CallPlan = {
      functionName,
      event: { call: (this.#lastCall += 1), act: "echo", waitMs: 0, padding: "" },
    };
    const startedMs = nowMs();
    const outcome = await this.#outcomeOf(plan);
    const verdict = judge(plan, outcome, allow(functionName, startedMs));
    return "why" in verdict ? `${verdict.name}: ${verdict.why}` : verdict.name;
  }

  async #ask(plan: CallPlan): Promise<Outcome> {
    const { allow, nowMs, onRight, report, olderCodeIsWrong } = this.#options;
    const { functionName } = plan;
    const atLeast = this.#newest.get(functionName) ?? 0;
    const startedMs = nowMs();
    const outcome = await this.#outcomeOf(plan);
    const allowance = allow(functionName, startedMs);
    const verdict = withFaults(judge(plan, outcome, allowance), allowance);
    if (verdict.kind === "right") onRight?.(functionName, startedMs);
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

/** Names what went on meanwhile, where that matters. */
function withFaults(verdict: Verdict, { meanwhile }: Allowance): Verdict {
  if (meanwhile === undefined || verdict.kind === "right") return verdict;
  const during = meanwhile.length === 0 ? "no fault" : meanwhile.join(" and ");
  return { ...verdict, name: `${verdict.name} (${during})` };
}
