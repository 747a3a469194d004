/** Numbers in [0, 1). */
export type Draw = () => number;

/** One of them, each as likely as the others. */
export function pickOne<T>(draw: Draw, choices: readonly T[]): T {
  const choice = choices[Math.floor(draw() * choices.length)];
  if (choice === undefined) throw new Error("Cannot pick: there are no choices");
  return choice;
}

/** One name, as likely as its weight says; weights are above 0. */
export function pickWeighted<Name extends string>(draw: Draw, weights: Readonly<Record<Name, number>>): Name {
  const entries = Object.entries(weights) as [Name, number][];
  let left = draw() * entries.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [name, weight] of entries) {
    left -= weight;
    if (left < 0) return name;
  }
  throw new Error("Cannot pick: there are no choices");
}
