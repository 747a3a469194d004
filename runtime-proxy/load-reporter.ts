import { z } from "zod";
import type { FunctionLoad, LoadReport } from "../crds/wire/load-report.ts";
import { routes } from "../crds/wire/routes.ts";
import type { Clock } from "../lib/clock.ts";
import { KeptPost } from "../lib/http/kept-post.ts";
import type { Logger } from "../lib/logger.ts";
import type { ConcurrencyLedger } from "./domain/concurrency.ts";
import { functionLoad } from "./domain/demand.ts";
import type { FunctionDirectory, FunctionFacts } from "./domain/function-facts.ts";
import { ToldLoads } from "./domain/told-loads.ts";
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

const answerSchema = z.object({ release: z.array(z.string().max(64)).max(100_000), heard: z.number().optional() });
const everyMs = 1000;
/** From one report to the next, however much news there is: in a burst each has much of it. */
const leastMs = 10;
const answerLimitMs = 5000;
const longestAnswerBytes = 8 * 1024 * 1024;
/** So many functions a second are told anew although nothing seems to have changed: whatever was missed is mended within a minute. */
const refreshedAtOnce = 100;
/** Of failures in a row one in so many is warned of, the fifth first. */
const warnEvery = 30;

/**
 * Tells the operator what is needed and what is idle: once a second, and at once when a call waits or an environment is
 * given back; of all functions first, then of those that have changed. At most one report is under way; calls never wait for it, and its failure
 * costs nothing but time.
 */
export class LoadReporter {
  readonly #parts: LoadReporterParts;
  readonly #toOperator: KeptPost;
  #sequence = 0;
  #sentAtMs = -Infinity;
  #hasNews = false;
  #underWay: Promise<void> | undefined;
  #cancelNext: () => void = () => undefined;
  #isStopped = false;
  readonly #told: ToldLoads;
  #refreshing: Iterator<FunctionFacts> | undefined;
  #refreshedAtMs = -Infinity;
  #failures = 0;

  constructor(parts: LoadReporterParts) {
    this.#parts = parts;
    const { pool, functions, operatorUrl } = parts;
    this.#toOperator = new KeptPost({ url: `${operatorUrl}${routes.load}`, answerLimitMs, longestAnswerBytes });
    this.#told = new ToldLoads({
      *all() {
        for (const { uid } of functions.all()) yield uid;
      },
      loadsOf: (uid) => [...this.#loadsOf(functions.findByUid(uid))],
    });
    pool.listen({ onUrgent: () => this.#hurry(), onChanged: () => undefined });
    functions.onChange((uid) => this.#told.touch(uid));
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
    this.#toOperator.destroy();
  }

  *#loadsOf(latest: FunctionFacts | undefined): Iterable<FunctionLoad> {
    const { functions, ledger, clock, pool } = this.#parts;
    // Only an account's owner knows what it needs.
    if (latest === undefined || !pool.owns(latest.namespace)) return;
    const nowMs = clock.monotonicMs();
    const ceiling = ledger.ceiling(latest.uid);
    let listsEnvironments = true;
    const versions = functions.versionsOf(latest.uid);
    const revisions = new Set(versions.flatMap(({ revisionID }) => revisionID ?? []));
    for (const facts of versions) {
      const load = functionLoad({ ...this.#demand(facts), listsEnvironments, revisions, ceiling }, nowMs);
      if (load === undefined) continue;
      listsEnvironments = false;
      yield load;
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
    const restMs = this.#sentAtMs + leastMs - this.#parts.clock.monotonicMs();
    if (restMs > 0) this.#cancelNext = this.#parts.clock.schedule(restMs, () => this.#begin());
    else this.#begin();
  }

  #begin(): void {
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
    else this.#cancelNext = this.#parts.clock.schedule(everyMs, () => this.#begin());
  }

  async #send(): Promise<void> {
    const { metrics, log, pool } = this.#parts;
    this.#sequence += 1;
    this.#sentAtMs = this.#parts.clock.monotonicMs();
    this.#touchChanged();
    const report = { replica: this.#parts.replica, sequence: this.#sequence, ...this.#told.draw() };
    try {
      const { release, heard } = await this.#post(report);
      if (this.#told.heard(heard)) this.#hasNews = true;
      this.#failures = 0;
      metrics.loadReports.inc({ result: "ok" });
      pool.askBack(release);
    } catch (error) {
      this.#told.lost();
      this.#failures += 1;
      this.#toOperator.renew();
      metrics.loadReports.inc({ result: "failed" });
      const write = this.#failures % warnEvery === 5 ? log.warn : log.debug;
      write("Cannot report load to the operator", { attempts: this.#failures, error });
    }
  }

  #touchChanged(): void {
    const { pool, clock } = this.#parts;
    for (const uid of pool.takeTouched()) this.#told.touch(uid);
    if (clock.monotonicMs() - this.#refreshedAtMs < everyMs) return;
    this.#refreshedAtMs = clock.monotonicMs();
    // How many of them may run changes with the limits of others.
    for (const uid of pool.waitingFunctions()) this.#told.touch(uid);
    for (const uid of this.#refreshed()) this.#told.touch(uid);
  }

  /** The next ones of all functions, whether anything happened to them or not. */
  *#refreshed(): Iterable<string> {
    this.#refreshing ??= [...this.#parts.functions.all()].values();
    for (let i = 0; i < refreshedAtOnce; i += 1) {
      const next = this.#refreshing.next();
      if (next.done === true) {
        this.#refreshing = undefined;
        return;
      }
      yield next.value.uid;
    }
  }

  async #post(report: LoadReport): Promise<z.infer<typeof answerSchema>> {
    const { status, text } = await this.#toOperator.post(JSON.stringify(report), await this.#parts.readToken());
    if (status !== 200) throw new Error(`Cannot report load: the operator answered ${status}: ${text.slice(0, 500)}`);
    return answerSchema.parse(JSON.parse(text));
  }
}
