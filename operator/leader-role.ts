import type { LoadReport, LoadReportAnswer } from "../crds/wire/load-report.ts";
import { kinds } from "../lib/kubernetes/kinds.ts";
import type { ControllerMetrics } from "../lib/kubernetes/controller-metrics.ts";
import { LeaderElection, type Lease } from "../lib/kubernetes/leader-election.ts";
import { ObjectCache } from "../lib/kubernetes/object-cache.ts";
import { sleep } from "../lib/clock.ts";
import type { NotServedObject } from "./controllers/not-served/decide.ts";
import { setLeaderLabel, takeLeaderLabel } from "./leader-label.ts";
import { holderOf, isPodGone } from "./lease-holder.ts";
import { lead, type Leadership } from "./leadership.ts";
import type { OperatorCaches } from "./operator-caches.ts";
import type { OperatorConfig } from "./operator-config.ts";
import type { OperatorDependencies } from "./operator-dependencies.ts";
import type { PoolMetrics } from "./scaling/pool-metrics.ts";

export interface LeaderRoleOptions {
  readonly config: OperatorConfig;
  readonly dependencies: OperatorDependencies;
  readonly caches: OperatorCaches;
  readonly notServed: readonly ObjectCache<NotServedObject>[];
  readonly metrics: ControllerMetrics;
  readonly poolMetrics: PoolMetrics;
}

interface Term {
  readonly ending: AbortController;
  /** Undefined when it ended before it began. */
  readonly leadership: Promise<Leadership | undefined>;
  current?: Leadership | undefined;
}

const leaseName = "kubelambda-operator";
const retryMs = 2000;
/** Between losing the Lease and another's beginning. */
const handoverMs = 4000;

/** Stands for election where there is one, and leads while it may: one term after another, each beginning from nothing. */
export class LeaderRole {
  readonly #options: LeaderRoleOptions;
  #election: LeaderElection | undefined;
  #lease: ObjectCache<Lease> | undefined;
  #term: Term | undefined;
  #ended: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(options: LeaderRoleOptions) {
    this.#options = options;
  }

  /** Without election resolves once it leads. */
  async start(): Promise<void> {
    const { config, dependencies } = this.#options;
    if (!config.KUBELAMBDA_LEADER_ELECTION) {
      this.#begin();
      await this.#term?.leadership;
      return;
    }
    const { client, clock, log } = dependencies;
    await this.#setLabel(false);
    this.#election = new LeaderElection({
      client,
      clock,
      namespace: config.KUBELAMBDA_NAMESPACE,
      name: leaseName,
      identity: holderOf(config),
      onStarted: () => this.#begin(),
      onLost: (reason) => this.#end(reason),
      onError: (error) => log.debug("Lease not renewed", { error }),
      isHolderGone: (identity) => isPodGone(client, config.KUBELAMBDA_NAMESPACE, identity),
    });
    this.#lease = this.#watchLease(this.#election);
    this.#election.start();
  }

  isLeading(): boolean {
    return this.#term?.current !== undefined && this.#mayAct();
  }

  /** Undefined: this operator does not lead (yet). */
  takeReport(report: LoadReport): LoadReportAnswer | undefined {
    return this.isLeading() ? this.#term?.current?.autoscaler.take(report) : undefined;
  }

  async stop(deadline: AbortSignal): Promise<void> {
    this.#isStopped = true;
    const term = this.#term;
    const election = this.#election;
    // What is under way ends while we still hold the Lease; then it goes to the next at once.
    if (term !== undefined) await this.#close(term, deadline);
    await Promise.all([election?.stop(), this.#lease?.stop()]);
    await this.#ended;
  }

  /** A leader that ends lets the Lease go: whoever waits for it has it a moment later. */
  #watchLease(election: LeaderElection): ObjectCache<Lease> {
    const { config, dependencies } = this.#options;
    const { client, clock, log } = dependencies;
    const lease = new ObjectCache<Lease>({
      ...{ client, clock, kind: kinds.lease, namespace: config.KUBELAMBDA_NAMESPACE },
      fieldSelector: `metadata.name=${leaseName}`,
      onError: (error) => log.debug("Watch of the Lease failed and goes on", { error }),
    });
    lease.onChange(({ object }) => {
      if (object.spec?.holderIdentity === "") election.lookNow();
    });
    lease.start();
    return lease;
  }

  #mayAct(): boolean {
    return !this.#isStopped && this.#term?.ending.signal.aborted === false && this.#election?.isLeader() !== false;
  }

  #begin(): void {
    if (this.#isStopped) return;
    const ending = new AbortController();
    const term: Term = { ending, leadership: this.#lead(ending.signal).catch(() => undefined) };
    this.#term = term;
    void term.leadership.then((leadership) => {
      if (!ending.signal.aborted) term.current = leadership;
    });
  }

  /** Tries until it leads or the term ends. */
  async #lead(signal: AbortSignal): Promise<Leadership | undefined> {
    const { dependencies } = this.#options;
    const { clock, log } = dependencies;
    await this.#ended;
    for (;;) {
      signal.throwIfAborted();
      try {
        const leadership = await lead({ ...this.#options, mayAct: () => this.#mayAct() && !signal.aborted, signal });
        await this.#labelOr(leadership);
        log.info("Leading");
        return leadership;
      } catch (error) {
        if (signal.aborted) return undefined;
        log.error("Cannot lead yet: trying again", { error });
        await sleep(clock, retryMs, signal);
      }
    }
  }

  #end(reason: string): void {
    const term = this.#term;
    if (term === undefined) return;
    this.#options.dependencies.log.info(`No longer leading: ${reason}`);
    this.#ended = this.#close(term, AbortSignal.timeout(handoverMs));
  }

  async #close(term: Term, deadline: AbortSignal): Promise<void> {
    if (term.ending.signal.aborted) return;
    term.ending.abort(new Error("The term has ended"));
    if (this.#term === term) this.#term = undefined;
    const leadership = await term.leadership;
    await leadership?.stop(deadline);
    await this.#setLabel(false).catch((error: unknown) => {
      this.#options.dependencies.log.warn("Cannot give the leader's label back: the next leader takes it", { error });
    });
  }

  /** Without the label no report comes in: then it does not lead either. */
  async #labelOr(leadership: Leadership): Promise<void> {
    try {
      await this.#setLabel(true);
    } catch (error) {
      await leadership.stop(AbortSignal.abort());
      throw error;
    }
  }

  async #setLabel(isLeader: boolean): Promise<void> {
    const { config, dependencies } = this.#options;
    const { KUBELAMBDA_POD_NAME: podName, KUBELAMBDA_NAMESPACE: namespace } = config;
    if (podName === undefined) return;
    if (isLeader) await takeLeaderLabel(dependencies.client, namespace, podName);
    else await setLeaderLabel(dependencies.client, namespace, { podName, isLeader });
  }
}
