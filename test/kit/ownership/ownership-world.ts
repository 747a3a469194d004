/**
 * A small account in which everything may happen in any order: two routers that may own it, one that carries its calls, agents, rosters,
 * messages that come late, twice or never. What each of them decides is the production's own code (domain/ownership).
 */
import type { Position } from "../../crds/wire/position.ts";
import { grantRefusal, takeClaim } from "../../runtime-proxy/domain/ownership/gate.ts";
import {
  claimOf,
  end,
  give,
  hear,
  inheritedTenancy,
  lend,
  newTenancy,
  type Tenancy,
  type UseEnd,
} from "../../runtime-proxy/domain/ownership/tenancy.ts";
import { decideTenure } from "../../runtime-proxy/domain/ownership/tenure.ts";
import { ownerOf, type Roster } from "../../crds/wire/roster.ts";

/** What is under test, so that a test can put a mistake in its place. */
export const productionRules = {
  grantRefusal,
  takeClaim,
  hear,
  end,
  lend,
  inheritedTenancy,
  decideTenure,
  /** Numbers of grants in an owner's next life begin above all before. */
  firstTurn: (life: number): number => life * 100,
  /** The epoch on the next pod; it is the new one from before the roster is written. */
  bornEpoch: (roster: number, _before: number): number => roster,
};
export type OwnershipRules = typeof productionRules;

