import { Agent, request } from "undici";
import { z } from "zod";
import type { FunctionLoad, LoadReport } from "../crds/wire/load-report.ts";
import { routes } from "../crds/wire/routes.ts";
import type { Clock } from "../lib/clock.ts";
import { readBody } from "../lib/http/read-body.ts";
import type { Logger } from "../lib/logger.ts";
import type { ConcurrencyLedger } from "./domain/concurrency.ts";
import { functionLoad, isWorthReporting, loadKey } from "./domain/demand.ts";
import type { FunctionDirectory, FunctionFacts } from "./domain/function-facts.ts";
import type { EnvironmentPool } from "./environments/environment-pool.ts";
import type { RouterMetrics } from "./router-metrics.ts";

export interface LoadReporterParts {
  readonly pool: EnvironmentPool;
  readonly functions: FunctionDirectory;
  readonly ledger: ConcurrencyLedger;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: RouterMetrics;
  /** uid of the router's pod. */
  readonly replica: string;
  /** `http://host:port` */
  readonly operatorUrl: string;
  /** The token for the operator, as it is now: it rotates. */
  readonly readToken: () => Promise<string>;
}

const answerSchema = z.object({ release: z.array(z.string().max(64)).max(100_000) });
const everyMs = 1000;
const answerLimitMs = 5000;
const longestAnswerBytes = 8 * 1024 * 1024;
/** Of failures in a row one in so many is warned of, the fifth first. */
const warnEvery = 30;

/**
 * Tells the operator what is needed and what is idle: once a second, and at once when a call waits or an environment is
 * given back. At most one report is under way; calls never wait for it, and its failure costs nothing but time.
 */
export class LoadReporter {
  readonly #parts: LoadReporterParts;
  readonly #connections = new Agent({
    connections: 1,
    connect: { timeout: answerLimitMs },
    headersTimeout: answerLimitMs,
    bodyTimeout: answerLimitMs,
  });
  #sequence = 0;
  #hasNews = false;
  #underWay: Promise<void> | undefined;
  #cancelNext: () => void = () => undefined;
  #isStopped = false;
  /** What the operator was told last, by `loadKey`: a version that became quiet is reported so once more. */
  #told: ReadonlySet<string> = new Set();
  #failures = 0;

  constructor(parts: LoadReporterParts) {
    this.#parts = parts;
    parts.pool.listen({ onUrgent: () => this.#hurry(), onChanged: () => undefined });
  }

  start(): void {
    this.#hurry();
  }

  /** Sends a last report. */
  async stop(): Promise<void> {
    await this.#underWay;
    await this.#send();
    this.#isStopped = true;
    this.#cancelNext();
    await this.#underWay;
    await this.#connections.destroy();
  }

  /** The report as it would go out now. */
  report(): LoadReport {
    const functions = [...this.#loads()].filter((load) => isWorthReporting(load) || this.#told.has(loadKey(load)));
    return { replica: this.#parts.replica, sequence: this.#sequence, functions };
  }

  *#loads(): Iterable<FunctionLoad> {
    const { functions, ledger, clock, pool } = this.#parts;
    const nowMs = clock.monotonicMs();
    for (const latest of functions.all()) {
      // Only an account's owner knows what it needs.
      if (!pool.owns(latest.namespace)) continue;
      const ceiling = ledger.ceiling(latest.uid);
      let listsEnvironments = true;
      for (const facts of functions.versionsOf(latest.uid)) {
        const load = functionLoad({ ...this.#demand(facts), listsEnvironments, ceiling }, nowMs);
        if (load === undefined) continue;
        listsEnvironments = false;
        yield load;
      }
    }
  }

  #demand(facts: FunctionFacts) {
    const { pool } = this.#parts;
    const failure = pool.failure(facts);
    return {
      facts,
      environments: pool.of(facts.uid),
      waiting: pool.waiting(facts.uid, facts.version),
      ...(failure !== undefined && { failure }),
    };
  }

  #hurry(): void {
    if (this.#isStopped) return;
    if (this.#underWay !== undefined) {
      this.#hasNews = true;
      return;
    }
    this.#cancelNext();
    this.#hasNews = false;
    // After the current turn: one burst of calls is one report.
    this.#underWay = new Promise<void>((resolve) => setImmediate(resolve))
      .then(() => this.#send())
      .finally(() => this.#next());
  }

  #next(): void {
    this.#underWay = undefined;
    if (this.#isStopped) return;
    // While the operator cannot be reached, news waits for the next second: hurry would be a busy loop.
    if (this.#hasNews && this.#failures === 0) this.#hurry();
    else this.#cancelNext = this.#parts.clock.schedule(everyMs, () => this.#hurry());
  }

  async #send(): Promise<void> {
    const { metrics, log, pool } = this.#parts;
    this.#sequence += 1;
    const report = this.report();
    try {
      const release = await this.#post(report);
      this.#told = new Set(report.functions.filter(isWorthReporting).map(loadKey));
      this.#failures = 0;
      metrics.loadReports.inc({ result: "ok" });
      pool.askBack(release);
    } catch (error) {
      this.#failures += 1;
      metrics.loadReports.inc({ result: "failed" });
      const write = this.#failures % warnEvery === 5 ? log.warn : log.debug;
      write("Cannot report load to the operator", { attempts: this.#failures, error });
    }
  }

  async #post(report: LoadReport): Promise<readonly string[]> {
    const { operatorUrl, readToken } = this.#parts;
    const { statusCode, body } = await request(`${operatorUrl}${routes.load}`, {
      method: "POST",
      dispatcher: this.#connections,
      headers: { authorization: `Bearer ${await readToken()}`, "content-type": "application/json" },
      body: JSON.stringify(report),
    });
    const text = (await readBody(body, longestAnswerBytes)).toString("utf8");
    if (statusCode !== 200)
      throw new Error(`Cannot report load: the operator answered ${statusCode}: ${text.slice(0, 500)}`);
    return answerSchema.parse(JSON.parse(text)).release;
  }
}
