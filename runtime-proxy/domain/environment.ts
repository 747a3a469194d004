/** What the router knows of execution environments, and which one takes the next call. */
import type { EnvironmentAnnouncement } from "../../crds/wire/environment.ts";
import type { Grant, Position } from "../../crds/wire/position.ts";
import { IdleEnvironments, isSamePlace } from "./idle-environments.ts";
import {
  claimOf,
  end as endUse,
  give,
  hear,
  inheritedTenancy,
  lend,
  newTenancy,
  renew as renewTenancy,
  type Tenancy,
  type UseEnd,
} from "./ownership/tenancy.ts";

export type { UseEnd } from "./ownership/tenancy.ts";

/** An execution environment as Kubernetes says it is. */
export interface EnvironmentPod {
  readonly podUid: string;
  readonly namespace: string;
  readonly functionUid: string;
  readonly revisionID: string;
  /** Absent: it stands in for no other revision. */
  readonly configurationID?: string | undefined;
  /** The version that it is kept ready for; absent: it was made on demand. */
  readonly provisionedFor?: string | undefined;
  /** Of the pod; its status shows it up to a second late. */
  readonly podIP?: string;
  readonly isTerminating: boolean;
  /** By the API server's clock, ms. */
  readonly createdAtMs?: number;
}

/** Execution environments that exist in the cluster. */
export interface EnvironmentDirectory {
  all(): Iterable<EnvironmentPod>;
  /** Calls with every pod that came, changed or (`undefined`) went; also once for each that is there already. */
  onChange(listener: (podUid: string, pod: EnvironmentPod | undefined) => void): void;
  /** Those of an account as the API server has them at this moment, not as the watch shows them. */
  listNow(namespace: string): Promise<readonly EnvironmentPod[]>;
}

/**
 * `unheard`: never announced. `busy`: runs a call that is not ours. `aside`: failed us, until it announces itself again.
 * `stale`: has not been heard for so long that it would not take our word.
 * The others as announced.
 */
export type EnvironmentStanding = "unheard" | "starting" | "ready" | "busy" | "aside" | "stale" | "draining";

export interface Environment {
  readonly pod: EnvironmentPod;
  readonly standing: EnvironmentStanding;
  /** `host:port`; absent until announced. */
  readonly address?: string;
  /** Runs a call of this router. */
  readonly isInUse: boolean;
  /** The operator wants it back: not handed out again. */
  readonly isAskedBack: boolean;
  /** Something may run in it that no call of ours stands for. */
  readonly mayRun: boolean;
  /** When that began, on our clock, ms. */
  readonly mayRunSinceMs: number;
  /** Its own clock when it sent what was heard of it last, ms. */
  readonly heardMs: number;
  /** When it was heard last, on our clock, ms. */
  readonly heardAtMs: number;
  /** Its first init failed: kept ready, it takes no calls. */
  readonly hasFailedInit: boolean;
  /** Number of the newest grant. */
  readonly turn: number;
  /** When it last came free or got ready. */
  readonly idleSinceMs: number;
  /** It answered once, and does not any more when it is asked. */
  readonly isUnreachable: boolean;
}

type Picked = Pick<EnvironmentPod, "functionUid" | "revisionID" | "configurationID">;
type PickedReady = Picked & { readonly version: string };
type Entry = { -readonly [K in keyof Environment]: Environment[K] } & Tenancy & { sequence: number };

export interface RegistryOptions {
  /** An environment begins or ceases to count as a call of its own. */
  readonly onMayRun?: (pod: EnvironmentPod, mayRun: boolean) => void;
  /** An environment of the function came, went, or changed in any way, also by use. */
  readonly onTouched?: (functionUid: string) => void;
}

/** Under which roster, and with which numbers, an account's environments are given out. */
export interface Tenure {
  epoch: number;
  /** Numbers of grants begin here: at none that a life before under the same roster has given, nor next to one. */
  readonly firstTurn: number;
}

/** A pure registry: every change comes in as a call with its time; nothing here waits. */
export class EnvironmentRegistry {
  readonly #options: RegistryOptions;
  readonly #tenureByNamespace = new Map<string, Tenure>();
  readonly #entryByPodUid = new Map<string, Entry>();
  readonly #entriesByFunction = new Map<string, Set<Entry>>();
  readonly #entriesByNamespace = new Map<string, Set<Entry>>();
  readonly #idle = new IdleEnvironments<Entry>();
  #askedBack: ReadonlySet<string> = new Set();

