import type { FunctionLoad, LoadReport } from "../../crds/wire/load-report.ts";
import type { ReplicaSeen } from "./decide.ts";

interface Replica {
  sequence: number;
  /** When it was heard last. */
  atMs: number;
  readonly toldByFunction: Map<string, Told>;
  /** Functions of which something was given back. */
  readonly releasing: Set<string>;
  /** Given back after our last answer to this replica had asked for it. What it gave back to a former leader does not count. */
  confirmed: ReadonlySet<string>;
  /** What our last answer asked for. */
  asked: ReadonlySet<string>;
}

/** What a router said last of one function. */
interface Told {
  readonly loads: readonly FunctionLoad[];
  /** When it said so: what it has not said anew since has stayed as it was until it was heard last. */
  readonly atMs: number;
}

/** `stale`: a newer report is here already. `unknownBase`: it tells what has changed since a report that is not here. */
export type ReportTaken = "taken" | "stale" | "unknownBase";

/** A router that starts anew counts from the beginning; so late, nothing of its former life is still on its way. */
const restartAfterMs = 5000;
const nothing: ReadonlySet<string> = new Set();

/** The newest word of every router; what one said of an account counts while it owns that. */
export class LoadBoard {
  readonly #isOwner: (replica: string, namespace: string) => boolean;
  readonly #replicas = new Map<string, Replica>();

  /** `isOwner`: whether a router owns an account now. Default: all are heard. */
  constructor(isOwner: (replica: string, namespace: string) => boolean = () => true) {
    this.#isOwner = isOwner;
  }

  take(report: LoadReport, nowMs: number): ReportTaken {
    const { replica, sequence, since, functions } = report;
    const before = this.#replicas.get(replica);
    if (since !== undefined && (before === undefined || before.sequence < since)) return "unknownBase";
    const isOlder = before !== undefined && sequence <= before.sequence;
    if (isOlder && (since !== undefined || nowMs - before.atMs < restartAfterMs)) return "stale";
    const isWhole = since === undefined || before === undefined;
    const known: Replica = isWhole ? newReplica(before?.asked ?? nothing) : before;
    this.#replicas.set(replica, known);
    known.sequence = sequence;
    known.atMs = nowMs;
    for (const uid of report.gone ?? []) forget(known, uid);
    for (const [uid, loads] of Map.groupBy(functions, ({ functionUid }) => functionUid)) {
      known.toldByFunction.set(uid, { loads, atMs: nowMs });
      if (loads.some(({ released }) => released.length > 0)) known.releasing.add(uid);
      else known.releasing.delete(uid);
    }
    known.confirmed = confirmedOf(known);
    return "taken";
  }

  /**
   * Functions of which a report says something that cannot wait for the next look: what has been idle for long can. In a burst reports follow one
   * another.
   */
  newsOf({ replica, functions }: LoadReport): ReadonlySet<string> {
    const known = this.#replicas.get(replica)?.toldByFunction;
    const isNews = (load: FunctionLoad): boolean => {
      const before = known?.get(load.functionUid)?.loads.find(({ revisionID }) => revisionID === load.revisionID);
      return before === undefined || isUrgent(before, load);
    };
    return new Set(functions.filter(isNews).map(({ functionUid }) => functionUid));
  }

  /** What the answer to the replica's newest report asks for. */
  answered(replica: string, release: ReadonlySet<string>): void {
    const known = this.#replicas.get(replica);
    if (known !== undefined) known.asked = release;
  }

  /** Answers the functions that it had something to say of. */
  drop(replica: string): Iterable<string> {
    const known = this.#replicas.get(replica);
    this.#replicas.delete(replica);
    return known?.toldByFunction.keys() ?? [];
  }

