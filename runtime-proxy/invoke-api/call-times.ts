import { invocationAnswerHeaders } from "../../crds/wire/environment.ts";
import type { Clock } from "../../lib/clock.ts";
import type { AnswerHeaders } from "../environments/answer-collector.ts";
import type { ProvisionedUse } from "../ownership/placement.ts";
import type { RouterMetrics } from "../router-metrics.ts";

/** What the agent has told with an answer, ms; each as in `invocationAnswerHeaders`. */
type ToldName = Extract<keyof typeof invocationAnswerHeaders, `${string}Ms`>;
export type ToldTimes = Readonly<Partial<Record<ToldName, number>>>;

/** One call's course, ms; moments are on the monotonic clock. */
export interface CallFigures {
  readonly startedMs: number;
  readonly endedMs: number;
  /** Until the event was there. */
  readonly bodyMs: number;
  /** For an environment. */
  readonly waitMs: number;
  /** When it was sent to the agent that took it, and when the agent's answer, whole or with a stream's beginning, was there. */
  readonly sentMs?: number;
  readonly answeredMs?: number;
  /** uid of the pod that has answered. */
  readonly environment?: string;
  readonly told: ToldTimes;
}

const nothingTold: ToldTimes = {};
/** All but the first are told by an environment's first answer only, or by answers of functions with extensions. */
const toldNames = [
  "durationMs",
  "initMs",
  "startMs",
  "fetchMs",
  "readyMs",
  "extensionsMs",
] as const satisfies readonly ToldName[];

/** Where the time of one call goes, ms: what neither client nor environment has taken is the router's own. */
export class CallTimes {
  /** What it ran in, where environments are kept ready for its version. */
  provisioned: ProvisionedUse | undefined;
  readonly #clock: Clock;
  readonly #startedMs: number;
  #bodyMs = 0;
  #waitMs = 0;
  #exchangeMs = 0;
  #answeredMs: number | undefined;
  #told = nothingTold;
  #environment = "";

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startedMs = clock.monotonicMs();
  }

  /** Until the event was there. */
  bodyArrived(): void {
    this.#bodyMs = this.#clock.monotonicMs() - this.#startedMs;
  }

  /** For an environment. */
  waited(ms: number): void {
    this.#waitMs += ms;
  }

  /** With an agent that has answered, whole or with a stream's beginning. */
  answered(ms: number, headers: AnswerHeaders, podUid: string): void {
    this.#environment = podUid;
    this.#exchangeMs += ms;
    this.#answeredMs = this.#clock.monotonicMs();
    this.#told = readTold(headers);
  }

  get told(): ToldTimes {
    return this.#told;
  }

  /** What the function took; of a stream, which ends now, what the agent took. */
  get functionMs(): number {
    return this.#told.durationMs ?? Math.max(0, this.#totalMs - this.#bodyMs - this.#waitMs);
  }

  /** As of now. */
  figures(): CallFigures {
    const answeredMs = this.#answeredMs;
    return {
      startedMs: this.#startedMs,
      endedMs: this.#clock.monotonicMs(),
      bodyMs: this.#bodyMs,
      waitMs: this.#waitMs,
      ...(answeredMs !== undefined && { answeredMs, sentMs: answeredMs - this.#exchangeMs }),
      ...(this.#environment !== "" && { environment: this.#environment }),
      told: this.#told,
    };
  }

  /** Once, at the call's end. */
  observe(metrics: RouterMetrics): void {
    const totalMs = this.#totalMs;
    const { durationMs, initMs, startMs, fetchMs } = this.#told;
    metrics.invocationSeconds.observe(totalMs / 1000);
    if (initMs !== undefined) metrics.initSeconds.observe(initMs / 1000);
    if (startMs !== undefined) metrics.startSeconds.observe(startMs / 1000);
    if (fetchMs !== undefined) metrics.fetchSeconds.observe(fetchMs / 1000);
    if (durationMs === undefined) return;
    metrics.functionSeconds.observe(durationMs / 1000);
    metrics.agentOverheadSeconds.observe(Math.max(0, this.#exchangeMs - durationMs) / 1000);
    const ownMs = totalMs - this.#bodyMs - this.#waitMs - this.#exchangeMs;
    metrics.routerOverheadSeconds.observe(Math.max(0, ownMs) / 1000);
  }

  get #totalMs(): number {
    return this.#clock.monotonicMs() - this.#startedMs;
  }
}

function readTold(headers: AnswerHeaders): ToldTimes {
  const told: { -readonly [K in ToldName]?: number } = {};
  for (const name of toldNames) {
    const header = headers[invocationAnswerHeaders[name]];
    const ms = typeof header === "string" ? Number(header) : NaN;
    if (Number.isFinite(ms)) told[name] = ms;
  }
  return told;
}
