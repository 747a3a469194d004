import { invocationAnswerHeaders } from "../../crds/wire/environment.ts";
import type { Clock } from "../../lib/clock.ts";
import type { AnswerHeaders } from "../environments/answer-collector.ts";
import type { RouterMetrics } from "../router-metrics.ts";

/** Where the time of one call goes, ms: what neither client nor environment has taken is the router's own. */
export class CallTimes {
  readonly #clock: Clock;
  readonly #startedMs: number;
  #bodyMs = 0;
  #waitMs = 0;
  #exchangeMs = 0;
  #functionMs: number | undefined;
  #initMs: number | undefined;

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
  answered(ms: number, headers: AnswerHeaders): void {
    this.#exchangeMs += ms;
    this.#functionMs = millisecondsOf(headers[invocationAnswerHeaders.durationMs]);
    this.#initMs = millisecondsOf(headers[invocationAnswerHeaders.initMs]);
  }

  /** What the function took; of a stream, which ends now, what the agent took. */
  get functionMs(): number {
    return this.#functionMs ?? Math.max(0, this.#totalMs - this.#bodyMs - this.#waitMs);
  }

  /** Once, at the call's end. */
  observe(metrics: RouterMetrics): void {
    const totalMs = this.#totalMs;
    metrics.invocationSeconds.observe(totalMs / 1000);
    if (this.#initMs !== undefined) metrics.initSeconds.observe(this.#initMs / 1000);
    if (this.#functionMs === undefined) return;
    metrics.functionSeconds.observe(this.#functionMs / 1000);
    metrics.agentOverheadSeconds.observe(Math.max(0, this.#exchangeMs - this.#functionMs) / 1000);
    const ownMs = totalMs - this.#bodyMs - this.#waitMs - this.#exchangeMs;
    metrics.routerOverheadSeconds.observe(Math.max(0, ownMs) / 1000);
  }

  get #totalMs(): number {
    return this.#clock.monotonicMs() - this.#startedMs;
  }
}

function millisecondsOf(header: AnswerHeaders[string]): number | undefined {
  const ms = typeof header === "string" ? Number(header) : NaN;
  return Number.isFinite(ms) ? ms : undefined;
}
