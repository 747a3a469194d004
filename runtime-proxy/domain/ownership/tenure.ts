/** Which accounts a replica owns, and since when: what a new roster changes. */
import { ownerOf, type Roster } from "../../../crds/wire/roster.ts";

/** `keep`: this replica has been the owner all the time. `take`: it has to hear first what runs. */
export type TenureChange = "keep" | "take" | "drop" | "none";

/** False: an older roster, or the same one again, changes nothing. */
export function isNewer(roster: Roster, before: Roster | undefined): boolean {
  return before === undefined || roster.epoch > before.epoch;
}

/**
 * The same of what another replica tells. Before one was read here it is of no use: this replica may have given grants under a newer one, before it
 * began anew, and would take the next for one that it has had no part in.
 */
export function isNewsFromPeer(roster: Roster, before: Roster | undefined): boolean {
  return before !== undefined && isNewer(roster, before);
}

/** Whoever has missed a roster cannot know who owned an account meanwhile. */
export function decideTenure(
  seen: { readonly roster: Roster; readonly before: Roster | undefined; readonly replica: string },
  account: { readonly name: string; readonly isOwned: boolean },
): TenureChange {
  const isMine = ownerOf(seen.roster, account.name)?.podUid === seen.replica;
  if (!isMine) return account.isOwned ? "drop" : "none";
  const hasMissedNone = seen.before !== undefined && seen.roster.previous === seen.before.epoch;
  return account.isOwned && hasMissedNone ? "keep" : "take";
}
