/** All interleavings of a small world: whatever runtime, extensions, router, timers and the kernel do, the lifecycle keeps its promises. */
import assert from "node:assert/strict";
import {
  certainMoves,
  firstWorld,
  freeMoves,
  keyOf,
  type Move,
  type World,
  type WorldOptions,
} from "../../../test/kit/lifecycle-world.ts";

const alone: WorldOptions = {
  external: {},
  internal: {},
  invocations: 2,
  isStreamed: false,
  stopsBetweenInvocations: false,
  faults: 2,
};

const worlds: Record<string, WorldOptions> = {
  "a runtime alone": alone,
  "a streaming runtime": { ...alone, isStreamed: true },
  "a runtime that is stopped between invocations": { ...alone, stopsBetweenInvocations: true },
  "an internal extension": { ...alone, internal: { i: ["INVOKE"] }, faults: 1 },
  "an extension with all events": { ...alone, external: { a: ["INVOKE", "SHUTDOWN"] }, invocations: 1, faults: 1 },
  "an extension and two invocations": { ...alone, external: { a: ["INVOKE"] }, faults: 0 },
  "an extension that is stopped between invocations": {
    ...alone,
    external: { a: ["INVOKE"] },
    stopsBetweenInvocations: true,
    invocations: 1,
    faults: 1,
  },
  "two extensions": { ...alone, external: { a: ["INVOKE", "SHUTDOWN"], b: ["SHUTDOWN"] }, invocations: 1, faults: 0 },
};

/** Breadth first, so that what is found broken is shown by the shortest way there. */
function explore(options: WorldOptions): number {
  const first = firstWorld(options);
  const seen = new Map<string, { readonly from: string; readonly name: string } | undefined>([
    [keyOf(first), undefined],
  ]);
  let frontier: World[] = [first];
  while (frontier.length > 0) {
    const next: World[] = [];
    for (const world of frontier) {
      const key = keyOf(world);
      for (const move of movesOf(world, options, () => pathTo(seen, key))) {
        const moved = keyOf(move.world);
        if (seen.has(moved)) continue;
        seen.set(moved, { from: key, name: move.name });
        next.push(move.world);
      }
    }
    frontier = next;
  }
  return seen.size;
}

function movesOf(world: World, options: WorldOptions, path: () => string): Move[] {
  try {
    const certain = certainMoves(world);
    assert.ok(certain.length > 0 || mayRest(world), "everybody waits and nothing is due");
    return [...certain, ...freeMoves(world, options)];
  } catch (error) {
    throw new Error(`${String(error)} after\n${path()}\nin ${JSON.stringify(world)}`, { cause: error });
  }
}

/** Nothing is owed to anybody: the next word is the router's. */
function mayRest({ life, callers }: World): boolean {
  const isServed = callers.every(({ has, told }) => has === "refused" || (has === "answered" && told === "reported"));
  if (life.phase === "Ended") return callers.every(({ has }) => has === "refused" || has === "answered");
  if (life.phase === "Connecting") return true;
  return isServed && !life.isDraining && (life.phase === "Idle" || life.phase === "Down");
}

function pathTo(
  seen: ReadonlyMap<string, { readonly from: string; readonly name: string } | undefined>,
  key: string,
): string {
  const names: string[] = [];
  for (let at = seen.get(key); at !== undefined; at = seen.get(at.from)) names.unshift(at.name);
  return names.join("\n");
}

describe("lifecycle, all interleavings", () => {
  for (const [title, options] of Object.entries(worlds)) {
    it(title, function () {
      this.timeout(60_000);
      const found = explore(options);
      assert.ok(found > 10_000, `only ${found} worlds`);
    });
  }
});
