import type { Pod } from "../pod.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";
import { environmentState, type EnvironmentState } from "./environment-state.ts";
import { provisionedGroup } from "./provisioned.ts";
import { addFailure, remainingBackOffMs, type NewFailure, type StartFailures } from "./start-failures.ts";

interface Expected {
  readonly name: string;
  readonly revisionID: string;
  /** When it was asked for; Infinity: it waits for its turn. */
  readonly atMs: number;
  /** uid of the environment that it replaces. */
  readonly replaces?: string | undefined;
}

/** What calls need changes from one moment to the next, and what is told of it should not. */
const atMostMs = 10_000;

/** What the autoscaler remembers of one function between two looks. All of it can be lost: pods and reports are the truth. */
export class FunctionScaling {
  /** uids that the routers were asked for; never taken back. */
  asked: ReadonlySet<string> = new Set();
  /** Of any revision, the newest. */
  lastFailure: StartFailures | undefined;
  readonly #failures = new Map<string, StartFailures>();
  readonly #creations = new Map<string, Expected>();
  readonly #removed = new Set<string>();
  readonly #counted = new Set<string>();
  /** Revision → when calls last needed more environments than it may have. */
  readonly #atMost = new Map<string, number>();
  /** Environments that somebody else takes away → whether calls used them until then. */
  readonly #missed = new Map<string, boolean>();

  /** What the cache says, and what we did since. */
  look(pods: readonly Stored<Pod>[], nowMs: number): readonly EnvironmentState[] {
    this.#forgetGone(new Set(pods.map(({ metadata }) => metadata.uid)));
    const states = pods.map(environmentState).map((state) => this.#withRemoval(state));
    for (const state of states) this.#countFailure(state, nowMs);
    return states;
  }

  /** Creations of a revision that the cache has not shown yet. */
  creating(revisionID: string): number {
    return [...this.#creations.values()].filter((creation) => creation.revisionID === revisionID).length;
  }

  /** What creations that the cache has not shown yet are to replace. */
  creatingFor(): ReadonlySet<string> {
    return new Set([...this.#creations.values()].flatMap(({ replaces }) => replaces ?? []));
  }

  /** Of an environment that goes without our doing; `wasInDemand` is asked when that is first seen: routers soon know it no more. */
  isMissed({ uid, isTakenAway }: EnvironmentState, wasInDemand: () => boolean): boolean {
    if (isTakenAway !== true || this.#removed.has(uid)) return false;
    const known = this.#missed.get(uid) ?? wasInDemand();
    this.#missed.set(uid, known);
    return known;
  }

  expect(creation: Expected): void {
    this.#creations.set(creation.name, creation);
  }

  /** The pod is in the cache, or is known not to exist. */
  settle(name: string): void {
    this.#creations.delete(name);
  }

  /** The API server went away over it: it is asked for at the next occasion, not when a watch could have shown it. */
  doubt(name: string): void {
    const creation = this.#creations.get(name);
    if (creation !== undefined) this.#creations.set(name, { ...creation, atMs: -Infinity });
  }

  /** Names of pods that were asked for before `beforeMs` and should have been seen by now; named again when as much time has passed anew. */
  takeOverdue(beforeMs: number, nowMs: number): readonly string[] {
    const overdue = [...this.#creations.values()].filter(({ atMs }) => atMs < beforeMs);
    for (const creation of overdue) this.#creations.set(creation.name, { ...creation, atMs: nowMs });
    return overdue.map(({ name }) => name);
  }

  removing(uid: string): void {
    this.#removed.add(uid);
  }

  notRemoved(uid: string): void {
    this.#removed.delete(uid);
  }

  /** The same environment fails once. */
  failOnce(uid: string, failure: NewFailure, nowMs: number): void {
    if (this.#counted.has(uid)) return;
    this.#counted.add(uid);
    this.fail(failure, nowMs);
  }

  fail(failure: NewFailure, nowMs: number): void {
    this.lastFailure = addFailure(this.#failures.get(failure.revisionID), failure, nowMs);
    this.#failures.set(failure.revisionID, this.lastFailure);
  }

  failuresOf(revisionID: string | undefined): StartFailures | undefined {
    return revisionID === undefined ? undefined : this.#failures.get(revisionID);
  }

  /** They were overcome. */
  forgetFailures(revisionID: string): void {
    this.#failures.delete(revisionID);
  }

  /** Those of other revisions are over. */
  keepFailures(revisionIDs: ReadonlySet<string>): void {
    for (const revisionID of this.#failures.keys()) if (!revisionIDs.has(revisionID)) this.forgetFailures(revisionID);
  }

  backOffMs(revisionID: string, nowMs: number): number {
    return remainingBackOffMs(this.#failures.get(revisionID), revisionID, nowMs);
  }

  /** These need more environments than they may have now. */
  noteAtMost(revisionIDs: readonly string[], nowMs: number): void {
    for (const [revisionID, lastMs] of this.#atMost) if (nowMs - lastMs >= atMostMs) this.#atMost.delete(revisionID);
    for (const revisionID of revisionIDs) this.#atMost.set(revisionID, nowMs);
  }

  /** Whether calls of a revision need, or lately needed, more environments than it may have. */
  isAtMost(revisionID: string): boolean {
    return this.#atMost.has(revisionID);
  }

  get isEmpty(): boolean {
    return this.#creations.size === 0 && !this.changesWithTime;
  }

  /** Otherwise whatever changes is told: a creation ends with a pod that the watch shows, or with a failure. */
  get changesWithTime(): boolean {
    return [this.#removed, this.asked, this.#failures, this.#missed, this.#atMost].some(({ size }) => size > 0);
  }

  #withRemoval(state: EnvironmentState): EnvironmentState {
    return this.#removed.has(state.uid) ? { ...state, phase: "terminating" } : state;
  }

  #countFailure({ uid, phase, failure, isSlowToMend, ...state }: EnvironmentState, nowMs: number): void {
    const isOver = phase === "failed" || phase === "ended";
    if (!isOver || failure === undefined) return;
    const { revisionID: own, provisionedFor } = state;
    const revisionID = provisionedFor === undefined ? own : provisionedGroup(own);
    this.failOnce(uid, { revisionID, failure, isSlowToMend }, nowMs);
  }

  #forgetGone(present: ReadonlySet<string>): void {
    for (const uids of [this.#removed, this.#counted, this.#missed])
      for (const uid of uids.keys()) if (!present.has(uid)) uids.delete(uid);
  }
}
