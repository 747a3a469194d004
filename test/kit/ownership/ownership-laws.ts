/** What must hold in a world of ownership. */
import { ownerOf } from "../../../crds/wire/roster.ts";
import { account, rosterOf, type OwnershipOptions, type OwnershipWorld, type RouterName } from "./ownership-world.ts";

/** What must hold whatever happens. Throws with what is broken. */
export function checkOwnership(world: OwnershipWorld, { limit }: OwnershipOptions): void {
  const running = world.agents.filter((agent) => agent.running !== undefined).length;
  if (running > limit) throw new Error(`${running} calls run, allowed are ${limit}`);
  for (const { executions } of world.calls) if (executions > 1) throw new Error("a call has run twice");
}

/** What must hold when nothing is left to happen: every call has its answer, and all that is free is known to be free. */
export function checkRest(world: OwnershipWorld): void {
  if (world.calls.some(({ has }) => has !== "answered")) throw new Error("a call waits for ever");
  const owner = world.owners[ownerOf(rosterOf(world, world.roster), account)?.podUid as RouterName];
  if (!owner.isOwned) throw new Error("nobody owns the account");
  if (Object.keys(owner.calls).length > 0) throw new Error("a call that has ended holds a slot");
  const stuck = Object.values(owner.seen).filter((seen) => seen.mayRun || seen.isInUse || !seen.isReady);
  if (stuck.length > 0) throw new Error("an environment that is free counts as busy");
}
