/** What an account's owner knows of one environment's use. Pure: each function changes the tenancy it is given and nothing else. */
import { isBefore, isOfAnotherLife, type Position } from "../../../crds/wire/position.ts";

export interface Tenancy {
  /** Number of the newest grant. The next is higher, also than all of an owner before. */
  turn: number;
  /** Numbers of this owner's grants are higher; what an agent runs by one of them has its end told here. */
  firstTurn: number;
  /** A grant is out whose end has not been told. */
  isInUse: boolean;
  /** Something may run that no grant stands for: it counts as a running call until the agent says otherwise, or its pod is gone. */
  mayRun: boolean;
  /** Words of an agent that has not seen this position do not settle what runs there. */
  fence: Position;
}

/** More than the numbers that an owner gives one environment, lent ones too, between two that its agent sees. */
const turnsOnTheirWay = 1000;

/** How a grant ended for the environment. */
export type UseEnd =
  /** It answered, so it takes the next call. */
  | "answered"
  /** The agent said that it runs another. */
  | "busy"
  /** The dial got no answer: nothing was sent. */
  | "undialled"
  /** It ends and takes no more calls. */
  | "draining"
  /** Nobody listens: nothing was sent. */
  | "unreached"
  /** The agent did not take this grant: nothing was started. */
  | "stale"
  /** The connection broke in the middle: what was sent may run. */
  | "lost"
  /** Who carried the call is gone: it may run, or be on its way. */
  | "abandoned"
  /** Nothing was sent, nor will be. */
  | "unused";

/** Of an environment that came under this owner: no other's grant can be in it. `turn`: higher than any before in this epoch. */
export function newTenancy(turn: number): Tenancy {
  return { turn, firstTurn: turn, isInUse: false, mayRun: false, fence: { epoch: 0, turn: 0 } };
}

/** Of an environment that another may have given out. */
export function inheritedTenancy(epoch: number, turn: number): Tenancy {
  return { turn, firstTurn: turn, isInUse: false, mayRun: true, fence: { epoch, turn } };
}

/** Under the next roster: whatever was given out before it can enter no more once the agent has seen it. */
export function renew(tenancy: Tenancy, epoch: number): void {
  if (tenancy.mayRun) tenancy.fence = { epoch, turn: tenancy.turn };
}

/** The next grant's number. */
export function give(tenancy: Tenancy): number {
  tenancy.isInUse = true;
  tenancy.turn += 1;
  return tenancy.turn;
}

/** Numbers for so many further grants, right behind the one that is out: its holder gives them to calls one after another. */
export function lend(tenancy: Tenancy, further: number): void {
  tenancy.turn += further;
}

/** Takes in how the newest grant ended. */
export function end(tenancy: Tenancy, how: UseEnd, epoch: number): void {
  tenancy.isInUse = false;
  switch (how) {
    case "busy":
      tenancy.mayRun = true;
      tenancy.fence = { epoch, turn: tenancy.turn };
      return;
    case "lost":
    case "abandoned":
      // One more than the grant, so that a grant still on its way comes too late once the agent has seen this.
      tenancy.mayRun = true;
      tenancy.turn += 1;
      tenancy.fence = { epoch, turn: tenancy.turn };
      return;
    case "answered":
    case "undialled":
    case "draining":
    case "unreached":
    case "stale":
    case "unused":
      tenancy.mayRun = false;
  }
}

/** What an agent says of itself, as far as it tells what runs. */
export interface AgentWord {
  readonly isRunning: boolean;
  /** Absent: it obeys whoever comes. */
  readonly position?: Position | undefined;
}

/** Takes in an agent's word: that nothing runs is believed once no older grant can enter any more. */
export function hear(tenancy: Tenancy, { isRunning, position }: AgentWord, epoch: number): void {
  if (position !== undefined && isOfLifeBefore(tenancy, position, epoch)) {
    // Grants of it that the agent has not seen may be on their way; of ours it has seen none, and it would take none.
    tenancy.turn = position.turn + turnsOnTheirWay;
    tenancy.firstTurn = tenancy.turn;
    tenancy.isInUse = false;
    tenancy.mayRun = true;
    tenancy.fence = { epoch, turn: tenancy.turn };
    return;
  }
  if (tenancy.isInUse) return;
  // Said before the end of a grant, and heard after it, it is no news: how that one ended is known.
  const isKnown = position?.epoch === epoch && position.turn > tenancy.firstTurn;
  if (isRunning) tenancy.mayRun ||= !isKnown;
  else if (position === undefined || !isBefore(position, tenancy.fence)) tenancy.mayRun = false;
}

/** This owner gave that number out before it began anew. */
function isOfLifeBefore({ turn }: Tenancy, position: Position, epoch: number): boolean {
  return position.epoch === epoch && (position.turn > turn || isOfAnotherLife(position, { epoch, turn }));
}

/** Where a claim puts the agent: behind every grant that has ended. */
export function claimOf({ turn }: Tenancy, epoch: number): Position {
  return { epoch, turn };
}
