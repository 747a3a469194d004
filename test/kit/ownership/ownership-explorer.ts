/** Goes through all worlds of an account, the shortest ways first, and says by which way a broken one is reached. */
import { ownershipKey } from "./ownership-key.ts";
import { checkOwnership, checkRest } from "./ownership-laws.ts";
import { firstOwnershipWorld, ownershipMoves } from "./ownership-moves.ts";
import type { OwnershipOptions, OwnershipWorld } from "./ownership-world.ts";

interface Found {
  readonly from: number;
  readonly name: string;
}

/** How many worlds there are; throws for the first that is broken, and when there are more than `most`. */
export function explore(options: OwnershipOptions, most = 150_000): number {
  const found: Found[] = [{ from: -1, name: "" }];
  const first = firstOwnershipWorld(options);
  const numberByKey = new Map([[ownershipKey(first), 0]]);
  /** By world: those from which it comes next if nothing else happens. */
  const before: number[][] = [[]];
  const resting: number[] = [];
  let frontier: { readonly world: OwnershipWorld; readonly number: number }[] = [{ world: first, number: 0 }];
  while (frontier.length > 0) {
    const next: typeof frontier = [];
    for (const { world, number } of frontier) {
      try {
        checkOwnership(world, options);
        const { certain, free } = ownershipMoves(world, options);
        if (certain.length === 0) {
          checkRest(world);
          resting.push(number);
        }
        for (const [index, move] of [...certain, ...free].entries()) {
          const key = ownershipKey(move.world);
          let moved = numberByKey.get(key);
          if (moved === undefined) {
            moved = found.push({ from: number, name: move.name }) - 1;
            numberByKey.set(key, moved);
            before.push([]);
            next.push({ world: move.world, number: moved });
          }
          if (index < certain.length) before[moved]?.push(number);
        }
      } catch (error) {
        throw new Error(`${String(error)} after\n${wayTo(found, number)}\nin ${JSON.stringify(world)}`, {
          cause: error,
        });
      }
    }
    if (found.length > most) throw new Error(`Cannot look at all worlds: there are more than ${most}`);
    frontier = next;
  }
  const lost = restless(before, resting);
  if (lost !== undefined) throw new Error(`Error: it never comes to rest after\n${wayTo(found, lost)}`);
  return found.length;
}

/** A world from which no way leads to rest when nothing more goes wrong; undefined: there is none. */
function restless(before: readonly (readonly number[])[], resting: readonly number[]): number | undefined {
  const comesToRest = new Set(resting);
  const queue = [...resting];
  for (let number = queue.pop(); number !== undefined; number = queue.pop()) {
    for (const from of before[number] ?? []) {
      if (comesToRest.has(from)) continue;
      comesToRest.add(from);
      queue.push(from);
    }
  }
  const lost = before.findIndex((_, number) => !comesToRest.has(number));
  return lost < 0 ? undefined : lost;
}

function wayTo(found: readonly Found[], number: number): string {
  const names: string[] = [];
  for (let at = found[number]; at !== undefined && at.from >= 0; at = found[at.from]) names.unshift(at.name);
  return names.join("\n");
}
