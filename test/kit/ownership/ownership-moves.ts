/** What may come next in a world of ownership, and how it begins. */
import { claimOf } from "../../../runtime-proxy/domain/ownership/tenancy.ts";
import { ownerOf } from "../../../crds/wire/roster.ts";
import {
  deliver,
  seeRoster,
  takeOver,
  finishCall,
  say,
  answer,
  useKept,
  giveUp,
  breakConnection,
  type Decided,
} from "./ownership-steps.ts";
import {
  account,
  copyOf,
  names,
  newAgent,
  newCall,
  productionRules,
  rosterOf,
  type OwnershipMove,
  type OwnershipOptions,
  type OwnershipWorld,
  type Owner,
} from "./ownership-world.ts";

export function firstOwnershipWorld(options: OwnershipOptions): OwnershipWorld {
  const { cut = 0, restart = 0, forget = 0, twice = 0, unanswered = 0, said = 0 } = options.faults;
  const owner = (): Owner => ({
    roster: 0,
    least: 0,
    life: 0,
    isOwned: false,
    isTaking: false,
    epoch: 0,
    seen: {},
    calls: {},
  });
  const world: OwnershipWorld = {
    named: options.named ?? names,
    roster: 1,
    agents: Array.from({ length: options.agents }, () => newAgent(0)),
    owners: { a: owner(), b: owner() },
    calls: Array.from({ length: options.calls }, () => newCall()),
    kept: [],
    messages: [],
    asks: 0,
    lives: 0,
    left: { cut, restart, forget, twice, unanswered, said, born: options.isOneBorn === true ? 1 : 0 },
  };
  settleFirst(world);
  return (options.prelude ?? []).reduce((before, name) => {
    const { certain, free } = ownershipMoves(before, options);
    const found = [...certain, ...free].find((move) => move.name.includes(name));
    if (found === undefined) throw new Error(`Cannot begin with "${name}": it cannot happen`);
    return found.world;
  }, world);
}

