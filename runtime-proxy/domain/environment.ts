/** What the router knows of execution environments, and which one takes the next call. */
import type { EnvironmentAnnouncement } from "../../crds/wire/environment.ts";

/** An execution environment as Kubernetes says it is. */
export interface EnvironmentPod {
  readonly podUid: string;
  readonly namespace: string;
  readonly functionUid: string;
  readonly revisionID: string;
  /** Absent: it stands in for no other revision. */
  readonly configurationID?: string | undefined;
  /** Of the pod; its status shows it up to a second late. */
  readonly podIP?: string;
  readonly isTerminating: boolean;
}

/** Execution environments that exist in the cluster. */
export interface EnvironmentDirectory {
  all(): Iterable<EnvironmentPod>;
  /** Calls with every pod that came, changed or (`undefined`) went; also once for each that is there already. */
  onChange(listener: (podUid: string, pod: EnvironmentPod | undefined) => void): void;
}

/**
 * `unheard`: never announced. `busy`: runs a call that is not ours. `aside`: failed us, until it announces itself again.
 * The others as announced.
 */
export type EnvironmentStanding = "unheard" | "starting" | "ready" | "busy" | "aside" | "draining";

export interface Environment {
  readonly pod: EnvironmentPod;
  readonly standing: EnvironmentStanding;
  /** `host:port`; absent until announced. */
  readonly address?: string;
  /** Runs a call of this router. */
  readonly isInUse: boolean;
  /** The operator wants it back: not handed out again. */
  readonly isAskedBack: boolean;
  /** When it last came free or got ready. */
  readonly idleSinceMs: number;
}

/** How a call that had an environment ended for the environment. */
export type UseEnd =
  /** It answered, so it takes the next call. */
  | "answered"
  /** Another router has it, or it cannot be dialled: busy until it says otherwise. */
  | "busy"
  /** It ends and takes no more calls. */
  | "draining"
  /** The connection broke or nothing listens: aside until it announces itself again or its pod is gone. */
  | "lost";

type Entry = { -readonly [K in keyof Environment]: Environment[K] } & { sequence: number };

/** A pure registry: every change comes in as a call with its time; nothing here waits. */
export class EnvironmentRegistry {
  readonly #entryByPodUid = new Map<string, Entry>();
  readonly #entriesByFunction = new Map<string, Set<Entry>>();
  /** Function and revision, or function and configuration → idle environments, the most recently used last. */
  readonly #idleByKey = new Map<string, Entry[]>();
  #askedBack: ReadonlySet<string> = new Set();

  get(podUid: string): Environment | undefined {
    return this.#entryByPodUid.get(podUid);
  }

  /** All environments of a function, also those of older revisions. */
  of(functionUid: string): Iterable<Environment> {
    return this.#entriesByFunction.get(functionUid) ?? [];
  }

