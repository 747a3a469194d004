/** What a router's next report has to name: only what has changed, where the operator has the one before. */
import type { FunctionLoad, LoadReport } from "../../crds/wire/load-report.ts";
import { isWorthReporting } from "./demand.ts";

export interface LoadSource {
  /** uids of all functions. */
  readonly all: () => Iterable<string>;
  /** One load for each version of a function; of another's account, or of a function that is gone, none. */
  readonly loadsOf: (functionUid: string) => readonly FunctionLoad[];
}

export type Word = Pick<LoadReport, "since" | "functions" | "gone">;

/** One report at a time: `draw`, then `heard` or `lost`. */
export class ToldLoads {
  readonly #source: LoadSource;
  /** Number of the report that the operator has; undefined: it has none. */
  #heard: number | undefined;
  /** Functions of which it may be told something new. */
  #changed = new Set<string>();
  /** Of which functions it has something, by uid: revisions that had anything to say. One that became quiet is told so once more. */
  readonly #revisionsByUid = new Map<string, ReadonlySet<string>>();
  #underWay: { readonly changed: ReadonlySet<string>; readonly word: Word } | undefined;

  constructor(source: LoadSource) {
    this.#source = source;
  }

  /** There may be something new to say of a function. */
  touch(functionUid: string): void {
    this.#changed.add(functionUid);
  }

  /** Of all functions, or of those that have changed since the report that the operator has. */
  draw(): Word {
    const changed = this.#changed;
    const word = this.#heard === undefined ? this.#whole() : this.#difference(changed, this.#heard);
    this.#changed = new Set();
    this.#underWay = { changed, word };
    return word;
  }

  /** The operator took the report of this number; undefined: it has not taken it. True: it is to be told all, at once. */
  heard(sequence: number | undefined): boolean {
    const { word } = this.#underWay ?? { word: undefined };
    const isUnknown = sequence === undefined && word?.since !== undefined;
    this.#heard = sequence;
    if (word !== undefined) this.#note(word);
    return isUnknown;
  }

  /** No answer came: the operator may have it or not. */
  lost(): void {
    const { changed = [], word } = this.#underWay ?? {};
    for (const uid of changed) this.#changed.add(uid);
    for (const { functionUid, revisionID } of word?.functions ?? [])
      this.#revisionsByUid.set(functionUid, new Set([...(this.#revisionsByUid.get(functionUid) ?? []), revisionID]));
  }

  #whole(): Word {
    return { functions: [...this.#source.all()].flatMap((uid) => this.#wordOf(uid)) };
  }

  #difference(changed: ReadonlySet<string>, since: number): Word {
    const functions: FunctionLoad[] = [];
    const gone: string[] = [];
    for (const uid of changed) {
      const loads = this.#wordOf(uid);
      functions.push(...loads);
      if (loads.length === 0 && this.#revisionsByUid.has(uid)) gone.push(uid);
    }
    return { since, functions, gone };
  }

  #wordOf(uid: string): readonly FunctionLoad[] {
    const told = this.#revisionsByUid.get(uid);
    return this.#source.loadsOf(uid).filter((load) => isWorthReporting(load) || told?.has(load.revisionID) === true);
  }

  #note({ since, functions, gone = [] }: Word): void {
    if (since === undefined) this.#revisionsByUid.clear();
    for (const uid of gone) this.#revisionsByUid.delete(uid);
    for (const [uid, loads] of Map.groupBy(functions, ({ functionUid }) => functionUid)) {
      const worth = loads.filter(isWorthReporting).map(({ revisionID }) => revisionID);
      // Mostly the same ones: a new set each time would be garbage of the old generation.
      if (!holdsJust(this.#revisionsByUid.get(uid), worth)) this.#revisionsByUid.set(uid, new Set(worth));
      // What it was told to be quiet is left out the next time.
      if (worth.length < loads.length) this.#changed.add(uid);
    }
  }
}

/** `values`: each once. */
function holdsJust(set: ReadonlySet<string> | undefined, values: readonly string[]): boolean {
  return set?.size === values.length && values.every((value) => set.has(value));
}