  /** Replicas and how long they have been silent, ms. */
  silences(nowMs: number): readonly { readonly replica: string; readonly silentForMs: number }[] {
    return [...this.#replicas].map(([replica, { atMs }]) => ({ replica, silentForMs: nowMs - atMs }));
  }

  /** Whether any router has something to say of a function. */
  knows(functionUid: string): boolean {
    return this.#loads(functionUid).length > 0;
  }

  /** Revisions of a function that any router has calls or environments for. */
  revisionsOf(functionUid: string): ReadonlySet<string> {
    return new Set(this.#told(functionUid).map(({ revisionID }) => revisionID));
  }

  /** What each router that owns the account says of a function and its revision. */
  of(namespace: string, functionUid: string, revisionID: string | undefined): readonly ReplicaSeen[] {
    const owners = [...this.#replicas].filter(([replica]) => this.#isOwner(replica, namespace));
    return owners.map(([, replica]) => {
      const loads = wordOf(replica, functionUid);
      const current = loads.filter((load) => load.revisionID === revisionID);
      return {
        knowsFunction: loads.length > 0,
        needed: current.reduce((sum, { needed }) => sum + needed, 0),
        initialized: current.reduce((sum, { initialized = Infinity }) => sum + initialized, 0),
        idleForMsByUid: new Map(
          loads.flatMap(({ idle }) => idle.map(({ podUid, idleForMs }) => [podUid, idleForMs] as const)),
        ),
        inDoubtForMsByUid: new Map(
          loads.flatMap(({ inDoubt = [] }) => inDoubt.map(({ podUid, forMs }) => [podUid, forMs] as const)),
        ),
        // A router without a word on the function has nothing of it, and was told not to begin.
        confirmed: loads.length > 0 ? replica.confirmed : replica.asked,
      };
    });
  }

  /** Whether calls used an environment within `recentMs`: it was in use, or idle for less, when its routers said so last. */
  wasUsed(functionUid: string, podUid: string, recentMs: number): boolean {
    const told = this.#loads(functionUid).map(({ load }) => load);
    if (told.some(({ released }) => released.includes(podUid))) return false;
    const times = told.flatMap(({ idle }) => idle.filter((one) => one.podUid === podUid));
    const isInUse = times.length === 0 && told.some(({ needed }) => needed > 0);
    return isInUse || times.some(({ idleForMs }) => idleForMs < recentMs);
  }

  /** Environments that their owner does not hear. */
  unreachable(functionUid: string): ReadonlySet<string> {
    return new Set(this.#told(functionUid).flatMap(({ unreachable = [] }) => unreachable));
  }

  /** Environments that are kept ready and whose init has failed. */
  initFailedOf(functionUid: string): ReadonlySet<string> {
    return new Set(this.#told(functionUid).flatMap(({ initFailed = [] }) => initFailed));
  }

  /** Of those that are kept ready, what runs a call: its init has ended. */
  inUseOf(functionUid: string): ReadonlySet<string> {
    return new Set(this.#told(functionUid).flatMap(({ inUse = [] }) => inUse));
  }

  /** The newest failed init that any router's callers saw. */
  failureOf(functionUid: string, revisionID: string | undefined): FunctionLoad["failure"] {
    return this.#told(functionUid).find((load) => load.revisionID === revisionID && load.failure !== undefined)
      ?.failure;
  }

  /** Of a function, by whoever owns its account: what another said is over, also when that one can tell nobody so. */
  #told(functionUid: string): readonly FunctionLoad[] {
    const counting = this.#loads(functionUid).filter(({ replica, load }) => this.#isOwner(replica, load.namespace));
    return counting.map(({ load }) => load);
  }

  /** As every router said it last. */
  #loads(functionUid: string): readonly { readonly replica: string; readonly load: FunctionLoad }[] {
    return [...this.#replicas].flatMap(([name, replica]) =>
      wordOf(replica, functionUid).map((load) => ({ replica: name, load })),
    );
  }
}

function newReplica(asked: ReadonlySet<string>): Replica {
  return { sequence: 0, atMs: 0, toldByFunction: new Map(), releasing: new Set(), confirmed: nothing, asked };
}

function forget({ toldByFunction, releasing }: Replica, functionUid: string): void {
  toldByFunction.delete(functionUid);
  releasing.delete(functionUid);
}

function confirmedOf({ toldByFunction, releasing, asked }: Replica): ReadonlySet<string> {
  if (releasing.size === 0) return nothing;
  const released = [...releasing].flatMap(
    (uid) => toldByFunction.get(uid)?.loads.flatMap((load) => load.released) ?? [],
  );
  return new Set(released.filter((uid) => asked.has(uid)));
}

/** As long as a router says nothing new of a function, all of it goes on: until the router was heard last. */
function wordOf({ atMs, toldByFunction }: Replica, functionUid: string): readonly FunctionLoad[] {
  const told = toldByFunction.get(functionUid);
  if (told === undefined) return [];
  const sinceMs = atMs - told.atMs;
  return sinceMs === 0 ? told.loads : told.loads.map((load) => later(load, sinceMs));
}

function later({ idle, inDoubt, ...load }: FunctionLoad, ms: number): FunctionLoad {
  return {
    ...load,
    idle: idle.map(({ podUid, idleForMs }) => ({ podUid, idleForMs: idleForMs + ms })),
    ...(inDoubt !== undefined && { inDoubt: inDoubt.map(({ podUid, forMs }) => ({ podUid, forMs: forMs + ms })) }),
  };
}

function isUrgent(before: FunctionLoad, load: FunctionLoad): boolean {
  const { needed, released, idle, failure } = load;
  return (
    needed !== before.needed ||
    released.length > 0 ||
    idle.length !== before.idle.length ||
    failure?.podUid !== before.failure?.podUid ||
    !isSame(load.initFailed, before.initFailed) ||
    !isSame(load.unreachable, before.unreachable)
  );
}

/** A router lists environments in the order in which they came. */
function isSame(some: readonly string[] = [], others: readonly string[] = []): boolean {
  return some.length === others.length && some.every((uid, place) => uid === others[place]);
}
