import type { BackoffPolicy } from "../backoff.ts";
import type { Clock } from "../clock.ts";
import type { Logger } from "../logger.ts";
import type { Applier } from "./apply.ts";
import { carryOut } from "./carry-out.ts";
import type { KubernetesClient } from "./client.ts";
import type { ControllerMetrics } from "./controller-metrics.ts";
import type { ControllerWatch } from "./controller-watch.ts";
import type { EventRecorder } from "./event-recorder.ts";
import type { KindTable } from "./kinds.ts";
import { isKubernetesError } from "./kubernetes-error.ts";
import { type KindRef, type KubernetesObject, splitKey, type Stored } from "./object.ts";
import type { CarryOutFailure, Plan } from "./plan.ts";
import { type Visit, WorkQueue } from "./work-queue.ts";

/** What a decision needs; `object` is the reconciled object as it was seen. */
export interface SeenObject {
  readonly object: Stored;
}

/** A reconciler: what it looks at, what it decides and what wakes it. */
export interface ControllerDefinition<Seen extends SeenObject, Status> {
  /** For logs and metrics, e.g. "function". */
  readonly name: string;
  readonly kind: KindRef;
  /** Reads everything that the decision needs; undefined when the object is not there. */
  readonly observe: (key: string, signal: AbortSignal) => Promise<Seen | undefined>;
  /** Pure. `failure` is what could not be carried out the last time, if anything. */
  readonly decide: (seen: Seen, nowMs: number, failure?: CarryOutFailure) => Plan<Status>;
  readonly watches: readonly ControllerWatch[];
}

export interface ControllerOptions {
  readonly client: KubernetesClient;
  readonly kindOf: KindTable;
  readonly applier: Applier;
  readonly events: Pick<EventRecorder, "record">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics?: ControllerMetrics;
  /** Reconciliations at the same moment. Default 4. */
  readonly workers?: number;
  readonly backoff?: BackoffPolicy;
  /** Asked right before a plan is carried out, e.g. whether we lead: what says no is looked at again later. */
  readonly mayAct?: () => boolean;
  readonly cachedOf?: (object: KubernetesObject) => Stored | undefined;
}

const notAllowedRetryMs = 1_000;

/** The shell around a reconciler: caches wake it, it observes, decides, and the plan is carried out. No error ends it. */
export class Controller<Seen extends SeenObject, Status> {
  readonly #definition: ControllerDefinition<Seen, Status>;
  readonly #options: ControllerOptions;
  readonly #queue: WorkQueue;
  readonly #failures = new Map<string, CarryOutFailure>();
  readonly #stop = new AbortController();
  #unsubscribe: readonly (() => void)[] = [];

