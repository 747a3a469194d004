/** What an agent lets in: the newest owner's calls alone, each once, and none on a word that is too old. */
import { isBefore, isOfAnotherLife, startPosition, type Grant, type Position } from "../../../crds/wire/position.ts";

/** `stale`: a newer owner has spoken, or this grant was used or taken back. `silent`: the owner's word is too old. */
export type GateRefusal = "stale" | "silent";

/** An owner that has not heard the agent for so long, by the agent's own clock, is not obeyed. */
export const silenceLimitMs = 10_000;

/** Whether a call may enter now. Without a grant it may only where no owner has ever spoken. */
export function grantRefusal(seen: Position, grant: Grant | undefined, nowMs: number): GateRefusal | undefined {
  if (grant === undefined) return seen.epoch === startPosition.epoch ? undefined : "stale";
  if (!isBefore(seen, grant) || isOfAnotherLife(seen, grant)) return "stale";
  return nowMs - grant.heardMs > silenceLimitMs ? "silent" : undefined;
}

/**
 * What the agent has seen after an owner's claim; undefined: the claim is older than what it has seen, or another life of its owner has spoken
 * under this roster before: it learns the number from the answer and goes on behind it.
 */
export function takeClaim(seen: Position, claim: Position): Position | undefined {
  return isBefore(claim, seen) || isOfAnotherLife(seen, claim) ? undefined : claim;
}
