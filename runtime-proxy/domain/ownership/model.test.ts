/** All interleavings of a small account: whatever routers, agents, rosters and messages do, never more than the limit runs. */
import assert from "node:assert/strict";
import { explore } from "../../../test/kit/ownership/ownership-explorer.ts";
import { farTurns, type OwnershipOptions, type OwnershipRules } from "../../../test/kit/ownership/ownership-world.ts";
import { isBefore } from "../../../crds/wire/position.ts";
import { end, hear, newTenancy } from "./tenancy.ts";

const base: OwnershipOptions = { agents: 2, calls: 2, limit: 1, rosters: 0, faults: {} };

/** The next life of the owner that has begun with `farTurns` begins here. */
const lower = { firstTurn: (life: number) => (life === 1 ? farTurns : farTurns / 2) };
const same = { firstTurn: () => farTurns };

/** The first call of an environment that was born under the owner is on its way. */
const firstCall = [
  ...["an agent is born", '"t":"pod","to":"a"', "agent 1 says", '"t":"word","to":"a"'],
  ...["call 0 is asked of a", "the last idle one is taken", '"t":"granted"'],
];
const begunAnew = ["call 0 is asked of a", '"t":"ask"', '"t":"granted"', "a restarts"];
const handedOver = ["roster 2 is written", "b sees roster 2", "b lists", "b claims 0", '"t":"claim"', '"t":"word"'];

const worlds: Record<string, OwnershipOptions> = {
  "one owner, and messages that come twice": { ...base, faults: { twice: 1 } },
  "a carrier that is cut off": { ...base, faults: { cut: 1, said: 1 } },
  "an owner that begins anew under the same roster": { ...base, faults: { restart: 1 } },
  "an owner whose next life begins with lower numbers": { ...base, faults: { restart: 1 }, rules: lower },
  "an owner whose next life begins with lower numbers, while an environment's first call is on its way": {
    ...base,
    agents: 1,
    faults: { restart: 1, said: 1 },
    isOneBorn: true,
    prelude: firstCall,
    rules: lower,
  },
  "an owner that goes on under the next roster": { ...base, rosters: 1, named: ["a"] },
  "an owner that begins anew and goes on under the next roster": {
    ...base,
    rosters: 1,
    named: ["a"],
    faults: { restart: 1 },
    prelude: begunAnew,
    rules: lower,
  },
  "an owner that begins anew when it has gone on under the next roster": {
    ...base,
    rosters: 1,
    named: ["a"],
    faults: { restart: 1 },
    prelude: ["roster 2 is written", "a sees roster 2", ...begunAnew],
    rules: lower,
  },
  "an owner that begins anew while an environment is born under its roster": {
    ...base,
    agents: 1,
    faults: { restart: 1 },
    isOneBorn: true,
  },
  "an owner that forgets the account while nothing runs or waits": { ...base, faults: { forget: 1, twice: 1 } },
  "an owner that forgets the account while an environment is born": {
    ...base,
    agents: 1,
    faults: { forget: 1 },
    isOneBorn: true,
  },
  "an owner that forgets the account after it has taken over what the one before gave": {
    ...base,
    rosters: 1,
    faults: { forget: 1 },
    prelude: ["call 0 is asked of a", '"t":"ask"', '"t":"granted"', '"t":"invoke"', ...handedOver],
  },
  "answers that do not arrive": { ...base, faults: { unanswered: 1 } },
  "a new owner while the old one goes on": { ...base, rosters: 1 },
  "an account that goes and comes back": { ...base, agents: 1, calls: 1, rosters: 2 },
  "an environment that is born while the owner changes": {
    ...base,
    agents: 1,
    calls: 1,
    rosters: 1,
    isOneBorn: true,
  },
  "a carrier that keeps what it was given": { ...base, calls: 3, further: 1 },
  "a carrier that keeps, and messages that come twice": { ...base, further: 2, faults: { twice: 1 } },
  "a carrier that keeps and is cut off": { ...base, calls: 3, further: 2, faults: { cut: 1 } },
  "a carrier that keeps what an owner gave before it began anew": { ...base, further: 1, faults: { restart: 1 } },
  "the same, and its next life begins with lower numbers": {
    ...base,
    further: 1,
    faults: { restart: 1 },
    rules: lower,
  },
  "a carrier that keeps what the owner before gave": { ...base, further: 1, rosters: 1 },
};

/** Worlds in which a mistake shows, begun where it is about to. */
const starts: Record<string, OwnershipOptions> = {
  ...worlds,
  "an old owner hears of one that is born after the new one has looked": {
    ...base,
    agents: 1,
    rosters: 1,
    isOneBorn: true,
    prelude: handedOver,
  },
  "an account has come back, and its owner has not seen that it was away": {
    ...base,
    rosters: 2,
    prelude: [
      ...handedOver,
      ...["roster 3 is written", "b claims 1", '"t":"claim"', '"t":"word"'],
      ...["call 0 is asked of b", '"t":"ask"', '"t":"granted"', '"t":"invoke"'],
    ],
  },
  "a carrier that has kept once is cut off": {
    ...base,
    calls: 4,
    further: 2,
    faults: { cut: 1 },
    prelude: [
      ...["call 0 is asked of a", '"t":"ask"', '"t":"granted"', '"t":"invoke"', "answers", '"t":"answer"'],
      ...["call 1 runs in the place of 1", '"t":"invoke"', "answers", '"t":"answer"'],
    ],
  },
};