  constructor(definition: ControllerDefinition<Seen, Status>, options: ControllerOptions) {
    const { clock, workers, backoff } = options;
    this.#definition = definition;
    this.#options = options;
    this.#queue = new WorkQueue({
      work: (key) => this.#visit(key),
      clock,
      ...(workers !== undefined && { workers }),
      ...(backoff !== undefined && { backoff }),
      onError: (key, error) => this.#log("error", "Cannot reconcile", key, { error }),
    });
  }

  /** Waits for the caches, then reconciles everything once and whatever changes from then on. */
  async start(signal?: AbortSignal): Promise<void> {
    const { watches } = this.#definition;
    const either = signal === undefined ? this.#stop.signal : AbortSignal.any([signal, this.#stop.signal]);
    await Promise.all(watches.map((watch) => watch.synced(either)));
    either.throwIfAborted();
    this.#unsubscribe = watches.map((watch) => watch.subscribe((key) => this.wake(key)));
    for (const watch of watches) for (const key of watch.keys()) this.#queue.add(key);
    this.#queue.start();
  }

  /** Wants this object reconciled soon. */
  wake(key: string): void {
    this.#queue.add(key);
    this.#options.metrics?.queued(this.#definition.name, this.#queue.depth);
  }

  /** Begins nothing more and resolves when what is under way has ended; with a deadline, that is cut off when it is over. */
  async stop(deadline?: AbortSignal): Promise<void> {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#unsubscribe = [];
    const cut = (): void => this.#stop.abort(new Error(`The controller "${this.#definition.name}" has stopped`));
    if (deadline?.aborted === true) cut();
    deadline?.addEventListener("abort", cut, { once: true });
    await this.#queue.stop();
    deadline?.removeEventListener("abort", cut);
    cut();
  }

  async #visit(key: string): Promise<Visit> {
    const { clock, metrics } = this.#options;
    const { name } = this.#definition;
    const startedAtMs = clock.monotonicMs();
    let outcome = "error";
    try {
      const visited = await this.#reconcile(key);
      outcome = visited.outcome;
      return visited.visit;
    } catch (error) {
      if (this.#stop.signal.aborted) return { next: "none" };
      const code = isKubernetesError(error) ? error.code : "unknown";
      metrics?.failed(name, code);
      this.#log(code === "unknown" ? "error" : "warn", "Cannot reconcile", key, { error });
      return { next: "retry", minDelayMs: isKubernetesError(error) ? error.retryAfterMs : undefined };
    } finally {
      metrics?.reconciled(name, outcome, (clock.monotonicMs() - startedAtMs) / 1000);
      metrics?.queued(name, this.#queue.depth);
    }
  }

  async #reconcile(key: string): Promise<{ readonly outcome: string; readonly visit: Visit }> {
    const { observe, decide, kind } = this.#definition;
    const { clock, client, applier, kindOf, cachedOf, mayAct = () => true } = this.#options;
    const seen = await observe(key, this.#stop.signal);
    if (seen === undefined) {
      this.#failures.delete(key);
      return { outcome: "absent", visit: { next: "none" } };
    }
    const plan = decide(seen, clock.nowMs(), this.#failures.get(key));
    if (!mayAct()) return { outcome: "held", visit: { next: "again", afterMs: notAllowedRetryMs } };
    const hands = { client, applier, kindOf, cachedOf, signal: this.#stop.signal };
    const failure = await carryOut(hands, kind, seen.object, plan);
    this.#record(seen.object, plan, failure);
    if (failure === undefined) this.#failures.delete(key);
    else return { outcome: "failed", visit: this.#failed(key, failure) };
    return { outcome: plan.outcome, visit: visitAfter(plan) };
  }

  #failed(key: string, failure: CarryOutFailure): Visit {
    const { step, ref, error } = failure;
    if (this.#stop.signal.aborted) return { next: "none" };
    // A status that changed meanwhile says nothing about the children.
    const isLostRace = error.code === "Conflict" && (step === "status" || step === "finalizers");
    if (!isLostRace) this.#failures.set(key, failure);
    this.#options.metrics?.failed(this.#definition.name, error.code);
    const fields = { error, step, object: `${ref.kind.kind} ${ref.name}` };
    this.#log(isLostRace ? "debug" : "warn", "Cannot carry out the plan", key, fields);
    return { next: "retry", minDelayMs: error.retryAfterMs };
  }

  #record(object: Stored, plan: Plan<Status>, failure: CarryOutFailure | undefined): void {
    for (const draft of plan.events) {
      // What a plan says has been done has been done only when all of it has.
      if (failure !== undefined && draft.type === "Normal") continue;
      this.#options.events.record(draft.regarding ?? object, draft);
    }
  }

  #log(level: "debug" | "warn" | "error", message: string, key: string, fields: object): void {
    const { kind, name: controller } = this.#definition;
    this.#options.logger[level](message, { kind: kind.kind, ...splitKey(key), controller, ...fields });
  }
}

function visitAfter({ outcome, recheckAfterMs }: Plan<unknown>): Visit {
  if (outcome === "retry") return { next: "retry", minDelayMs: recheckAfterMs };
  return recheckAfterMs === undefined ? { next: "none" } : { next: "again", afterMs: recheckAfterMs };
}
