import { ports } from "../../crds/wire/routes.ts";
import { backoffMs, type BackoffPolicy } from "../../lib/backoff.ts";
import type { Clock } from "../../lib/clock.ts";
import { needsAsking, type Environment, type EnvironmentStanding } from "../domain/environment.ts";
import type { AgentConnections } from "./agent-connections.ts";
import type { EnvironmentPool } from "./environment-pool.ts";

export interface EnvironmentAskerParts {
  readonly pool: EnvironmentPool;
  readonly agents: Pick<AgentConnections, "claim">;
  /** `host:port` of this replica's internal port, for agents of an account. */
  readonly ownerAddress: (namespace: string) => string | undefined;
  readonly clock: Clock;
  /** A number in [0, 1). */
  readonly draw: () => number;
}

interface Asking {
  readonly standing: EnvironmentStanding;
  attempt: number;
  cancel: () => void;
  /** When it first gave no answer; monotonic. */
  silentSinceMs?: number;
}

/** An agent announces itself within moments of its start: asking is for those that told another router, or one before us. */
const unheardBackoff: BackoffPolicy = { initialMs: 1000, maxMs: 10_000, factor: 2, jitter: 0.5 };
/** Another router's call may end any time. */
const busyBackoff: BackoffPolicy = { initialMs: 25, maxMs: 1000, factor: 2, jitter: 0.5 };
const asideBackoff: BackoffPolicy = { initialMs: 200, maxMs: 5000, factor: 2, jitter: 0.5 };
/** A call may wait for its word. */
const staleBackoff: BackoffPolicy = { initialMs: 1, maxMs: 1000, factor: 3, jitter: 0.5 };
const mostAtOnce = 32;
/** After this silence it serves nobody as far as we can tell. */
const missedAfterMs = 1000;

/** Asks environments that nobody has told us about, or that did not take a call, how they are: again and again, less and less often. */
export class EnvironmentAsker {
  readonly #parts: EnvironmentAskerParts;
  readonly #askingByPodUid = new Map<string, Asking>();
  #isStopped = false;

  constructor(parts: EnvironmentAskerParts) {
    this.#parts = parts;
    parts.pool.listen({ onUrgent: () => undefined, onChanged: (podUid) => this.#consider(podUid) });
  }

  /** Asks everything of an account, or all, that can be asked once, in the time given: what was announced before it was ours. */
  async askAll(deadlineMs: number, namespace?: string): Promise<void> {
    const { pool, clock } = this.#parts;
    const queue = [...pool.unsettled(namespace)];
    const { promise: late, resolve } = Promise.withResolvers<undefined>();
    const cancel = clock.schedule(deadlineMs, () => {
      queue.length = 0;
      resolve(undefined);
    });
    const askers = Array.from({ length: mostAtOnce }, async () => {
      for (let next = queue.pop(); next !== undefined; next = queue.pop()) await this.#ask(next.pod.podUid);
    });
    await Promise.race([Promise.all(askers), late]);
    cancel();
  }

  stop(): void {
    this.#isStopped = true;
    for (const { cancel } of this.#askingByPodUid.values()) cancel();
    this.#askingByPodUid.clear();
  }

  #consider(podUid: string): void {
    const environment = this.#parts.pool.get(podUid);
    const asking = this.#askingByPodUid.get(podUid);
    const isOurs = environment !== undefined && this.#parts.pool.owns(environment.pod.namespace);
    const isWanted = isOurs && needsAsking(environment) && !this.#isStopped;
    if (isWanted && asking?.standing === environment.standing) return;
    asking?.cancel();
    this.#askingByPodUid.delete(podUid);
    if (isWanted) this.#schedule(podUid, { standing: environment.standing, attempt: 0, cancel: () => undefined });
  }

  #schedule(podUid: string, asking: Asking): void {
    const delayMs = backoffMs(policyOf(asking.standing), asking.attempt, this.#parts.draw());
    asking.attempt += 1;
    asking.cancel = this.#parts.clock.schedule(delayMs, () => void this.#askAgain(podUid, asking));
    this.#askingByPodUid.set(podUid, asking);
  }

  async #askAgain(podUid: string, asking: Asking): Promise<void> {
    const isHeard = await this.#ask(podUid);
    const nowMs = this.#parts.clock.monotonicMs();
    if (isHeard) delete asking.silentSinceMs;
    else asking.silentSinceMs ??= nowMs;
    if (nowMs - (asking.silentSinceMs ?? nowMs) >= missedAfterMs) this.#parts.pool.miss(podUid);
    // It may have settled, gone, or begun to be asked anew meanwhile.
    if (this.#askingByPodUid.get(podUid) === asking) this.#schedule(podUid, asking);
  }

  /** Whether it answered. */
  async #ask(podUid: string): Promise<boolean> {
    const { pool, agents, ownerAddress } = this.#parts;
    const environment = pool.get(podUid);
    const address = addressOf(environment);
    const position = pool.claimOf(podUid);
    if (environment === undefined || address === undefined || position === undefined) return false;
    const owner = ownerAddress(environment.pod.namespace) ?? "";
    const announcement = await agents.claim(podUid, address, { position, owner });
    if (announcement !== undefined && !this.#isStopped) this.#parts.pool.announce(announcement);
    return announcement !== undefined;
  }
}

function policyOf(standing: EnvironmentStanding): BackoffPolicy {
  switch (standing) {
    case "unheard":
      return unheardBackoff;
    case "aside":
      return asideBackoff;
    case "stale":
      return staleBackoff;
    // It has spoken, but not of what it saw of us.
    case "starting":
    case "ready":
    case "draining":
    case "busy":
      return busyBackoff;
  }
}

/** Where it can be asked: as announced, else by the pod's address once that shows. */
function addressOf(environment: Environment | undefined): string | undefined {
  if (environment?.address !== undefined) return environment.address;
  const podIP = environment?.pod.podIP;
  if (podIP === undefined) return undefined;
  return podIP.includes(":") ? `[${podIP}]:${ports.agent}` : `${podIP}:${ports.agent}`;
}
