/**
 * A small account in which everything may happen in any order: two routers that may own it, one that carries its calls, agents, rosters,
 * messages that come late, twice or never. What each of them decides is the production's own code (domain/ownership).
 */
import type { Position } from "../../../crds/wire/position.ts";
import { grantRefusal, takeClaim } from "../../../runtime-proxy/domain/ownership/gate.ts";
import {
  end,
  hear,
  inheritedTenancy,
  lend,
  renew,
  type Tenancy,
  type UseEnd,
} from "../../../runtime-proxy/domain/ownership/tenancy.ts";
import { decideTenure } from "../../../runtime-proxy/domain/ownership/tenure.ts";
import type { Roster } from "../../../crds/wire/roster.ts";

/** Lives of an owner begin so far from each other. */
export const farTurns = 10_000_000;

/** What is under test, so that a test can put a mistake in its place. */
export const productionRules = {
  grantRefusal,
  takeClaim,
  hear,
  end,
  lend,
  renew,
  inheritedTenancy,
  decideTenure,
  /** Where the numbers of grants in an owner's life begin; no two lives begin close to each other. */
  firstTurn: (life: number): number => life * farTurns,
  /** The oldest roster that a life may begin with. `least`: the newest that the one before had seen. */
  firstRoster: (least: number): number => least,
  /** Whether what is there when the account is taken over counts until it is heard. `born`, `epoch`: of it, and of the new owner's roster. */
  isInherited: (_born: number, _epoch: number): boolean => true,
  /** The epoch on the next pod; it is the new one from before the roster is written. */
  bornEpoch: (roster: number, _before: number): number => roster,
};
export type OwnershipRules = typeof productionRules;

export interface OwnershipOptions {
  readonly agents: number;
  readonly calls: number;
  /** Whom the rosters name, from the first one on. Default: a and b in turn. */
  readonly named?: readonly RouterName[];
  /** Of calls that run at once. */
  readonly limit: number;
  /** Rosters that follow the first. */
  readonly rosters: number;
  /** How often each may happen. */
  readonly faults: {
    /** The carrier's connection to an owner breaks; what is under way on it is lost. */
    readonly cut?: number;
    /** An owner begins a new life under the same roster. */
    readonly restart?: number;
    /** An owner of which no call runs or waits forgets the account, and takes it up again under the same roster. */
    readonly forget?: number;
    /** A message to an agent comes twice. */
    readonly twice?: number;
    /** The answer of an agent does not reach the carrier. */
    readonly unanswered?: number;
    /** An agent says how it is without having been asked. */
    readonly said?: number;
  };
  /** Moves, by a part of their names, before everything may happen. */
  readonly prelude?: readonly string[];
  /** Further calls that a grant is good for: its carrier keeps what it was given, and may be late to see that it is nobody's any more. Default 0. */
  readonly further?: number;
  /** An agent that is born in the middle of it all. */
  readonly isOneBorn?: boolean;
  readonly rules?: Partial<OwnershipRules>;
}

export type RouterName = "a" | "b";

interface Word {
  readonly isRunning: boolean;
  readonly position: Position;
  readonly sequence: number;
}

export type Message =
  | {
      readonly t: "ask" | "end";
      readonly to: RouterName;
      readonly call: number;
      readonly ask: number;
      readonly how?: UseEnd;
    }
  | {
      readonly t: "granted";
      readonly call: number;
      readonly ask: number;
      readonly agent: number;
      readonly position: Position;
    }
  | { readonly t: "refused" | "moved"; readonly call: number; readonly ask: number }
  | {
      readonly t: "invoke";
      readonly agent: number;
      readonly call: number;
      readonly ask: number;
      readonly position: Position;
      /** Nobody waits for its answer. */
      readonly isCopy?: boolean;
    }
  | { readonly t: "answer"; readonly call: number; readonly ask: number; readonly how: "answered" | "stale" | "busy" }
  | {
      readonly t: "claim";
      readonly agent: number;
      readonly from: RouterName;
      readonly position: Position;
      readonly isCopy?: boolean;
    }
  | { readonly t: "word"; readonly to: RouterName; readonly agent: number; readonly word: Word }
  | { readonly t: "pod"; readonly to: RouterName; readonly agent: number };

export interface Agent {
  readonly born: number;
  position: Position;
  running: { readonly call: number; readonly ask: number } | undefined;
  hasToldBusy: boolean;
  sequence: number;
}

interface Seen extends Tenancy {
  isReady: boolean;
  sequence: number;
}

export interface Owner {
  /** Number of the newest roster that it has seen; 0: none. */
  roster: number;
  /** The newest that a life before had seen: one that begins anew reads none that is older. */
  least: number;
  life: number;
  isOwned: boolean;
  isTaking: boolean;
  epoch: number;
  seen: Record<number, Seen>;
  /** By ask: where it runs, or nowhere yet. */
  calls: Record<number, { readonly call: number; agent: number | undefined }>;
}

/** What a grant is good for: the environment, by numbers behind the one that was used. */
interface Lent {
  readonly agent: number;
  readonly position: Position;
  readonly left: number;
}

/** Of a call that has ended; the next one may run in its place. */
interface Kept extends Lent {
  readonly ask: number;
  /** Undefined: the connection to the owner is gone, and the carrier has not seen it. */
  readonly to: RouterName | undefined;
}

export interface Call {
  has: "asks" | "sent" | "answered";
  /** The newest question; older ones mean nothing. */
  ask: number;
  to: RouterName | undefined;
  lent: Lent | undefined;
  executions: number;
}

export interface OwnershipWorld {
  readonly named: readonly RouterName[];
  /** Newest roster that was written. */
  roster: number;
  agents: Agent[];
  owners: Record<RouterName, Owner>;
  calls: Call[];
  kept: Kept[];
  messages: Message[];
  asks: number;
  lives: number;
  left: { cut: number; restart: number; forget: number; twice: number; unanswered: number; said: number; born: number };
}

export interface OwnershipMove {
  readonly name: string;
  readonly world: OwnershipWorld;
}

export const account = "account";
export const names = ["a", "b"] as const;
export function newCall(): Call {
  return { has: "asks", ask: -1, to: undefined, lent: undefined, executions: 0 };
}

export function newAgent(born: number): Agent {
  return { born, position: { epoch: born, turn: 0 }, running: undefined, hasToldBusy: false, sequence: 0 };
}

/** Whom each roster names, and begin again at their end. */
export function rosterOf({ named }: Pick<OwnershipWorld, "named">, number: number): Roster {
  const podUid = named[(number - 1) % named.length] ?? "a";
  return { epoch: number, previous: number - 1, replicas: [{ podUid, address: podUid }] };
}
/** A copy that shares nothing that changes: messages, positions and fences are never changed in place. */
export function copyOf(world: OwnershipWorld): OwnershipWorld {
  const owner = (one: Owner): Owner => {
    const seen = Object.fromEntries(Object.entries(one.seen).map(([agent, each]) => [agent, { ...each }]));
    const calls = Object.fromEntries(Object.entries(one.calls).map(([ask, each]) => [ask, { ...each }]));
    return { ...one, seen, calls };
  };
  return {
    ...world,
    agents: world.agents.map((agent) => ({ ...agent })),
    owners: { a: owner(world.owners.a), b: owner(world.owners.b) },
    calls: world.calls.map((call) => ({ ...call })),
    kept: [...world.kept],
    messages: [...world.messages],
    left: { ...world.left },
  };
}
