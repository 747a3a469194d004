import { setImmediate as nextTurn } from "node:timers/promises";
import type { TopRow } from "../../crds/wire/top.ts";
import type { Clock } from "../../lib/clock.ts";
import type { FunctionDirectory } from "../domain/function-facts.ts";
import type { RecentCounts } from "../domain/recent-counts.ts";
import { topRow } from "../domain/top-rows.ts";
import type { EnvironmentPool } from "../environments/environment-pool.ts";

export interface TopTableParts {
  readonly functions: Pick<FunctionDirectory, "all">;
  readonly pool: Pick<EnvironmentPool, "of" | "owns" | "waitingOf">;
  readonly recent: RecentCounts;
  readonly clock: Clock;
}

/** So many are looked at in one turn of the event loop: calls go on between them. */
const functionsAtOnce = 500;

/** What this replica knows of a namespace's functions, or of all. */
export async function topTable(
  { functions, pool, recent, clock }: TopTableParts,
  namespace: string | undefined,
): Promise<TopRow[]> {
  const rows: TopRow[] = [];
  const nowMs = clock.monotonicMs();
  let seen = 0;
  for (const facts of [...functions.all()]) {
    seen += 1;
    if (seen % functionsAtOnce === 0) await nextTurn();
    if (namespace !== undefined && facts.namespace !== namespace) continue;
    const isOwned = pool.owns(facts.namespace);
    const environments = isOwned ? pool.of(facts.uid) : [];
    const waiting = isOwned ? pool.waitingOf(facts.uid) : 0;
    rows.push(topRow({ facts, environments, waiting, recent: recent.of(facts.uid, nowMs) }));
  }
  return rows;
}