export interface OwnershipOptions {
  readonly agents: number;
  readonly calls: number;
  /** Of calls that run at once. */
  readonly limit: number;
  /** Rosters that follow the first; each names the other router. */
  readonly rosters: number;
  /** How often each may happen. */
  readonly faults: {
    /** The carrier's connection to an owner breaks; what is under way on it is lost. */
    readonly cut?: number;
    /** An owner begins a new life under the same roster. */
    readonly restart?: number;
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

type RouterName = "a" | "b";

interface Word {
  readonly isRunning: boolean;
  readonly position: Position;
  readonly sequence: number;
}

type Message =
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

interface Agent {
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

interface Owner {
  /** Number of the newest roster that it has seen; 0: none. */
  roster: number;
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

interface Call {
  has: "asks" | "sent" | "answered";
  /** The newest question; older ones mean nothing. */
  ask: number;
  to: RouterName | undefined;
  lent: Lent | undefined;
  executions: number;
}

export interface OwnershipWorld {
  /** Newest roster that was written. */
  roster: number;
  agents: Agent[];
  owners: Record<RouterName, Owner>;
  calls: Call[];
  kept: Kept[];
  messages: Message[];
  asks: number;
  lives: number;
  left: { cut: number; restart: number; twice: number; unanswered: number; said: number; born: number };
}

export interface OwnershipMove {
  readonly name: string;
  readonly world: OwnershipWorld;
}

const account = "account";
const names = ["a", "b"] as const;

export function firstOwnershipWorld(options: OwnershipOptions): OwnershipWorld {
  const { cut = 0, restart = 0, twice = 0, unanswered = 0, said = 0 } = options.faults;
  const owner = (): Owner => ({ roster: 0, life: 0, isOwned: false, isTaking: false, epoch: 0, seen: {}, calls: {} });
  const world: OwnershipWorld = {
    roster: 1,
    agents: Array.from({ length: options.agents }, () => newAgent(0)),
    owners: { a: owner(), b: owner() },
    calls: Array.from({ length: options.calls }, () => newCall()),
    kept: [],
    messages: [],
    asks: 0,
    lives: 0,
    left: { cut, restart, twice, unanswered, said, born: options.isOneBorn === true ? 1 : 0 },
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
  const by = { rules: productionRules, limit: 1, further: 0 };
  seeRoster(world, "a", 1, productionRules);
  takeOver(world, "a", productionRules);
  const owner = world.owners.a;
  for (const [agent, seen] of Object.entries(owner.seen))
    deliver(world, { t: "claim", agent: Number(agent), from: "a", position: claimOf(seen, owner.epoch) }, by);
  for (const message of world.messages.splice(0)) deliver(world, message, by);
}

function newCall(): Call {
  return { has: "asks", ask: -1, to: undefined, lent: undefined, executions: 0 };
}

function newAgent(born: number): Agent {
  return { born, position: { epoch: born, turn: 0 }, running: undefined, hasToldBusy: false, sequence: 0 };
}

/** Odd rosters name router a, even ones b. */
function rosterOf(number: number): Roster {
  const podUid = number % 2 === 1 ? "a" : "b";
  return { epoch: number, previous: number - 1, replicas: [{ podUid, address: podUid }] };
}

/** Everything that may come next. `certain`: it will, if nothing else does. */
export function ownershipMoves(
  world: OwnershipWorld,
  options: OwnershipOptions,
): { readonly certain: OwnershipMove[]; readonly free: OwnershipMove[] } {
  const rules = { ...productionRules, ...options.rules };
  const by: Decided = { rules, limit: options.limit, further: options.further ?? 0 };
  const certain: OwnershipMove[] = [];
  const free: OwnershipMove[] = [];
  const move = (into: OwnershipMove[], name: string, change: (next: OwnershipWorld) => void): void => {
    const next = copyOf(world);
    change(next);
    into.push({ name, world: next });
  };
  world.messages.forEach((message, index) => {
    const name = JSON.stringify(message);
    move(certain, `delivered: ${name}`, (next) => {
      next.messages.splice(index, 1);
      deliver(next, message, by);
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
    for (let number = owner.roster + 1; number <= world.roster; number += 1)
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
        Object.assign(next.owners[name], { roster: 0, isOwned: false, isTaking: false, seen: {}, calls: {} });
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
    if (world.owners[to].roster === 0 && to !== ownerOf(rosterOf(world.roster), account)?.podUid) continue;
    const isOwner = world.owners[to].isOwned || ownerOf(rosterOf(world.roster), account)?.podUid === to;
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

function seeRoster(world: OwnershipWorld, name: RouterName, number: number, rules: OwnershipRules): void {
  const owner = world.owners[name];
  const before = owner.roster === 0 ? undefined : rosterOf(owner.roster);
  const change = rules.decideTenure(
    { roster: rosterOf(number), before, replica: name },
    { name: account, isOwned: owner.isOwned },
  );
  owner.roster = number;
  if (change === "keep") owner.epoch = number;
  if (change === "take" || change === "drop") letGo(world, name);
  owner.isTaking = change === "take" || (change !== "drop" && change !== "none" && owner.isTaking);
}

function letGo(world: OwnershipWorld, name: RouterName): void {
  const owner = world.owners[name];
  for (const [ask, { call, agent }] of Object.entries(owner.calls))
    if (agent === undefined) world.messages.push({ t: "moved", call, ask: Number(ask) });
  Object.assign(owner, { isOwned: false, isTaking: false, seen: {}, calls: {} });
}

function takeOver(world: OwnershipWorld, name: RouterName, rules: OwnershipRules): void {
  const owner = world.owners[name];
  world.lives += 1;
  owner.life = world.lives;
  owner.epoch = owner.roster;
  const turn = rules.firstTurn(owner.life);
  owner.seen = {};
  world.agents.forEach(({ born }, agent) => {
    const tenancy = born < owner.epoch ? rules.inheritedTenancy(owner.epoch, turn) : newTenancy(turn);
    owner.seen[agent] = { ...tenancy, isReady: false, sequence: -1 };
  });
  owner.isOwned = true;
  owner.isTaking = false;
}

interface Decided {
  readonly rules: OwnershipRules;
  readonly limit: number;
  readonly further: number;
}

function deliver(world: OwnershipWorld, message: Message, by: Decided): void {
  switch (message.t) {
    case "ask":
      takeAsk(world, message, by);
      return;
    case "end":
      takeEnd(world, message, by);
      return;
    case "granted": {
      const { call, ask, agent, position } = message;
      const carried = world.calls[call];
      if (carried?.has !== "asks" || carried.ask !== ask) {
        giveUnused(world, message);
        return;
      }
      carried.has = "sent";
      carried.lent = { agent, position, left: by.further };
      world.messages.push({ t: "invoke", agent, call, ask, position });
      return;
    }
    case "refused":
    case "moved": {
      const carried = world.calls[message.call];
      if (carried?.has !== "asks" || carried.ask !== message.ask) return;
      if (message.t === "refused") carried.has = "answered";
      carried.to = undefined;
      return;
    }
    case "invoke":
      takeInvoke(world, message, by);
      return;
    case "answer":
      finishCall(world, message.call, message.ask, message.how);
      return;
    case "claim": {
      const agent = world.agents[message.agent];
      if (agent === undefined) return;
      agent.position = by.rules.takeClaim(agent.position, message.position) ?? agent.position;
      say(world, message.agent, [message.from]);
      return;
    }
    case "word":
      takeWord(world, message, by);
      return;
    case "pod": {
      const owner = world.owners[message.to];
      if (!owner.isOwned || owner.seen[message.agent] !== undefined) return;
      const turn = by.rules.firstTurn(owner.life);
      owner.seen[message.agent] = { ...newTenancy(turn), isReady: false, sequence: -1 };
    }
  }
}

function takeAsk(world: OwnershipWorld, { to, call, ask }: Extract<Message, { t: "ask" | "end" }>, by: Decided): void {
  const owner = world.owners[to];
  if (!owner.isOwned) {
    world.messages.push({ t: "moved", call, ask });
    return;
  }
  const mayRun = Object.values(owner.seen).filter((seen) => seen.mayRun).length;
  if (Object.keys(owner.calls).length + mayRun >= by.limit) {
    world.messages.push({ t: "refused", call, ask });
    return;
  }
  owner.calls[ask] = { call, agent: undefined };
  serve(world, to, by);
}

function takeEnd(world: OwnershipWorld, message: Extract<Message, { t: "ask" | "end" }>, by: Decided): void {
  const owner = world.owners[message.to];
  const known = owner.calls[message.ask];
  if (known === undefined) return;
  const { agent } = known;
  const seen = agent === undefined ? undefined : owner.seen[agent];
  if (seen !== undefined) {
    const { how = "unused" } = message;
    by.rules.end(seen, how, owner.epoch);
    if (how !== "answered" && how !== "unused") seen.isReady = false;
  }
  owner.calls = Object.fromEntries(Object.entries(owner.calls).filter(([ask]) => Number(ask) !== message.ask));
  serve(world, message.to, by);
}

function serve(world: OwnershipWorld, name: RouterName, { rules, further }: Decided): void {
  const owner = world.owners[name];
  for (const [ask, waiting] of Object.entries(owner.calls)) {
    if (waiting.agent !== undefined) continue;
    // Two owners choose differently, and one takes another each time, so that two may run at once where two are thought free.
    const order = name === "a" ? Object.entries(owner.seen).reverse() : Object.entries(owner.seen);
    const [idle] = order
      .filter(([, { isReady, isInUse, mayRun }]) => isReady && !isInUse && !mayRun)
      .sort(([, one], [, other]) => one.turn - other.turn);
    if (idle === undefined) return;
    const [agent, chosen] = idle;
    waiting.agent = Number(agent);
    const position = { epoch: owner.epoch, turn: give(chosen) };
    rules.lend(chosen, further);
    world.messages.push({ t: "granted", call: waiting.call, ask: Number(ask), agent: Number(agent), position });
  }
}

function takeInvoke(world: OwnershipWorld, message: Extract<Message, { t: "invoke" }>, { rules }: Decided): void {
  const { call, ask, position, isCopy = false } = message;
  const agent = world.agents[message.agent];
  if (agent === undefined) return;
  const isStale = rules.grantRefusal(agent.position, { ...position, heardMs: 0 }, 0) !== undefined;
  if (agent.running !== undefined || isStale) {
    const how = agent.running === undefined ? "stale" : "busy";
    if (!isCopy) world.messages.push({ t: "answer", call, ask, how });
    return;
  }
  agent.position = position;
  agent.running = { call, ask };
  const carried = world.calls[call];
  if (carried !== undefined) carried.executions += 1;
}

function answer(world: OwnershipWorld, number: number): void {
  const agent = world.agents[number];
  if (agent?.running === undefined) return;
  world.messages.push({ t: "answer", ...agent.running, how: "answered" });
  agent.running = undefined;
  if (!agent.hasToldBusy) return;
  agent.hasToldBusy = false;
  say(world, number, names);
}

function say(world: OwnershipWorld, number: number, to: readonly RouterName[]): void {
  const agent = world.agents[number];
  if (agent === undefined) return;
  agent.sequence += 1;
  const isRunning = agent.running !== undefined;
  agent.hasToldBusy ||= isRunning;
  const word = { isRunning, position: agent.position, sequence: agent.sequence };
  for (const name of to)
    if (world.owners[name].isOwned) world.messages.push({ t: "word", to: name, agent: number, word });
}

function takeWord(world: OwnershipWorld, message: Extract<Message, { t: "word" }>, by: Decided): void {
  const owner = world.owners[message.to];
  const seen = owner.seen[message.agent];
  const { word } = message;
  if (!owner.isOwned || seen === undefined || word.sequence < seen.sequence) return;
  by.rules.hear(seen, word, owner.epoch);
  seen.sequence = word.sequence;
  seen.isReady = true;
  serve(world, message.to, by);
}

/** How a call that was sent has ended for its carrier, which tells the owner that gave it out. */
function finishCall(world: OwnershipWorld, number: number, ask: number, how: UseEnd): void {
  const call = world.calls[number];
  if (call?.has !== "sent" || call.ask !== ask) return;
  const { lent } = call;
  call.lent = undefined;
  if (how === "answered" && lent !== undefined && lent.left > 0) world.kept.push({ ...lent, ask, to: call.to });
  else if (call.to !== undefined) world.messages.push({ t: "end", to: call.to, call: number, ask, how });
  call.has = how === "answered" || how === "lost" ? "answered" : "asks";
  call.to = undefined;
}

function useKept(world: OwnershipWorld, number: number, index: number): void {
  const [kept] = world.kept.splice(index, 1);
  const call = world.calls[number];
  if (kept === undefined || call === undefined) return;
  const { agent, ask, to, left } = kept;
  const position = { epoch: kept.position.epoch, turn: kept.position.turn + 1 };
  Object.assign(call, { has: "sent", ask, to, lent: { agent, position, left: left - 1 } });
  world.messages.push({ t: "invoke", agent, call: number, ask, position });
}

function giveUp(world: OwnershipWorld, index: number): void {
  const [kept] = world.kept.splice(index, 1);
  if (kept?.to !== undefined) world.messages.push({ t: "end", to: kept.to, call: -1, ask: kept.ask, how: "answered" });
}

function giveUnused(world: OwnershipWorld, { call, ask }: Extract<Message, { t: "granted" }>): void {
  for (const to of names)
    if (world.owners[to].calls[ask] !== undefined) world.messages.push({ t: "end", to, call, ask, how: "unused" });
}

/** Nothing that was under way between carrier and owner arrives; each does what it does for a connection that is gone. */
function breakConnection(
  world: OwnershipWorld,
  name: RouterName,
  { rules, isOwnerGone }: { readonly rules: OwnershipRules; readonly isOwnerGone: boolean },
): void {
  const owner = world.owners[name];
  const asks = new Set(Object.keys(owner.calls).map(Number));
  world.messages = world.messages.filter((message) => {
    if (message.t === "ask" || message.t === "end") return message.to !== name;
    const isFromOwner = message.t === "granted" || message.t === "refused" || message.t === "moved";
    return !(isFromOwner && (asks.has(message.ask) || world.calls[message.call]?.to === name));
  });
  world.kept = world.kept.map((kept) => (kept.to === name ? { ...kept, to: undefined } : kept));
  for (const call of world.calls) {
    if (call.to !== name) continue;
    // A call that runs is carried on; what asked asks again.
    call.to = undefined;
    if (call.has === "asks") call.ask = -1;
  }
  if (isOwnerGone) return;
  for (const { agent } of Object.values(owner.calls)) {
    const seen = agent === undefined ? undefined : owner.seen[agent];
    if (seen === undefined) continue;
    rules.end(seen, "abandoned", owner.epoch);
    seen.isReady = false;
  }
  owner.calls = {};
}

/** What must hold whatever happens. Throws with what is broken. */
export function checkOwnership(world: OwnershipWorld, { limit }: OwnershipOptions): void {
  const running = world.agents.filter((agent) => agent.running !== undefined).length;
  if (running > limit) throw new Error(`${running} calls run, allowed are ${limit}`);
  for (const { executions } of world.calls) if (executions > 1) throw new Error("a call has run twice");
}

/** What must hold when nothing is left to happen: every call has its answer, and all that is free is known to be free. */
export function checkRest(world: OwnershipWorld): void {
  if (world.calls.some(({ has }) => has !== "answered")) throw new Error("a call waits for ever");
  const owner = world.owners[ownerOf(rosterOf(world.roster), account)?.podUid as RouterName];
  if (!owner.isOwned) throw new Error("nobody owns the account");
  if (Object.keys(owner.calls).length > 0) throw new Error("a call that has ended holds a slot");
  const stuck = Object.values(owner.seen).filter((seen) => seen.mayRun || seen.isInUse || !seen.isReady);
  if (stuck.length > 0) throw new Error("an environment that is free counts as busy");
}

/**
 * Two worlds with the same key go on in the same way: messages are a bag, questions matter only while they are open, and of an agent's
 * words only the order counts.
 */
export function ownershipKey(world: OwnershipWorld): string {
  const asks = rankOf([
    ...world.calls.map(({ ask }) => ask),
    ...world.kept.map(({ ask }) => ask),
    ...names.flatMap((name) => Object.keys(world.owners[name].calls).map(Number)),
    ...world.messages.flatMap((message) => ("ask" in message ? [message.ask] : [])),
    ...world.agents.flatMap(({ running }) => (running === undefined ? [] : [running.ask])),
  ]);
  const words = world.agents.map((agent, number) =>
    rankOf([
      -1,
      agent.sequence,
      ...names.flatMap((name) => world.owners[name].seen[number]?.sequence ?? []),
      ...world.messages.flatMap((message) =>
        message.t === "word" && message.agent === number ? [message.word.sequence] : [],
      ),
    ]),
  );
  const order = (agent: number, sequence: number): number => words[agent]?.get(sequence) ?? 0;
  const parts: unknown[] = [world.roster, world.lives, world.left];
  for (const agent of world.agents) {
    const { born, position, running, hasToldBusy } = agent;
    parts.push([born, position.epoch, position.turn, running?.call, asks.get(running?.ask ?? -2), hasToldBusy]);
  }
  for (const name of names) {
    const { roster, life, isOwned, isTaking, epoch, seen, calls } = world.owners[name];
    const known = Object.entries(seen).map(([agent, { sequence, ...rest }]) => [rest, order(Number(agent), sequence)]);
    const open = Object.entries(calls).map(([ask, { call, agent }]) => [asks.get(Number(ask)), call, agent]);
    parts.push([roster, life, isOwned, isTaking, epoch, known, open]);
  }
  for (const { has, ask, to, lent, executions } of world.calls) parts.push([has, asks.get(ask), to, lent, executions]);
  parts.push(world.kept.map(({ ask, ...rest }) => JSON.stringify([asks.get(ask), rest])).sort());
  const bag = world.messages.map((message) => {
    if ("ask" in message) return JSON.stringify({ ...message, ask: asks.get(message.ask) });
    if (message.t !== "word") return JSON.stringify(message);
    const { isRunning, position, sequence } = message.word;
    return JSON.stringify([message.to, message.agent, isRunning, position, order(message.agent, sequence)]);
  });
  return JSON.stringify([parts, bag.sort()]);
}

function rankOf(numbers: readonly number[]): ReadonlyMap<number, number> {
  const sorted = [...new Set(numbers)].sort((a, b) => a - b);
  return new Map(sorted.map((number, rank) => [number, rank]));
}

/** A copy that shares nothing that changes: messages, positions and fences are never changed in place. */
function copyOf(world: OwnershipWorld): OwnershipWorld {
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
