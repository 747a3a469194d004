import { type Clock, sleep } from "../clock.ts";
import type { KubernetesClient, RequestOptions } from "./client.ts";
import { kinds } from "./kinds.ts";
import { isKubernetesError, type KubernetesError } from "./kubernetes-error.ts";
import { microTime } from "./micro-time.ts";
import type { KubernetesObject, ObjectRef, Stored } from "./object.ts";
import { toKubernetesError } from "./to-kubernetes-error.ts";

/** A Lease of coordination.k8s.io/v1. */
export interface Lease extends KubernetesObject {
  readonly spec?: {
    readonly holderIdentity?: string | null;
    readonly leaseDurationSeconds?: number | null;
    readonly acquireTime?: string | null;
    readonly renewTime?: string | null;
    readonly leaseTransitions?: number | null;
  };
}

export interface LeaderElectionOptions {
  readonly client: KubernetesClient;
  readonly clock: Clock;
  readonly namespace: string;
  /** The Lease's name: one for each thing that has one leader. */
  readonly name: string;
  /** This candidate; unique, e.g. the pod's name and uid. */
  readonly identity: string;
  /** Others wait so long after the last renewal that they saw. Default 15,000; whole seconds. */
  readonly leaseDurationMs?: number;
  /** A leader that could not renew for so long gives up, before others take over. Default 10,000. */
  readonly renewDeadlineMs?: number;
  /** Between attempts. Default 2,000. */
  readonly retryPeriodMs?: number;
  readonly onStarted: () => void;
  /**
   * Called once after each onStarted: all work has to end within leaseDurationMs - renewDeadlineMs. `stop` lets the
   * Lease go only when this is done.
   */
  readonly onLost: (reason: string) => void | Promise<void>;
  readonly onError?: (error: KubernetesError) => void;
  /**
   * Whether a holder has ended for certain, as its pod's end shows: its Lease is then not waited out, once two renewals are missing. Whoever
   * loses the right to the Lease before it ends (an uninstall takes both at once) cannot let it go. Default: nobody knows.
   */
  readonly isHolderGone?: (identity: string) => Promise<boolean>;
  readonly draw?: () => number;
}

interface Observed {
  readonly resourceVersion: string;
  readonly atMs: number;
}

/**
 * One leader among many candidates, held by a Lease. Judges only by how long this machine has seen the Lease unchanged,
 * so clocks that differ do no harm; a leader's own time counts from before its request, so it ends first.
 */
export class LeaderElection {
  readonly #options: LeaderElectionOptions;
  readonly #ref: ObjectRef;
  readonly #leaseDurationMs: number;
  readonly #renewDeadlineMs: number;
  readonly #retryPeriodMs: number;
  readonly #stop = new AbortController();
  #lease: Stored<Lease> | undefined;
  #observed: Observed | undefined;
  #leadsUntilMs = -Infinity;
  #isLeading = false;
  #cancelDeadline: (() => void) | undefined;
  #running: Promise<void> | undefined;
  #losing: Promise<void> | undefined;
  #wake: () => void = () => undefined;

  constructor(options: LeaderElectionOptions) {
    this.#options = options;
    this.#ref = { kind: kinds.lease, namespace: options.namespace, name: options.name };
    this.#leaseDurationMs = Math.ceil((options.leaseDurationMs ?? 15_000) / 1000) * 1000;
    this.#renewDeadlineMs = options.renewDeadlineMs ?? 10_000;
    this.#retryPeriodMs = options.retryPeriodMs ?? 2_000;
    if (this.#retryPeriodMs >= this.#renewDeadlineMs || this.#renewDeadlineMs >= this.#leaseDurationMs) {
      throw new RangeError(
        `Cannot elect a leader: retry ${this.#retryPeriodMs} ms, renew ${this.#renewDeadlineMs} ms and lease ` +
          `${this.#leaseDurationMs} ms have to grow in this order`,
      );
    }
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** The Lease may be free: looks at once instead of after the retry period. */
  lookNow(): void {
    this.#wake();
  }

  /** Ends the candidacy; a leader lets the Lease go (after onLost), so that another takes over at once. */
  async stop(): Promise<void> {
    this.#stop.abort(new Error("The election has stopped"));
    await this.#running;
    this.#lose("stopped");
    await this.#losing;
    if (this.#running !== undefined) await this.#release();
  }

  /** True while this candidate may act; checked against the clock, so it is right also after a pause of the process. */
  isLeader(): boolean {
    return this.#isLeading && this.#options.clock.monotonicMs() < this.#leadsUntilMs;
  }

  async #run(): Promise<void> {
    const { clock, draw = Math.random } = this.#options;
    while (!this.#isStopped()) {
      // One term's work has to be over before the next term begins.
      await this.#losing;
      const startedAtMs = clock.monotonicMs();
      const holds = await this.#tryToHold(startedAtMs).catch((error: unknown) => this.#report(error));
      if (this.#isStopped()) return;
      if (holds === true) this.#lead(startedAtMs + this.#renewDeadlineMs);
      if (holds === false) this.#lose("another candidate holds the lease");
      // Jitter keeps candidates from asking in step.
      const pauseMs = this.#isLeading ? this.#retryPeriodMs : this.#retryPeriodMs * (1 + 0.2 * draw());
      await this.#rest(pauseMs);
    }
  }

  async #rest(pauseMs: number): Promise<void> {
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    await sleep(this.#options.clock, pauseMs, AbortSignal.any([this.#stop.signal, woken.signal])).catch(
      () => undefined,
    );
    this.#wake = () => undefined;
  }

  /** Answers whether we hold the Lease now; throws when that is not known. */
  async #tryToHold(nowMs: number): Promise<boolean> {
    try {
      this.#lease ??= await this.#read();
      if (this.#lease === undefined) {
        this.#keep(await this.#options.client.create(this.#desired(undefined), this.#requestOptions()), nowMs);
        return true;
      }
      if (!this.#isOurs(this.#lease)) {
        // Another's renewals are seen only by reading again.
        this.#lease = await this.#read();
        if (this.#lease !== undefined && !(await this.#mayTake(this.#lease))) return false;
      }
      const desired = this.#desired(this.#lease);
      const stored = await (this.#lease === undefined
        ? this.#options.client.create(desired, this.#requestOptions())
        : this.#options.client.update(desired, this.#requestOptions()));
      this.#keep(stored, nowMs);
      return true;
    } catch (error) {
      this.#lease = undefined;
      if (!isKubernetesError(error, "Conflict", "AlreadyExists")) throw error;
      // Someone else wrote it: perhaps us, in a request whose answer was lost.
      this.#lease = await this.#read();
      return this.#lease !== undefined && this.#isOurs(this.#lease) ? await this.#renewOwn(nowMs) : false;
    }
  }

  async #renewOwn(nowMs: number): Promise<boolean> {
    this.#keep(await this.#options.client.update(this.#desired(this.#lease), this.#requestOptions()), nowMs);
    return true;
  }

  async #read(options = this.#requestOptions()): Promise<Stored<Lease> | undefined> {
    try {
      const lease = await this.#options.client.get<Lease>(this.#ref, options);
      const { resourceVersion } = lease.metadata;
      if (this.#observed?.resourceVersion !== resourceVersion) {
        this.#observed = { resourceVersion, atMs: this.#options.clock.monotonicMs() };
      }
      return lease;
    } catch (error) {
      if (isKubernetesError(error, "NotFound")) return undefined;
      throw error;
    }
  }

