import { names, type OwnershipWorld } from "./ownership-world.ts";

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
    const { roster, least, life, isOwned, isTaking, epoch, seen, calls } = world.owners[name];
    const known = Object.entries(seen).map(([agent, { sequence, ...rest }]) => [rest, order(Number(agent), sequence)]);
    const open = Object.entries(calls).map(([ask, { call, agent }]) => [asks.get(Number(ask)), call, agent]);
    parts.push([roster, least, life, isOwned, isTaking, epoch, known, open]);
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
