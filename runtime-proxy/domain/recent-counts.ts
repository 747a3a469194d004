/** How often something happened within the last minute, for many functions. Pure. */
import { NamespaceShares } from "./namespace-shares.ts";

export interface RecentCalls {
  readonly calls: number;
  readonly errors: number;
  readonly throttled: number;
}

export type Happening = keyof RecentCalls;

interface FunctionKey {
  readonly uid: string;
  readonly namespace: string;
}

interface Ring {
  /** Number of the slot that is counted into. */
  slot: number;
  /** Of each slot its calls, errors and throttles. */
  readonly counts: Uint32Array;
}

const slots = 6;
const slotMs = 10_000;
const places = { calls: 0, errors: 1, throttled: 2 } as const satisfies Record<Happening, number>;
const width = 3;
const none: RecentCalls = { calls: 0, errors: 0, throttled: 0 };

/** In steps of 10 s: between 50 and 60 seconds are looked back. */
export class RecentCounts {
  readonly #ringByUid: NamespaceShares<Ring>;

  /** What happens to further functions is not counted; namespaces share the room. */
  constructor(most = 20_000) {
    this.#ringByUid = new NamespaceShares({ most, isOld });
  }

  count({ uid, namespace }: FunctionKey, happening: Happening, nowMs: number): void {
    const slot = Math.floor(nowMs / slotMs);
    const ring =
      this.#ringByUid.get(uid) ??
      this.#ringByUid.add(uid, { namespace, nowMs }, () => ({ slot, counts: new Uint32Array(slots * width) }));
    if (ring === undefined) return;
    advance(ring, slot);
    const at = (slot % slots) * width + places[happening];
    ring.counts[at] = (ring.counts[at] ?? 0) + 1;
  }

  of(uid: string, nowMs: number): RecentCalls {
    const ring = this.#ringByUid.get(uid);
    if (ring === undefined) return none;
    advance(ring, Math.floor(nowMs / slotMs));
    const sum = (place: number): number => {
      let all = 0;
      for (let at = place; at < ring.counts.length; at += width) all += ring.counts[at] ?? 0;
      return all;
    };
    return { calls: sum(places.calls), errors: sum(places.errors), throttled: sum(places.throttled) };
  }
}

function isOld(ring: Ring, nowMs: number): boolean {
  return ring.slot + slots <= Math.floor(nowMs / slotMs);
}

/** What has happened in slots that are over by now is forgotten. */
function advance(ring: Ring, slot: number): void {
  if (slot <= ring.slot) return;
  const over = Math.min(slots, slot - ring.slot);
  for (let step = 1; step <= over; step += 1) {
    const start = ((ring.slot + step) % slots) * width;
    ring.counts.fill(0, start, start + width);
  }
  ring.slot = slot;
}