  #keep(lease: Stored<Lease>, atMs: number): void {
    this.#lease = lease;
    this.#observed = { resourceVersion: lease.metadata.resourceVersion, atMs };
  }

  #isOurs(lease: Lease): boolean {
    return lease.spec?.holderIdentity === this.#options.identity;
  }

  async #mayTake(lease: Stored<Lease>): Promise<boolean> {
    if (this.#isOurs(lease) || this.#isFree(lease)) return true;
    const { isHolderGone } = this.#options;
    if (isHolderGone === undefined || this.#unchangedMs() < 2 * this.#retryPeriodMs) return false;
    return await isHolderGone(lease.spec?.holderIdentity ?? "");
  }

  #isFree({ spec }: Lease): boolean {
    const holder = spec?.holderIdentity ?? "";
    const leaseMs = (spec?.leaseDurationSeconds ?? this.#leaseDurationMs / 1000) * 1000;
    return holder === "" || this.#unchangedMs() > leaseMs;
  }

  #unchangedMs(): number {
    return this.#observed === undefined ? 0 : this.#options.clock.monotonicMs() - this.#observed.atMs;
  }

  #desired(lease: Stored<Lease> | undefined): Lease {
    const now = microTime(this.#options.clock.nowMs());
    const isNew = lease === undefined || !this.#isOurs(lease);
    const { namespace, name, identity } = this.#options;
    return {
      apiVersion: kinds.lease.apiVersion,
      kind: kinds.lease.kind,
      metadata: lease?.metadata ?? { namespace, name },
      spec: {
        ...lease?.spec,
        holderIdentity: identity,
        leaseDurationSeconds: this.#leaseDurationMs / 1000,
        renewTime: now,
        acquireTime: isNew ? now : (lease.spec?.acquireTime ?? now),
        leaseTransitions: (lease?.spec?.leaseTransitions ?? 0) + (isNew && lease !== undefined ? 1 : 0),
      },
    };
  }

  #lead(untilMs: number): void {
    const { clock, onStarted } = this.#options;
    const leftMs = untilMs - clock.monotonicMs();
    if (leftMs <= 0 || this.#losing !== undefined) return;
    this.#leadsUntilMs = untilMs;
    this.#cancelDeadline?.();
    this.#cancelDeadline = clock.schedule(leftMs, () => this.#lose("the lease could not be renewed in time"));
    if (this.#isLeading) return;
    this.#isLeading = true;
    onStarted();
  }

  #lose(reason: string): void {
    this.#cancelDeadline?.();
    this.#cancelDeadline = undefined;
    this.#leadsUntilMs = -Infinity;
    if (!this.#isLeading) return;
    this.#isLeading = false;
    this.#losing = Promise.resolve(this.#options.onLost(reason))
      .catch((error: unknown) => this.#report(error))
      .finally(() => (this.#losing = undefined));
  }

  /** Nobody waits for this longer than for two renewals: without it others take over after the lease's duration. */
  async #release(): Promise<void> {
    const within = { timeoutMs: this.#retryPeriodMs, isUrgent: true };
    try {
      // Unknown after an attempt whose answer was lost: it may have got us the Lease.
      const lease = this.#lease ?? (await this.#read(within));
      if (lease === undefined || !this.#isOurs(lease)) return;
      const spec = { ...lease.spec, holderIdentity: "", renewTime: microTime(this.#options.clock.nowMs()) };
      await this.#options.client.update({ ...lease, spec }, within);
    } catch (error) {
      this.#report(error);
    }
  }

  /** No request begins once the candidacy has ended, but one under way is waited for: what it writes has to be known to be let go. */
  #requestOptions(): RequestOptions {
    this.#stop.signal.throwIfAborted();
    return { timeoutMs: this.#retryPeriodMs, isUrgent: true };
  }

  #isStopped(): boolean {
    return this.#stop.signal.aborted;
  }

  #report(error: unknown): undefined {
    if (!this.#isStopped()) this.#options.onError?.(toKubernetesError(`hold lease "${this.#ref.name}"`, error));
  }
}
