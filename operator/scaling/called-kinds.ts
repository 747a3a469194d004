import type { Recipe } from "../controllers/function/recipe.ts";
import { kindKey, type CalledKind, type PoolKind } from "./pool-decide.ts";

export interface CalledKindsOptions {
  /** What a function's environments are made from: the revision where it is still a version's, else $LATEST's. */
  readonly recipeOf: (functionUid: string, revisionID: string) => Recipe | undefined;
  /** Undefined: it gets own pods. */
  readonly genericIDOf: (recipe: Recipe) => string | undefined;
  readonly keepMs: number;
}

export interface Call {
  readonly namespace: string;
  readonly functionUid: string;
  readonly revisionID: string;
}

/** A kind, and what its pods are made from. */
interface MadeKind extends PoolKind {
  readonly recipe: Recipe;
}

interface KnownCall extends Call {
  atMs: number;
  kind: MadeKind | undefined;
  /** When the kind was looked up. */
  seenAtMs: number;
}

/** So long a call's kind counts as it was seen: with 5,000 functions called lately, looking at each every second is work. */
const seenForMs = 5000;

/** Kinds of generic pods that were called for lately: who was called when is remembered, what kind that means is looked up again and again. */
export class CalledKinds {
  readonly #options: CalledKindsOptions;
  readonly #calls = new Map<string, KnownCall>();
  /** Keys of kinds whose user was asked for. */
  readonly #recalled = new Set<string>();

  constructor(options: CalledKindsOptions) {
    this.#options = options;
  }

  called(call: Call, atMs: number): void {
    const key = `${call.functionUid}/${call.revisionID}`;
    const known = this.#calls.get(key);
    if (known === undefined) this.#calls.set(key, { ...call, atMs, kind: undefined, seenAtMs: -Infinity });
    else known.atMs = Math.max(atMs, known.atMs);
  }

  /** What a leader before has left of these kinds is kept for functions that it could be of, as if called now: once, while there is any. */
  recall(present: readonly PoolKind[], nowMs: number, userOf: (kind: PoolKind) => Call | undefined): void {
    const keys = new Map(present.map((kind) => [kindKey(kind), kind]));
    for (const [key, kind] of keys) {
      if (this.#recalled.has(key)) continue;
      this.#recalled.add(key);
      const user = userOf(kind);
      if (user !== undefined) this.called(user, nowMs);
    }
    const gone = [...this.#recalled].filter((key) => !keys.has(key));
    if (gone.length === 0) return;
    // Of a kind that is called some are made again: they are no leader's before.
    const called = new Set(
      [...this.#calls.values()].flatMap(({ kind }) => (kind === undefined ? [] : [kindKey(kind)])),
    );
    for (const key of gone) if (!called.has(key)) this.#recalled.delete(key);
  }

  /** Each with a recipe to make its pods from. */
  kinds(nowMs: number): readonly (CalledKind & MadeKind)[] {
    const byKey = new Map<string, CalledKind & MadeKind>();
    for (const [key, call] of this.#calls) {
      const kind = this.#kindOf(call, nowMs);
      const calledForMs = nowMs - call.atMs;
      if (calledForMs >= this.#options.keepMs || kind === undefined) this.#calls.delete(key);
      else if (calledForMs < (byKey.get(kindKey(kind))?.calledForMs ?? Infinity))
        byKey.set(kindKey(kind), { ...kind, calledForMs });
    }
    return [...byKey.values()];
  }

  #kindOf(call: KnownCall, nowMs: number): MadeKind | undefined {
    if (call.kind !== undefined && nowMs - call.seenAtMs < seenForMs) return call.kind;
    const { namespace, functionUid, revisionID } = call;
    const recipe = this.#options.recipeOf(functionUid, revisionID);
    const genericID = recipe === undefined ? undefined : this.#options.genericIDOf(recipe);
    call.kind = recipe === undefined || genericID === undefined ? undefined : { namespace, genericID, recipe };
    call.seenAtMs = nowMs;
    return call.kind;
  }
}
