/** What one subscriber has yet to take, in order and within bounds. */

export interface DeliveryBounds {
  /** A batch is full with so many events or bytes. */
  readonly maxItems: number;
  readonly maxBytes: number;
  /** Output is held up to this, platform events up to `platformReserveBytes` more. */
  readonly heldBytes: number;
}

/** Bytes that all queues of an environment hold together, and may; where others have used it up, an equal share stays each one's own. */
export interface DeliveryBudget {
  queues: number;
  usedBytes: number;
  readonly limitBytes: number;
}

export interface Dropped {
  readonly records: number;
  readonly bytes: number;
}

/** Platform events are few, and extensions wait for them (`platform.runtimeDone`): output that floods a queue leaves them this. */
export const platformReserveBytes = 256 * 1024;
/** What an event costs beside its text. */
const eventOverheadBytes = 64;
const noneDropped: Dropped = { records: 0, bytes: 0 };

/**
 * Full, it drops what is newest: that is one gap, marked where it is, it costs nothing a line, and what is under way stays what it is.
 * After a drop output is taken again once half of the room is free, so that gaps are few.
 */
export class DeliveryQueue {
  readonly #bounds: DeliveryBounds;
  readonly #budget: DeliveryBudget;
  /** The event that tells of a gap; undefined: this subscriber is not told. */
  readonly #encodeDropped: (dropped: Dropped) => string | undefined;
  #events: string[] = [];
  #bytes = 0;
  #batchItems = 0;
  #dropped = noneDropped;
  #addedCount = 0;
  #doneCount = 0;

  constructor(bounds: DeliveryBounds, budget: DeliveryBudget, encodeDropped: (dropped: Dropped) => string | undefined) {
    this.#bounds = bounds;
    this.#budget = budget;
    this.#encodeDropped = encodeDropped;
    budget.queues += 1;
  }

  get isEmpty(): boolean {
    return this.#events.length === 0;
  }

  /** A batch need not wait for its age. */
  get isFull(): boolean {
    return this.#events.length >= this.#bounds.maxItems || this.#bytes >= this.#bounds.maxBytes;
  }

  /** Events ever taken in, and of these the ones that are acknowledged or lost. */
  get counts(): { readonly added: number; readonly done: number } {
    return { added: this.#addedCount, done: this.#doneCount };
  }

  get heldBytes(): number {
    return this.#bytes;
  }

  /** `encode` is not called for what has no room. */
  addOutput(recordBytes: number, encode: () => string | undefined): void {
    const isAfterGap = this.#dropped.records > 0;
    const heldBytes = isAfterGap ? this.#bounds.heldBytes / 2 : this.#bounds.heldBytes;
    if (!this.#hasRoom(recordBytes, heldBytes, this.#budget.limitBytes)) this.drop({ records: 1, bytes: recordBytes });
    else this.#add(encode());
  }

  addPlatform(encoded: string): void {
    const { heldBytes } = this.#bounds;
    const hasRoom = this.#hasRoom(
      encoded.length,
      heldBytes + platformReserveBytes,
      this.#budget.limitBytes + platformReserveBytes,
    );
    if (hasRoom) this.#add(encoded);
    else this.drop({ records: 1, bytes: encoded.length });
  }

  /** Counts what is lost; the next event that has room is preceded by one that tells so. */
  drop({ records, bytes }: Dropped): void {
    this.#dropped = { records: this.#dropped.records + records, bytes: this.#dropped.bytes + bytes };
  }

  /** The oldest events, as many as a batch holds; they stay until `acknowledge` or `discard`. */
  takeBatch(): readonly string[] {
    let bytes = 0;
    let items = 0;
    while (items < this.#events.length && items < this.#bounds.maxItems && bytes < this.#bounds.maxBytes) {
      bytes += this.#events[items]?.length ?? 0;
      items += 1;
    }
    this.#batchItems = items;
    return this.#events.slice(0, items);
  }

  acknowledge(): void {
    this.#removeBatch();
    this.#markGap();
  }

  /** The batch is given up. */
  discard(): void {
    this.drop(this.#removeBatch());
    this.#markGap();
  }

  /** Forgets everything; of no more use. */
  close(): void {
    this.#batchItems = this.#events.length;
    this.#removeBatch();
    this.#budget.queues -= 1;
  }

  #hasRoom(bytes: number, heldBytes: number, limitBytes: number): boolean {
    const wanted = bytes + eventOverheadBytes;
    const { usedBytes, queues } = this.#budget;
    if (this.#bytes + wanted > heldBytes) return false;
    return usedBytes + wanted <= limitBytes || this.#bytes + wanted <= limitBytes / queues;
  }

  #add(encoded: string | undefined): void {
    if (encoded === undefined) return;
    this.#tellGap();
    this.#push(encoded);
  }

  /** With nothing more to come, a gap is told of once there is room. */
  #markGap(): void {
    if (this.#dropped.records > 0 && this.#bytes <= this.#bounds.heldBytes / 2) this.#tellGap();
  }

  #tellGap(): void {
    if (this.#dropped.records === 0) return;
    const encoded = this.#encodeDropped(this.#dropped);
    this.#dropped = noneDropped;
    if (encoded !== undefined) this.#push(encoded);
  }

  #push(encoded: string): void {
    this.#events.push(encoded);
    this.#count(encoded.length + eventOverheadBytes);
    this.#addedCount += 1;
  }

  #removeBatch(): Dropped {
    const batch = this.#events.slice(0, this.#batchItems);
    this.#events = this.#events.slice(this.#batchItems);
    this.#batchItems = 0;
    this.#doneCount += batch.length;
    const bytes = batch.reduce((sum, event) => sum + event.length, 0);
    this.#count(-bytes - batch.length * eventOverheadBytes);
    return { records: batch.length, bytes };
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    this.#budget.usedBytes += bytes;
  }
}