/** Each with what it lets happen. */
const mistakes: Record<string, { world: string; rules: Partial<OwnershipRules>; finds: RegExp }> = {
  "an agent that obeys any epoch": {
    world: "a new owner while the old one goes on",
    rules: { grantRefusal: () => undefined },
    finds: /2 calls run/,
  },
  "a new owner for whom the unheard are free": {
    world: "a new owner while the old one goes on",
    rules: { inheritedTenancy: (_epoch, turn) => newTenancy(turn) },
    finds: /2 calls run/,
  },
  "an owner that takes a lost carrier's calls for ended": {
    world: "a carrier that is cut off",
    rules: {
      end: (tenancy, how, epoch) => end(tenancy, how === "abandoned" ? "unused" : how, epoch),
    },
    finds: /2 calls run/,
  },
  "no fence before a grant that is still on its way": {
    world: "a carrier that is cut off",
    rules: {
      end: (tenancy, how, epoch) => {
        end(tenancy, how, epoch);
        if (how === "abandoned") tenancy.fence = { epoch: 0, turn: 0 };
      },
    },
    finds: /2 calls run/,
  },
  "an agent's word is believed whatever it has seen": {
    world: "a new owner while the old one goes on",
    rules: {
      hear: (tenancy, { isRunning }) => {
        if (!tenancy.isInUse) tenancy.mayRun = isRunning;
      },
      takeClaim: (seen) => seen,
    },
    finds: /2 calls run/,
  },
  "an owner whose next life begins with the same numbers": {
    world: "an owner that begins anew under the same roster",
    rules: same,
    finds: /2 calls run/,
  },
  "an owner whose next life begins with lower numbers, and does not hear that it does": {
    world: "an owner that begins anew under the same roster",
    rules: {
      firstTurn: (life) => farTurns - life,
      hear: (tenancy, { isRunning }, epoch) => hear(tenancy, { isRunning }, epoch),
    },
    finds: /calls run|comes to rest/,
  },
  "an agent that takes the numbers of another life for newer ones": {
    world: "an owner whose next life begins with lower numbers, while an environment's first call is on its way",
    rules: {
      ...lower,
      grantRefusal: (seen, grant) => (grant !== undefined && isBefore(seen, grant) ? undefined : "stale"),
      takeClaim: (seen, claim) => (isBefore(claim, seen) ? undefined : claim),
    },
    finds: /2 calls run/,
  },
  "an owner that goes on under the next roster and believes words from before it": {
    world: "an owner that begins anew and goes on under the next roster",
    rules: { ...lower, renew: () => undefined },
    finds: /2 calls run/,
  },
  "an owner that begins anew with a roster older than it had seen": {
    world: "an owner that begins anew when it has gone on under the next roster",
    rules: { ...lower, firstRoster: () => 0 },
    finds: /2 calls run/,
  },
  "an environment born under the old roster after the new one": {
    world: "an old owner hears of one that is born after the new one has looked",
    rules: { bornEpoch: (_roster, before) => before },
    finds: /2 calls run/,
  },
  "an owner that begins anew, for whom those that were born under its roster are free": {
    world: "an owner that begins anew while an environment is born under its roster",
    rules: { isInherited: (born, epoch) => born < epoch },
    finds: /2 calls run/,
  },
  "a router that has missed a roster and goes on": {
    world: "an account has come back, and its owner has not seen that it was away",
    rules: {
      decideTenure: ({ roster, replica }, { isOwned }) => {
        const isMine = roster.replicas[0]?.podUid === replica;
        if (!isMine) return isOwned ? "drop" : "none";
        return isOwned ? "keep" : "take";
      },
    },
    finds: /2 calls run/,
  },
  "numbers that were lent are given out again": {
    world: "a carrier that has kept once is cut off",
    rules: { lend: () => undefined },
    finds: /2 calls run/,
  },
  "an agent whose position a claim does not move": {
    world: "a carrier that is cut off",
    rules: { takeClaim: (seen) => seen },
    finds: /comes to rest/,
  },
};

describe("ownership, all interleavings", () => {
  for (const [title, options] of Object.entries(worlds)) {
    it(title, function () {
      this.timeout(60_000);
      const found = explore(options);
      assert.ok(found > 200, `only ${found} worlds`);
    });
  }
});

describe("ownership, a planted mistake is found", () => {
  for (const [title, { world, rules, finds }] of Object.entries(mistakes)) {
    it(title, function () {
      this.timeout(60_000);
      assert.throws(() => explore({ ...(starts[world] ?? base), rules }), finds);
    });
  }
});
