/** The table of `kubelambda top`: rows of one router, and of several together. Pure. */
import type { TopRow } from "../../crds/wire/top.ts";
import { isIdle, type Environment } from "./environment.ts";
import type { FunctionFacts } from "./function-facts.ts";
import type { RecentCalls } from "./recent-counts.ts";

export interface FunctionSeen {
  readonly facts: FunctionFacts;
  /** Of all its versions; none at a router that does not own its account. */
  readonly environments: Iterable<Environment>;
  readonly waiting: number;
  readonly recent: RecentCalls;
}

export function topRow({ facts, environments, waiting, recent }: FunctionSeen): TopRow {
  let ready = 0;
  let busy = 0;
  let starting = 0;
  for (const environment of environments) {
    const { isInUse, mayRun, standing, pod } = environment;
    if (isInUse || mayRun) busy += 1;
    else if (isIdle(environment)) ready += 1;
    else if ((standing === "unheard" || standing === "starting") && !pod.isTerminating) starting += 1;
  }
  const { namespace, name, reservedConcurrency } = facts;
  return {
    ...{ namespace, function: name, ready, busy, starting, waiting },
    ...(reservedConcurrency !== undefined && { reserved: reservedConcurrency }),
    ...recent,
  };
}

const numbers = ["ready", "busy", "starting", "waiting", "calls", "errors", "throttled"] as const;

/** One row a function, in order of names: an account's owner knows its environments, and whoever carried its calls has counted them. */
export function mergeTopRows(tables: readonly (readonly TopRow[])[]): TopRow[] {
  const merged = new Map<string, { -readonly [K in keyof TopRow]: TopRow[K] }>();
  for (const row of tables.flat()) {
    const key = `${row.namespace}/${row.function}`;
    const known = merged.get(key);
    if (known === undefined) merged.set(key, { ...row });
    else for (const name of numbers) known[name] += row[name];
  }
  return [...merged.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
}
