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

/** Kinds of generic pods that were called for lately: who was called when is remembered, what kind that means is looked up anew. */
export class CalledKinds {
  readonly #options: CalledKindsOptions;
  readonly #calls = new Map<string, Call & { readonly atMs: number }>();

  constructor(options: CalledKindsOptions) {
    this.#options = options;
  }

  called(call: Call, atMs: number): void {
    const key = `${call.functionUid}/${call.revisionID}`;
    this.#calls.set(key, { ...call, atMs: Math.max(atMs, this.#calls.get(key)?.atMs ?? -Infinity) });
  }

  /** Each with a recipe to make its pods from. */
  kinds(nowMs: number): readonly (CalledKind & { readonly recipe: Recipe })[] {
    const byKey = new Map<string, CalledKind & { readonly recipe: Recipe }>();
    for (const [key, call] of this.#calls) {
      const kind = this.#kindOf(call);
      const calledForMs = nowMs - call.atMs;
      if (calledForMs >= this.#options.keepMs || kind === undefined) this.#calls.delete(key);
      else if (calledForMs < (byKey.get(kindKey(kind))?.calledForMs ?? Infinity))
        byKey.set(kindKey(kind), { ...kind, calledForMs });
    }
    return [...byKey.values()];
  }

  #kindOf({ namespace, functionUid, revisionID }: Call): (PoolKind & { readonly recipe: Recipe }) | undefined {
    const recipe = this.#options.recipeOf(functionUid, revisionID);
    const genericID = recipe === undefined ? undefined : this.#options.genericIDOf(recipe);
    return recipe === undefined || genericID === undefined ? undefined : { namespace, genericID, recipe };
  }
}
