/** Operator → agent of a generic pod: which function it is from now on. No value is imported: the agent pays for every module. */
import type { EnvironmentDocument } from "./environment.ts";

/** Body of POST `routes.assignment`. */
export interface Assignment {
  readonly document: EnvironmentDocument;
  /** Of the roster as it is now: as if the pod had been made under it, the agent obeys no owner of an older one. */
  readonly epoch: number;
}

/** Whose environment it is: what the agent answers, and to GET `routes.assignment`; empty while it is nobody's. */
export interface Assigned {
  readonly functionUid?: string;
  readonly revisionID?: string;
}

export interface AssignmentRefusal {
  /** `Taken`: another's already. `Stale`: the epoch is older than what the agent has seen. */
  readonly code: "Unauthorized" | "Taken" | "Stale" | "Draining" | "BadRequest";
  readonly message: string;
}

/** In a claim for a pod's uid: it opens the assignment and nothing else; a router's claim, which has none, opens all but that. */
export const ASSIGN_PURPOSE = "assign";

/** The agent's exit status when it could not get the code of its function; its last words say why. */
export const FILL_FAILED_EXIT_CODE = 78;
