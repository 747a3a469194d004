import type { Recipe } from "../function/recipe.ts";
import { versionRecipe, type EnvironmentInputs, type Snapshot } from "./snapshot.ts";

/** What environments of published versions are made from: computed once for each snapshot and Function. */
export class VersionRecipes {
  readonly #inputs: Omit<EnvironmentInputs, "functionUid">;
  readonly #known = new WeakMap<Snapshot, Recipe>();

  constructor(inputs: Omit<EnvironmentInputs, "functionUid">) {
    this.#inputs = inputs;
  }

  of(snapshot: Snapshot, functionUid: string): Recipe {
    const known = this.#known.get(snapshot);
    if (known?.document.functionUid === functionUid) return known;
    const recipe = versionRecipe(snapshot, { ...this.#inputs, functionUid });
    this.#known.set(snapshot, recipe);
    return recipe;
  }
}
