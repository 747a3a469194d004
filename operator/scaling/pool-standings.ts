import type { Clock } from "../../lib/clock.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";
import type { Pod } from "../pod.ts";
import { environmentState } from "./environment-state.ts";
import type { PoolAgents } from "./pool-agents.ts";

/** `asked`: whether it is nobody's. `free`: it is. `held`: it is being given to a function. `lost`: it goes. Undefined: its agent has not been asked, or did not answer. */
export type PoolStanding = "asked" | "free" | "held" | "lost";

export interface PoolStandingsOptions {
  readonly agents: PoolAgents;
  readonly clock: Clock;
  /** It runs, and its agent has not answered for long: it is lost, and the next one in its place may be too. */
  readonly onSilent: (pod: Stored<Pod>) => void;
}

/** An agent that runs and does not answer for so long is lost. */
const unansweredMs = 30_000;

/** How pods of the pool stand, as their agents say: only one that says that it is nobody's is given away, for a leader before may have given it. */
export class PoolStandings {
  readonly #options: PoolStandingsOptions;
  readonly #standings = new Map<string, PoolStanding>();
  readonly #askedSinceMs = new Map<string, number>();

  constructor(options: PoolStandingsOptions) {
    this.#options = options;
  }

  of(podUid: string): PoolStanding | undefined {
    return this.#standings.get(podUid);
  }

  /** Undefined: it is to be asked again. */
  set(podUid: string, standing: PoolStanding | undefined): void {
    if (standing === undefined) this.#standings.delete(podUid);
    else this.#standings.set(podUid, standing);
  }

  forget(podUid: string): void {
    this.#standings.delete(podUid);
    this.#askedSinceMs.delete(podUid);
  }

  /** Asks a pod that runs, unless it has answered or is being asked. */
  async ask(pod: Stored<Pod>): Promise<void> {
    const { agents, clock, onSilent } = this.#options;
    const { uid } = pod.metadata;
    if (this.#standings.has(uid) || environmentState(pod).phase !== "running") return;
    this.#standings.set(uid, "asked");
    const sinceMs = this.#askedSinceMs.get(uid) ?? clock.monotonicMs();
    this.#askedSinceMs.set(uid, sinceMs);
    const answer = await agents.ask(pod);
    // It went meanwhile.
    if (this.#standings.get(uid) !== "asked") return;
    const isSilent = answer === "absent" || answer === "unknown";
    const isOverdue = clock.monotonicMs() - sinceMs > unansweredMs;
    if (isSilent && isOverdue) onSilent(pod);
    if (answer === "free") this.set(uid, "free");
    else this.set(uid, isSilent && !isOverdue ? undefined : "lost");
  }
}
