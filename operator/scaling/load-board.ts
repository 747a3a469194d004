import type { FunctionLoad, LoadReport } from "../../crds/wire/load-report.ts";
import type { ReplicaSeen } from "./decide.ts";

interface Replica {
  readonly sequence: number;
  readonly atMs: number;
  readonly loadsByFunction: ReadonlyMap<string, readonly FunctionLoad[]>;
  /** Given back after our last answer to this replica had asked for it. What it gave back to a former leader does not count. */
  readonly confirmed: ReadonlySet<string>;
  /** What our last answer asked for. */
  readonly asked: ReadonlySet<string>;
}

/** A router that starts anew counts from the beginning; so late, nothing of its former life is still on its way. */
const restartAfterMs = 5000;

/** The newest word of every router; what one said of an account counts while it owns that. */
export class LoadBoard {
  readonly #isOwner: (replica: string, namespace: string) => boolean;
  readonly #replicas = new Map<string, Replica>();

  /** `isOwner`: whether a router owns an account now. Default: all are heard. */
  constructor(isOwner: (replica: string, namespace: string) => boolean = () => true) {
    this.#isOwner = isOwner;
  }

  /** False when a newer report of this router is here already. */
  take(report: LoadReport, nowMs: number): boolean {
    const before = this.#replicas.get(report.replica);
    if (before !== undefined && report.sequence <= before.sequence && nowMs - before.atMs < restartAfterMs)
      return false;
    const asked: ReadonlySet<string> = before?.asked ?? new Set();
    const released = report.functions.flatMap((load) => load.released);
    this.#replicas.set(report.replica, {
      sequence: report.sequence,
      atMs: nowMs,
      loadsByFunction: Map.groupBy(report.functions, ({ functionUid }) => functionUid),
      confirmed: new Set(released.filter((uid) => asked.has(uid))),
      asked,
    });
    return true;
  }

  /**
   * Functions of which a report says something that cannot wait for the next second: what has been idle for long can. A report names all functions
   * that have environments, and in a burst reports follow one another.
   */
  newsOf({ replica, functions }: LoadReport): ReadonlySet<string> {
    const known = this.#replicas.get(replica)?.loadsByFunction;
    const isNews = (load: FunctionLoad): boolean => {
      const before = known?.get(load.functionUid)?.find(({ revisionID }) => revisionID === load.revisionID);
      return before === undefined || isUrgent(before, load);
    };
    return new Set(functions.filter(isNews).map(({ functionUid }) => functionUid));
  }

  /** What the answer to the replica's newest report asks for. */
  answered(replica: string, release: ReadonlySet<string>): void {
    const known = this.#replicas.get(replica);
    if (known !== undefined) this.#replicas.set(replica, { ...known, asked: release });
  }

  drop(replica: string): void {
    this.#replicas.delete(replica);
  }

  /** Replicas and how long they have been silent, ms. */
  silences(nowMs: number): readonly { readonly replica: string; readonly silentForMs: number }[] {
    return [...this.#replicas].map(([replica, { atMs }]) => ({ replica, silentForMs: nowMs - atMs }));
  }

  /** Functions that any router reports. */
  functionUids(): ReadonlySet<string> {
    return new Set([...this.#replicas.values()].flatMap(({ loadsByFunction }) => [...loadsByFunction.keys()]));
  }

  /** Revisions of a function that any router has calls or environments for. */
  revisionsOf(functionUid: string): ReadonlySet<string> {
    return new Set(this.#told(functionUid).map(({ revisionID }) => revisionID));
  }

  /** What each router that owns the account says of a function and its revision. */
  of(namespace: string, functionUid: string, revisionID: string | undefined): readonly ReplicaSeen[] {
    const owners = [...this.#replicas].filter(([replica]) => this.#isOwner(replica, namespace));
    return owners.map(([, { loadsByFunction, confirmed, asked }]) => {
      const loads = loadsByFunction.get(functionUid) ?? [];
      const current = loads.filter((load) => load.revisionID === revisionID);
      return {
        knowsFunction: loads.length > 0,
        needed: current.reduce((sum, { needed }) => sum + needed, 0),
        idleForMsByUid: new Map(
          loads.flatMap(({ idle }) => idle.map(({ podUid, idleForMs }) => [podUid, idleForMs] as const)),
        ),
        inDoubtForMsByUid: new Map(
          loads.flatMap(({ inDoubt = [] }) => inDoubt.map(({ podUid, forMs }) => [podUid, forMs] as const)),
        ),
        // A router without a word on the function has nothing of it, and was told not to begin.
        confirmed: loads.length > 0 ? confirmed : asked,
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
    return [...this.#replicas].flatMap(([replica, { loadsByFunction }]) =>
      (loadsByFunction.get(functionUid) ?? []).map((load) => ({ replica, load })),
    );
  }
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
