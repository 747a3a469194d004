import type { Health } from "../controllers/function/conditions.ts";
import { decideHealth, type HealthSeen } from "./health.ts";

/** How environments of each function's revisions do, as it was told last. */
export class HealthBoard {
  /** Function's uid → revision → health. */
  readonly #healths = new Map<string, Map<string, Health>>();

  /** Undefined: not known. */
  of(functionUid: string, revisionID: string): Health | undefined {
    return this.#healths.get(functionUid)?.get(revisionID);
  }

  /** Those of other revisions are over. */
  keep(functionUid: string, revisionIDs: ReadonlySet<string>): void {
    const healths = this.#healths.get(functionUid);
    for (const known of healths?.keys() ?? []) if (!revisionIDs.has(known)) healths?.delete(known);
  }

  forget(functionUid: string): void {
    this.#healths.delete(functionUid);
  }

  /** The health that is to be told; undefined: nothing new. `onWell` is called whenever failures have been overcome. */
  judge(
    functionUid: string,
    seen: HealthSeen & { readonly revisionID: string },
    onWell: () => void,
  ): Health | undefined {
    const health = decideHealth(seen);
    // At its most it comes up as well.
    if (health?.ok === true || health?.reason === "EnvironmentLimitReached") onWell();
    const known = this.#healths.get(functionUid) ?? new Map<string, Health>();
    if (health === undefined || JSON.stringify(known.get(seen.revisionID)) === JSON.stringify(health)) return undefined;
    this.#healths.set(functionUid, known.set(seen.revisionID, health));
    return health;
  }
}
