/** How often something happened within the last minute, for many keys. Pure. */

export interface RecentCalls {
  readonly calls: number;
  readonly errors: number;
  readonly throttled: number;
}

export type Happening = keyof RecentCalls;

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
  readonly #mostKeys: number;
  readonly #ringByKey = new Map<string, Ring>();

  /** What happens to further keys is not counted. */
  constructor(mostKeys = 20_000) {
    this.#mostKeys = mostKeys;
  }

  count(key: string, happening: Happening, nowMs: number): void {
    const slot = Math.floor(nowMs / slotMs);
    const ring = this.#ringByKey.get(key) ?? this.#add(key, slot);
    if (ring === undefined) return;
    advance(ring, slot);
    const at = (slot % slots) * width + places[happening];
    ring.counts[at] = (ring.counts[at] ?? 0) + 1;
  }

  of(key: string, nowMs: number): RecentCalls {
    const ring = this.#ringByKey.get(key);
    if (ring === undefined) return none;
    advance(ring, Math.floor(nowMs / slotMs));
    const sum = (place: number): number => {
      let all = 0;
      for (let at = place; at < ring.counts.length; at += width) all += ring.counts[at] ?? 0;
      return all;
    };
    return { calls: sum(places.calls), errors: sum(places.errors), throttled: sum(places.throttled) };
  }

  #add(key: string, slot: number): Ring | undefined {
    if (this.#ringByKey.size >= this.#mostKeys) this.#forgetOld(slot);
    if (this.#ringByKey.size >= this.#mostKeys) return undefined;
    const ring = { slot, counts: new Uint32Array(slots * width) };
    this.#ringByKey.set(key, ring);
    return ring;
  }

  #forgetOld(slot: number): void {
    for (const [key, ring] of this.#ringByKey) if (ring.slot + slots <= slot) this.#ringByKey.delete(key);
  }
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