  constructor(options: RegistryOptions = {}) {
    this.#options = options;
  }

  owns(namespace: string): boolean {
    return this.#tenureByNamespace.has(namespace);
  }

  /** Begins to give an account's environments out. `listed`: those that another may have given out until now. */
  adopt(namespace: string, tenure: Tenure, listed: readonly EnvironmentPod[], nowMs: number): void {
    this.#tenureByNamespace.set(namespace, tenure);
    for (const pod of listed) if (!this.#entryByPodUid.has(pod.podUid)) this.#add(pod);
    // Also those that were born under this very roster: this owner may have given them out before it began anew, or forgot the account.
    const inherited = new Set(listed.map(({ podUid }) => podUid));
    for (const entry of this.#inNamespace(namespace)) {
      const isInherited = inherited.has(entry.pod.podUid);
      const { epoch, firstTurn } = tenure;
      const tenancy = isInherited ? inheritedTenancy(epoch, firstTurn) : newTenancy(firstTurn);
      this.#change(entry, () => Object.assign(entry, tenancy, { standing: "unheard", mayRunSinceMs: nowMs }));
    }
  }

  /** The same owner under the next roster. */
  renew(namespace: string, epoch: number): void {
    const tenure = this.#tenureByNamespace.get(namespace);
    if (tenure === undefined || tenure.epoch === epoch) return;
    tenure.epoch = epoch;
    for (const entry of this.#inNamespace(namespace)) renewTenancy(entry, epoch);
  }

  /** Another owns the account: nothing is known of its environments from now on. */
  drop(namespace: string): void {
    this.#tenureByNamespace.delete(namespace);
    for (const entry of this.#inNamespace(namespace))
      this.#change(entry, () => Object.assign(entry, newTenancy(0), { standing: "unheard" }));
  }

  /** The leave for the call that has just been given this environment. */
  grantOf({ pod, turn, heardMs }: Environment): Grant {
    return { epoch: this.#epochOf(pod), turn, heardMs };
  }

  /** Where a claim puts an environment. */
  claimOf(podUid: string): Position | undefined {
    const entry = this.#entryByPodUid.get(podUid);
    return entry === undefined ? undefined : claimOf(entry, this.#epochOf(entry.pod));
  }

  get(podUid: string): Environment | undefined {
    return this.#entryByPodUid.get(podUid);
  }

  /** All environments of a function, also those of older revisions. */
  of(functionUid: string): Iterable<Environment> {
    return this.#entriesByFunction.get(functionUid) ?? [];
  }

  /** Any environment of the account is there. */
  has(namespace: string): boolean {
    return this.#entriesByNamespace.has(namespace);
  }

  /** Environments that should be asked how they are: of one account, or of all that are owned. */
  *unsettled(namespace?: string): Iterable<Environment> {
    const namespaces = namespace === undefined ? this.#tenureByNamespace.keys() : [namespace];
    for (const owned of namespaces)
      if (this.owns(owned)) for (const entry of this.#inNamespace(owned)) if (needsAsking(entry)) yield entry;
  }

  /** Takes in a pod or its change. */
  putPod(pod: EnvironmentPod): void {
    const known = this.#entryByPodUid.get(pod.podUid);
    if (known === undefined) this.#add(pod);
    // What it was made for stays, whatever becomes of its labels.
    else
      this.#change(known, (entry) => {
        entry.pod = { ...pod, provisionedFor: entry.pod.provisionedFor };
        if (entry.address === undefined || isAddressOf(entry.address, pod)) return;
        // Nobody is sent where the pod does not listen.
        delete entry.address;
        entry.standing = "unheard";
      });
  }

  /** Forgets an environment whose pod is gone, also one in use. */
  removePod(podUid: string): void {
    const entry = this.#entryByPodUid.get(podUid);
    if (entry === undefined) return;
    this.#idle.remove(entry);
    if (entry.mayRun) this.#options.onMayRun?.(entry.pod, false);
    this.#entryByPodUid.delete(podUid);
    const siblings = this.#entriesByFunction.get(entry.pod.functionUid);
    siblings?.delete(entry);
    if (siblings?.size === 0) this.#entriesByFunction.delete(entry.pod.functionUid);
    const neighbours = this.#entriesByNamespace.get(entry.pod.namespace);
    neighbours?.delete(entry);
    if (neighbours?.size === 0) this.#entriesByNamespace.delete(entry.pod.namespace);
    this.#options.onTouched?.(entry.pod.functionUid);
  }

  /** Takes in what an agent says; an older word never overwrites a newer one. */
  announce(announcement: EnvironmentAnnouncement, nowMs: number): "stored" | "stale" | "unknownPod" {
    const entry = this.#entryByPodUid.get(announcement.podUid);
    if (entry === undefined) return "unknownPod";
    if (announcement.sequence < entry.sequence) return "stale";
    this.#change(entry, () => {
      const wasIdle = isIdle(entry);
      const { mayRun } = entry;
      const { state, isRunning = state === "busy", position, atMs } = announcement;
      hear(entry, { isRunning, position }, this.#epochOf(entry.pod));
      if (!mayRun) entry.mayRunSinceMs = nowMs;
      entry.heardMs = atMs ?? entry.heardMs;
      entry.heardAtMs = nowMs;
      entry.sequence = announcement.sequence;
      entry.address = announcement.address;
      entry.isUnreachable = false;
      if (announcement.init !== undefined) entry.hasFailedInit = !announcement.init.ok;
      // While a call of ours runs, "busy" is that call: it ends here with its answer, and nothing else would tell.
      if (!entry.isInUse || state !== "busy") entry.standing = state;
      if (!wasIdle) entry.idleSinceMs = nowMs;
    });
    return "stored";
  }

  /** Its agent does not answer: whoever needs an environment needs another. Until it is heard again. */
  miss(podUid: string): void {
    const entry = this.#entryByPodUid.get(podUid);
    // One that was never heard starts, or was another owner's.
    if (entry?.address !== undefined) this.#change(entry, () => (entry.isUnreachable = true));
  }

  /** An idle environment for a call of this revision, taken into use; undefined when there is none. */
  pick(picked: Picked, heardSinceMs = -Infinity): Environment | undefined {
    return this.#give(this.#idle.find(picked, heardSinceMs));
  }

  /** An idle environment is kept ready for the version. */
  hasProvisioned(functionUid: string, version: string): boolean {
    return this.#idle.hasProvisioned(functionUid, version);
  }

  /** As `pick`, of those that are kept ready for a version. */
  pickProvisioned(picked: PickedReady, heardSinceMs = -Infinity): Environment | undefined {
    return this.#give(this.#idle.findProvisioned(picked, heardSinceMs));
  }

  /** An idle environment is there that `pick` would give. */
  hasIdle(functionUid: string, revisionID: string, configurationID?: string): boolean {
    return this.#idle.has({ functionUid, revisionID, configurationID });
  }

  /** Whoever has the environment now may use it so many times more. */
  lend(podUid: string, further: number): void {
    const entry = this.#entryByPodUid.get(podUid);
    if (entry !== undefined) lend(entry, further);
  }

  /** Ends the use of an environment; nothing happens when its pod is gone by now. */
  free(podUid: string, end: UseEnd, nowMs: number): void {
    const entry = this.#entryByPodUid.get(podUid);
    if (entry === undefined || !entry.isInUse) return;
    this.#change(entry, () => {
      endUse(entry, end, this.#epochOf(entry.pod));
      entry.idleSinceMs = nowMs;
      entry.mayRunSinceMs = nowMs;
      const standing = standingAfter[end];
      if (standing !== undefined && entry.standing !== "draining") entry.standing = standing;
    });
  }

  /** Takes over the whole set that the operator wants back; what is missing from it may be handed out again. Answers what that changes. */
  askBack(podUids: ReadonlySet<string>): { readonly isAsked: boolean; readonly isGivenBack: boolean } {
    const before = this.#askedBack;
    this.#askedBack = podUids;
    const isAsked = [...podUids].filter((podUid) => !before.has(podUid) && this.#setAskedBack(podUid, true)).length > 0;
    const returned = [...before].filter((podUid) => !podUids.has(podUid) && this.#setAskedBack(podUid, false));
    return { isAsked, isGivenBack: returned.length > 0 };
  }

  /** False when it is not there. */
  #setAskedBack(podUid: string, isAskedBack: boolean): boolean {
    const entry = this.#entryByPodUid.get(podUid);
    if (entry !== undefined) this.#change(entry, () => (entry.isAskedBack = isAskedBack));
    return entry !== undefined;
  }

  #give(entry: Entry | undefined): Entry | undefined {
    if (entry !== undefined) this.#change(entry, () => give(entry));
    return entry;
  }

  #add(pod: EnvironmentPod): void {
    const entry: Entry = {
      ...newTenancy(this.#tenureByNamespace.get(pod.namespace)?.firstTurn ?? 0),
      pod,
      standing: "unheard",
      heardMs: 0,
      heardAtMs: 0,
      hasFailedInit: false,
      isAskedBack: this.#askedBack.has(pod.podUid),
      mayRunSinceMs: 0,
      idleSinceMs: 0,
      isUnreachable: false,
      sequence: -Infinity,
    };
    this.#entryByPodUid.set(pod.podUid, entry);
    const siblings = this.#entriesByFunction.get(pod.functionUid) ?? new Set();
    this.#entriesByFunction.set(pod.functionUid, siblings.add(entry));
    const neighbours = this.#entriesByNamespace.get(pod.namespace) ?? new Set();
    this.#entriesByNamespace.set(pod.namespace, neighbours.add(entry));
    this.#options.onTouched?.(pod.functionUid);
  }

  /** Every change of an entry goes through here, so that the idle lists always say the same as the entries. */
  #change(entry: Entry, change: (entry: Entry) => void): void {
    const wasIdle = isIdle(entry);
    const { pod, mayRun } = entry;
    change(entry);
    this.#options.onTouched?.(pod.functionUid);
    if (mayRun !== entry.mayRun) this.#options.onMayRun?.(entry.pod, entry.mayRun);
    if (wasIdle === isIdle(entry) && isSamePlace(pod, entry.pod)) return;
    this.#idle.take(entry, pod);
    if (isIdle(entry)) this.#idle.put(entry);
  }

  #epochOf({ namespace }: EnvironmentPod): number {
    return this.#tenureByNamespace.get(namespace)?.epoch ?? 0;
  }

