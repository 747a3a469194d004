/** What happens to a world of ownership, one step each; the world is changed in place. */
import { give, newTenancy, type UseEnd } from "../../../runtime-proxy/domain/ownership/tenancy.ts";
import {
  account,
  names,
  rosterOf,
  type Message,
  type OwnershipRules,
  type OwnershipWorld,
  type RouterName,
} from "./ownership-world.ts";

export interface Decided {
  readonly rules: OwnershipRules;
  readonly limit: number;
  readonly further: number;
  /** Which of the idle environments a call gets: of two, one or the other. */
  readonly takes: "first" | "last";
}

export function seeRoster(world: OwnershipWorld, name: RouterName, number: number, rules: OwnershipRules): void {
  const owner = world.owners[name];
  const before = owner.roster === 0 ? undefined : rosterOf(world, owner.roster);
  const change = rules.decideTenure(
    { roster: rosterOf(world, number), before, replica: name },
    { name: account, isOwned: owner.isOwned },
  );
  owner.roster = number;
  if (change === "keep") {
    owner.epoch = number;
    for (const seen of Object.values(owner.seen)) rules.renew(seen, number);
  }
  if (change === "take" || change === "drop") letGo(world, name);
  owner.isTaking = change === "take" || (change !== "drop" && change !== "none" && owner.isTaking);
}

function letGo(world: OwnershipWorld, name: RouterName): void {
  const owner = world.owners[name];
  for (const [ask, { call, agent }] of Object.entries(owner.calls))
    if (agent === undefined) world.messages.push({ t: "moved", call, ask: Number(ask) });
  Object.assign(owner, { isOwned: false, isTaking: false, seen: {}, calls: {} });
}

export function takeOver(world: OwnershipWorld, name: RouterName, rules: OwnershipRules): void {
  const owner = world.owners[name];
  world.lives += 1;
  owner.life = world.lives;
  owner.epoch = owner.roster;
  const turn = rules.firstTurn(owner.life);
  owner.seen = {};
  world.agents.forEach(({ born }, agent) => {
    const tenancy = rules.isInherited(born, owner.epoch) ? rules.inheritedTenancy(owner.epoch, turn) : newTenancy(turn);
    owner.seen[agent] = { ...tenancy, isReady: false, sequence: -1 };
  });
  owner.isOwned = true;
  owner.isTaking = false;
}

export function deliver(world: OwnershipWorld, message: Message, by: Decided): void {
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

function serve(world: OwnershipWorld, name: RouterName, { rules, further, takes }: Decided): void {
  const owner = world.owners[name];
  for (const [ask, waiting] of Object.entries(owner.calls)) {
    if (waiting.agent !== undefined) continue;
    const idle = Object.entries(owner.seen).filter(([, seen]) => seen.isReady && !seen.isInUse && !seen.mayRun);
    const taken = idle.at(takes === "first" ? 0 : -1);
    if (taken === undefined) return;
    const [agent, chosen] = taken;
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

export function answer(world: OwnershipWorld, number: number): void {
  const agent = world.agents[number];
  if (agent?.running === undefined) return;
  world.messages.push({ t: "answer", ...agent.running, how: "answered" });
  agent.running = undefined;
  if (!agent.hasToldBusy) return;
  agent.hasToldBusy = false;
  say(world, number, names);
}

export function say(world: OwnershipWorld, number: number, to: readonly RouterName[]): void {
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
export function finishCall(world: OwnershipWorld, number: number, ask: number, how: UseEnd): void {
  const call = world.calls[number];
  if (call?.has !== "sent" || call.ask !== ask) return;
  const { lent } = call;
  call.lent = undefined;
  if (how === "answered" && lent !== undefined && lent.left > 0) world.kept.push({ ...lent, ask, to: call.to });
  else if (call.to !== undefined) world.messages.push({ t: "end", to: call.to, call: number, ask, how });
  call.has = how === "answered" || how === "lost" ? "answered" : "asks";
  call.to = undefined;
}

export function useKept(world: OwnershipWorld, number: number, index: number): void {
  const [kept] = world.kept.splice(index, 1);
  const call = world.calls[number];
  if (kept === undefined || call === undefined) return;
  const { agent, ask, to, left } = kept;
  const position = { epoch: kept.position.epoch, turn: kept.position.turn + 1 };
  Object.assign(call, { has: "sent", ask, to, lent: { agent, position, left: left - 1 } });
  world.messages.push({ t: "invoke", agent, call: number, ask, position });
}

export function giveUp(world: OwnershipWorld, index: number): void {
  const [kept] = world.kept.splice(index, 1);
  if (kept?.to !== undefined) world.messages.push({ t: "end", to: kept.to, call: -1, ask: kept.ask, how: "answered" });
}

function giveUnused(world: OwnershipWorld, { call, ask }: Extract<Message, { t: "granted" }>): void {
  for (const to of names)
    if (world.owners[to].calls[ask] !== undefined) world.messages.push({ t: "end", to, call, ask, how: "unused" });
}

/** Nothing that was under way between carrier and owner arrives; each does what it does for a connection that is gone. */
export function breakConnection(
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