/** Everything begins with an owner that has heard all its agents. */
function settleFirst(world: OwnershipWorld): void {
  const by: Decided = { rules: productionRules, limit: 1, further: 0, takes: "first" };
  seeRoster(world, "a", 1, productionRules);
  takeOver(world, "a", productionRules);
  const owner = world.owners.a;
  for (const [agent, seen] of Object.entries(owner.seen))
    deliver(world, { t: "claim", agent: Number(agent), from: "a", position: claimOf(seen, owner.epoch) }, by);
  for (const message of world.messages.splice(0)) deliver(world, message, by);
}
/** Everything that may come next. `certain`: it will, if nothing else does. */
export function ownershipMoves(
  world: OwnershipWorld,
  options: OwnershipOptions,
): { readonly certain: OwnershipMove[]; readonly free: OwnershipMove[] } {
  const rules = { ...productionRules, ...options.rules };
  const by: Decided = { rules, limit: options.limit, further: options.further ?? 0, takes: "first" };
  const certain: OwnershipMove[] = [];
  const free: OwnershipMove[] = [];
  const move = (into: OwnershipMove[], name: string, change: (next: OwnershipWorld) => void): void => {
    const next = copyOf(world);
    change(next);
    into.push({ name, world: next });
  };
  world.messages.forEach((message, index) => {
    const name = JSON.stringify(message);
    const isForOwner = message.t === "ask" || message.t === "end" || message.t === "word";
    for (const takes of isForOwner ? (["first", "last"] as const) : (["first"] as const))
      move(certain, `delivered: ${name}${takes === "last" ? ", and the last idle one is taken" : ""}`, (next) => {
        next.messages.splice(index, 1);
        deliver(next, message, { ...by, takes });
      });
    const isForAgent = message.t === "invoke" || message.t === "claim";
    if (isForAgent && world.left.twice > 0)
      move(free, `delivered, and still on its way: ${name}`, (next) => {
        next.left.twice -= 1;
        next.messages[index] = { ...message, isCopy: true };
        deliver(next, message, by);
      });
    if (message.t === "answer" && message.how === "answered" && world.left.unanswered > 0)
      move(free, `lost: ${name}`, (next) => {
        next.left.unanswered -= 1;
        next.messages.splice(index, 1);
        finishCall(next, message.call, message.ask, "lost");
      });
  });
  world.agents.forEach((agent, number) => {
    if (world.left.said > 0)
      move(free, `agent ${number} says how it is`, (next) => {
        next.left.said -= 1;
        say(next, number, names);
      });
    if (agent.running !== undefined) move(certain, `agent ${number} answers`, (next) => answer(next, number));
  });
  world.calls.forEach((call, number) => {
    if (call.has !== "asks" || call.to !== undefined) return;
    askMoves(world, number, (name, change) => move(certain, name, change));
    for (const [index, kept] of world.kept.entries())
      move(free, `call ${number} runs in the place of ${kept.ask}`, (next) => useKept(next, number, index));
  });
  for (const [index, { ask }] of world.kept.entries())
    move(certain, `what call ${ask} had is kept no longer`, (next) => giveUp(next, index));
  for (const name of names) {
    const owner = world.owners[name];
    for (let number = Math.max(owner.roster + 1, rules.firstRoster(owner.least)); number <= world.roster; number += 1)
      move(certain, `${name} sees roster ${number}`, (next) => seeRoster(next, name, number, rules));
    if (owner.isTaking) move(certain, `${name} lists`, (next) => takeOver(next, name, rules));
    for (const [agent, seen] of Object.entries(owner.seen)) {
      if (!owner.isOwned || seen.isInUse || (seen.isReady && !seen.mayRun)) continue;
      const isUnderWay = world.messages.some(
        (message) =>
          (message.t === "claim" && message.from === name && message.agent === Number(agent)) ||
          (message.t === "word" && message.to === name && message.agent === Number(agent)),
      );
      // Whoever has said that it runs something says when it has ended; asking then would go on for ever.
      const waits = world.agents[Number(agent)]?.running !== undefined && seen.sequence >= 0 && seen.isReady;
      if (!isUnderWay && !waits && !isOverruled(world, Number(agent), owner))
        move(certain, `${name} claims ${agent}`, (next) => {
          next.messages.push({ t: "claim", agent: Number(agent), from: name, position: claimOf(seen, owner.epoch) });
        });
    }
    if (world.left.restart > 0 && owner.isOwned)
      move(free, `${name} restarts`, (next) => {
        next.left.restart -= 1;
        breakConnection(next, name, { rules, isOwnerGone: true });
        Object.assign(next.owners[name], {
          roster: 0,
          least: owner.roster,
          isOwned: false,
          isTaking: false,
          seen: {},
          calls: {},
        });
      });
    if (world.left.forget > 0 && owner.isOwned && Object.keys(owner.calls).length === 0)
      move(free, `${name} forgets the account`, (next) => {
        next.left.forget -= 1;
        Object.assign(next.owners[name], { isOwned: false, isTaking: true, seen: {} });
      });
    if (world.left.cut > 0 && Object.keys(owner.calls).length > 0)
      move(free, `the connection to ${name} breaks`, (next) => {
        next.left.cut -= 1;
        breakConnection(next, name, { rules, isOwnerGone: false });
      });
  }
  if (world.roster <= options.rosters)
    move(free, `roster ${world.roster + 1} is written`, (next) => {
      next.roster += 1;
    });
  if (world.left.born > 0)
    move(free, "an agent is born", (next) => {
      next.left.born -= 1;
      next.agents.push(newAgent(rules.bornEpoch(next.roster, next.roster - 1)));
      const agent = next.agents.length - 1;
      for (const to of names) next.messages.push({ t: "pod", to, agent });
    });
  return { certain, free };
}

/** An owner that a newer one has overruled asks in vain: nothing comes of it until it has seen the roster. */
function isOverruled(world: OwnershipWorld, agent: number, owner: Owner): boolean {
  return (world.agents[agent]?.position.epoch ?? 0) > owner.epoch;
}

function askMoves(
  world: OwnershipWorld,
  number: number,
  move: (name: string, change: (next: OwnershipWorld) => void) => void,
): void {
  for (const to of names) {
    // The carrier knows some roster, perhaps an old one; it asks nobody whom it knows not to own the account any more.
    if (world.owners[to].roster === 0 && to !== ownerOf(rosterOf(world, world.roster), account)?.podUid) continue;
    const isOwner = world.owners[to].isOwned || ownerOf(rosterOf(world, world.roster), account)?.podUid === to;
    if (!isOwner || world.owners[to].isTaking) continue;
    if (!world.owners[to].isOwned) continue;
    move(`call ${number} is asked of ${to}`, (next) => {
      const call = next.calls[number];
      if (call === undefined) return;
      next.asks += 1;
      call.ask = next.asks;
      call.to = to;
      next.messages.push({ t: "ask", to, call: number, ask: next.asks });
    });
  }
}