  #inNamespace(namespace: string): Iterable<Entry> {
    return this.#entriesByNamespace.get(namespace) ?? [];
  }
}

/** Where it is to be asked how it is; undefined: it stands as before. */
const standingAfter: Readonly<Record<UseEnd, EnvironmentStanding | undefined>> = {
  answered: undefined,
  unused: undefined,
  busy: "busy",
  undialled: "busy",
  draining: "draining",
  unreached: "aside",
  stale: "stale",
  lost: "aside",
  abandoned: "aside",
};

/** Whether a `host:port` is the pod's; anything may be while the pod's address is not known. */
export function isAddressOf(address: string, { podIP }: Pick<EnvironmentPod, "podIP">): boolean {
  if (podIP === undefined) return true;
  return address.slice(0, address.lastIndexOf(":")).replace(/^\[|\]$/g, "") === podIP;
}

/** May be handed out now. */
export function isIdle({ standing, address, isInUse, mayRun, isAskedBack, pod, hasFailedInit }: Environment): boolean {
  const isFree = standing === "ready" && address !== undefined && !isInUse && !mayRun;
  const isUsable = pod.provisionedFor === undefined || !hasFailedInit;
  return isFree && isUsable && !isAskedBack && !pod.isTerminating;
}

/** It counts as running, and neither a call of ours nor its own word says that it does. */
export function isInDoubt({ mayRun, isInUse, standing }: Environment): boolean {
  return mayRun && !isInUse && standing !== "busy";
}

/** Given back to the operator: asked for, and no call of ours runs in it. */
export function isReleased({ isAskedBack, isInUse, mayRun }: Environment): boolean {
  return isAskedBack && !isInUse && !mayRun;
}

/** Nobody but itself can tell how it is: never heard of, busy for another router, or put aside. */
export function needsAsking({ standing, isInUse, mayRun, pod }: Environment): boolean {
  if (isInUse) return false;
  return mayRun || (!pod.isTerminating && isUnsure[standing]);
}

const isUnsure = {
  unheard: true,
  starting: false,
  ready: false,
  busy: true,
  aside: true,
  stale: true,
  draining: false,
} as const satisfies Record<EnvironmentStanding, boolean>;