  /** Environments that should be asked how they are. */
  *unsettled(): Iterable<Environment> {
    for (const entry of this.#entryByPodUid.values()) if (needsAsking(entry)) yield entry;
  }

  /** Takes in a pod or its change. */
  putPod(pod: EnvironmentPod): void {
    const known = this.#entryByPodUid.get(pod.podUid);
    if (known === undefined) this.#add(pod);
    else this.#change(known, (entry) => (entry.pod = pod));
  }

  /** Forgets an environment whose pod is gone, also one in use. */
  removePod(podUid: string): void {
    const entry = this.#entryByPodUid.get(podUid);
    if (entry === undefined) return;
    this.#takeFromIdle(entry);
    this.#entryByPodUid.delete(podUid);
    const siblings = this.#entriesByFunction.get(entry.pod.functionUid);
    siblings?.delete(entry);
    if (siblings?.size === 0) this.#entriesByFunction.delete(entry.pod.functionUid);
  }

  /** Takes in what an agent says; an older word never overwrites a newer one. */
  announce(announcement: EnvironmentAnnouncement, nowMs: number): "stored" | "stale" | "unknownPod" {
    const entry = this.#entryByPodUid.get(announcement.podUid);
    if (entry === undefined) return "unknownPod";
    if (announcement.sequence < entry.sequence) return "stale";
    this.#change(entry, () => {
      const wasIdle = isIdle(entry);
      entry.sequence = announcement.sequence;
      entry.address = announcement.address;
      // While a call of ours runs, "busy" is that call: it ends here with its answer, and nothing else would tell.
      if (!entry.isInUse || announcement.state !== "busy") entry.standing = announcement.state;
      if (!wasIdle) entry.idleSinceMs = nowMs;
    });
    return "stored";
  }

  /** The most recently used idle environment of this very revision, else of this configuration, taken into use; undefined when there is none. */
  pick(functionUid: string, revisionID: string, configurationID?: string): Environment | undefined {
    const keys = idleKeys({ functionUid, revisionID, configurationID });
    const entry = keys.map((key) => this.#idleByKey.get(key)?.at(-1)).find((found) => found !== undefined);
    if (entry === undefined) return undefined;
    this.#change(entry, () => (entry.isInUse = true));
    return entry;
  }

  /** Ends the use of an environment; nothing happens when its pod is gone by now. */
  free(podUid: string, end: UseEnd, nowMs: number): void {
    const entry = this.#entryByPodUid.get(podUid);
    if (entry === undefined || !entry.isInUse) return;
    this.#change(entry, () => {
      entry.isInUse = false;
      entry.idleSinceMs = nowMs;
      if (end !== "answered" && entry.standing !== "draining") entry.standing = standingAfter[end];
    });
  }

  /** Takes over the whole set that the operator wants back; what is missing from it may be handed out again. */
  askBack(podUids: ReadonlySet<string>): void {
    const before = this.#askedBack;
    this.#askedBack = podUids;
    for (const podUid of new Set([...before, ...podUids])) {
      const entry = this.#entryByPodUid.get(podUid);
      if (entry !== undefined) this.#change(entry, () => (entry.isAskedBack = podUids.has(podUid)));
    }
  }

  #add(pod: EnvironmentPod): void {
    const entry: Entry = {
      pod,
      standing: "unheard",
      isInUse: false,
      isAskedBack: this.#askedBack.has(pod.podUid),
      idleSinceMs: 0,
      sequence: -Infinity,
    };
    this.#entryByPodUid.set(pod.podUid, entry);
    const siblings = this.#entriesByFunction.get(pod.functionUid) ?? new Set();
    this.#entriesByFunction.set(pod.functionUid, siblings.add(entry));
  }

  /** Every change of an entry goes through here, so that the idle lists always say the same as the entries. */
  #change(entry: Entry, change: (entry: Entry) => void): void {
    const wasIdle = isIdle(entry);
    const { pod } = entry;
    change(entry);
    const isSamePlace = entry.pod === pod || idleKeys(pod).join() === idleKeys(entry.pod).join();
    if (wasIdle === isIdle(entry) && isSamePlace) return;
    this.#takeFromIdle(entry, pod);
    if (isIdle(entry)) this.#putToIdle(entry);
  }

  #putToIdle(entry: Entry): void {
    for (const key of idleKeys(entry.pod)) {
      const idle = this.#idleByKey.get(key);
      if (idle === undefined) this.#idleByKey.set(key, [entry]);
      else idle.push(entry);
    }
  }

  #takeFromIdle(entry: Entry, pod = entry.pod): void {
    for (const key of idleKeys(pod)) {
      const idle = this.#idleByKey.get(key);
      const place = idle?.lastIndexOf(entry) ?? -1;
      if (idle === undefined || place < 0) continue;
      idle.splice(place, 1);
      if (idle.length === 0) this.#idleByKey.delete(key);
    }
  }
}

const standingAfter = { busy: "busy", draining: "draining", lost: "aside" } as const satisfies Record<
  Exclude<UseEnd, "answered">,
  EnvironmentStanding
>;

/** May be handed out now. */
export function isIdle({ standing, address, isInUse, isAskedBack, pod }: Environment): boolean {
  return standing === "ready" && address !== undefined && !isInUse && !isAskedBack && !pod.isTerminating;
}

/** Given back to the operator: asked for, and no call of ours runs in it. */
export function isReleased({ isAskedBack, isInUse }: Environment): boolean {
  return isAskedBack && !isInUse;
}

/** Nobody but itself can tell how it is: never heard of, busy for another router, or put aside. */
export function needsAsking({ standing, isInUse, pod }: Environment): boolean {
  return !isInUse && !pod.isTerminating && (standing === "unheard" || standing === "busy" || standing === "aside");
}

type Place = Pick<EnvironmentPod, "functionUid" | "revisionID" | "configurationID">;

function idleKeys({ functionUid, revisionID, configurationID }: Place): readonly string[] {
  const own = `${functionUid}/${revisionID}`;
  return configurationID === undefined ? [own] : [own, `${functionUid} ${configurationID}`];
}
