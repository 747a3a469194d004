/** The environments that may be given to calls now, by what they can run. Pure. */

export interface Place {
  readonly functionUid: string;
  readonly revisionID: string;
  readonly configurationID?: string | undefined;
  /** The version that it is kept ready for. */
  readonly provisionedFor?: string | undefined;
}

export interface Placed {
  readonly pod: Place;
  /** When it was heard last, monotonic. */
  readonly heardAtMs: number;
}

type Wanted = Omit<Place, "provisionedFor">;

export class IdleEnvironments<Entry extends Placed> {
  /** Function and revision, function and configuration, or function and version → the most recently used last; kept while it has pods. */
  readonly #byKey = new Map<string, Entry[]>();

  put(entry: Entry): void {
    for (const key of keysOf(entry.pod)) {
      const idle = this.#byKey.get(key);
      if (idle === undefined) this.#byKey.set(key, [entry]);
      else idle.push(entry);
    }
  }

  /** `place`: where it was put. */
  take(entry: Entry, place: Place = entry.pod): void {
    for (const key of keysOf(place)) {
      const idle = this.#byKey.get(key);
      const at = idle?.lastIndexOf(entry) ?? -1;
      if (at >= 0) idle?.splice(at, 1);
    }
  }

  /** Its pod is gone, and perhaps it was the last of its kind. */
  remove(entry: Entry): void {
    this.take(entry);
    for (const key of keysOf(entry.pod)) if (this.#byKey.get(key)?.length === 0) this.#byKey.delete(key);
  }

  /**
   * The most recently used one of this very revision, else of this configuration. One that was heard before that moment only where there is no
   * other: it has to be asked first, and may not answer.
   */
  find(wanted: Wanted, heardSinceMs: number): Entry | undefined {
    const lists = keysOf(wanted).map((key) => this.#of(key));
    return lastOfFirst(lists, isHeardSince(heardSinceMs)) ?? lastOfFirst(lists, () => true);
  }

  /** As `find`, of those that are kept ready for a version; of this very revision where there is one. */
  findProvisioned(wanted: Wanted & { readonly version: string }, heardSinceMs: number): Entry | undefined {
    const idle = this.#of(provisionedKey(wanted.functionUid, wanted.version));
    const isHeard = isHeardSince(heardSinceMs);
    const isOwn = ({ pod }: Entry): boolean => pod.revisionID === wanted.revisionID;
    const heard = idle.findLast((entry) => isOwn(entry) && isHeard(entry)) ?? idle.findLast(isHeard);
    return heard ?? idle.findLast(isOwn) ?? idle.at(-1);
  }

  has(wanted: Wanted): boolean {
    return keysOf(wanted).some((key) => this.#of(key).length > 0);
  }

  hasProvisioned(functionUid: string, version: string): boolean {
    return this.#of(provisionedKey(functionUid, version)).length > 0;
  }

  #of(key: string): readonly Entry[] {
    return this.#byKey.get(key) ?? [];
  }
}

/** Whether what runs in the one can run in the other. */
export function isSamePlace(a: Place, b: Place): boolean {
  return a === b || keysOf(a).join() === keysOf(b).join();
}

function isHeardSince(ms: number): (entry: Placed) => boolean {
  return ({ heardAtMs }) => heardAtMs >= ms;
}

function lastOfFirst<Entry>(lists: readonly (readonly Entry[])[], is: (entry: Entry) => boolean): Entry | undefined {
  for (const list of lists) {
    const found = list.findLast(is);
    if (found !== undefined) return found;
  }
  return undefined;
}

function keysOf({ functionUid, revisionID, configurationID, provisionedFor }: Place): readonly string[] {
  if (provisionedFor !== undefined) return [provisionedKey(functionUid, provisionedFor)];
  const own = `${functionUid}/${revisionID}`;
  return configurationID === undefined ? [own] : [own, `${functionUid} ${configurationID}`];
}

function provisionedKey(functionUid: string, version: string): string {
  return `${functionUid}!${version}`;
}
