/** Which function a generic pod's agent takes: the first that comes, once and for all. Pure. */
import type { Assigned, Assignment, AssignmentRefusal } from "../../crds/wire/assignment.ts";

export interface AssignmentSeen {
  /** Whose it is; undefined: nobody's. */
  readonly current: Required<Assigned> | undefined;
  /** The newest that the agent has seen of owners. */
  readonly epoch: number;
  readonly isEnding: boolean;
}

export type AssignmentVerdict =
  /** From now on it is this one's. */
  | { readonly type: "take" }
  /** It is already: said again, by somebody who did not hear the answer. */
  | { readonly type: "repeat" }
  | { readonly type: "refuse"; readonly refusal: AssignmentRefusal };

/** Also a repeated one raises the epoch, and an older one changes nothing. */
export function decideAssignment(seen: AssignmentSeen, { document, epoch }: Assignment): AssignmentVerdict {
  if (seen.isEnding) return refuse("Draining", "the environment is draining");
  if (epoch < seen.epoch) return refuse("Stale", `epoch ${epoch} is older than ${seen.epoch}, which is known here`);
  const { current } = seen;
  if (current === undefined) return { type: "take" };
  const isSame = current.functionUid === document.functionUid && current.revisionID === document.revisionID;
  if (isSame) return { type: "repeat" };
  return refuse("Taken", `it is revision "${current.revisionID}" of function "${current.functionUid}" already`);
}

function refuse(code: AssignmentRefusal["code"], why: string): AssignmentVerdict {
  return { type: "refuse", refusal: { code, message: `Cannot assign the environment: ${why}` } };
}
