import { genericIDOf } from "../controllers/function/generic-pod.ts";
import type { Recipe } from "../controllers/function/recipe.ts";
import type { EnvironmentSettings } from "../environment-settings.ts";
import { sha256Hex } from "../sha256.ts";

/** Which generic pods a recipe runs in, computed once for each. */
export class GenericIDs {
  readonly #settings: EnvironmentSettings;
  readonly #known = new WeakMap<Recipe, { readonly id: string | undefined }>();

  constructor(settings: EnvironmentSettings) {
    this.#settings = settings;
  }

  /** Undefined: it gets own pods. */
  of(recipe: Recipe): string | undefined {
    const known = this.#known.get(recipe) ?? { id: genericIDOf(recipe, this.#settings, sha256Hex) };
    this.#known.set(recipe, known);
    return known.id;
  }
}
