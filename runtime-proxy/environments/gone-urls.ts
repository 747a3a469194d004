import type { AliasObject } from "../../crds/v1alpha1/alias.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";

const mostRemembered = 10_000;

/** Ids of function URLs whose aliases this router has seen go: Lambda tells them from ids that never were. The oldest go first. */
export class GoneUrls {
  readonly #ids = new Set<string>();

  /** `ids`: of the alias that came, changed or went. */
  see({ spec }: Stored<AliasObject>, ids: readonly string[], isGone: boolean): void {
    for (const id of ids) {
      this.#ids.delete(id);
      if (!isGone || spec.functionURLConfig === undefined) continue;
      const [oldest] = this.#ids;
      if (this.#ids.size >= mostRemembered && oldest !== undefined) this.#ids.delete(oldest);
      this.#ids.add(id);
    }
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }
}
