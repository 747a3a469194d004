import type { EnvironmentAnnouncement } from "../../crds/wire/environment.ts";
import type { FunctionLoad } from "../../crds/wire/load-report.ts";
import type { EnvironmentPod } from "../domain/environment.ts";

export type InitFailure = NonNullable<FunctionLoad["failure"]>;

/** The newest failed init of each function's revisions that nothing has overcome since. */
export class InitFailures {
  /** Function's uid → revision → failure. */
  readonly #byFunction = new Map<string, Map<string, InitFailure>>();

  of(functionUid: string, revisionID: string): InitFailure | undefined {
    return this.#byFunction.get(functionUid)?.get(revisionID);
  }

  /** `current`: the revisions that the function and its versions have; what failed of others matters no more. True when this one failed. */
  note(
    { podUid, functionUid, revisionID }: EnvironmentPod,
    init: NonNullable<EnvironmentAnnouncement["init"]>,
    current: ReadonlySet<string | undefined>,
  ): boolean {
    const failures = this.#byFunction.get(functionUid) ?? new Map<string, InitFailure>();
    for (const known of failures.keys()) if (!current.has(known)) failures.delete(known);
    const hasFailed = !init.ok && current.has(revisionID);
    if (init.ok) failures.delete(revisionID);
    else if (hasFailed) {
      const { errorType = "Unknown", errorMessage = "" } = init;
      failures.set(revisionID, { podUid, errorType, errorMessage });
    }
    if (failures.size > 0) this.#byFunction.set(functionUid, failures);
    else this.#byFunction.delete(functionUid);
    return hasFailed;
  }

  forget(functionUid: string): void {
    this.#byFunction.delete(functionUid);
  }
}
