import type { Dropped } from "../domain/delivery-queue.ts";
import type { OutputEvent, PlatformEvent, TelemetryEvent } from "../domain/telemetry-event.ts";

interface BacklogEntry {
  readonly event: TelemetryEvent;
  readonly bytes: number;
}

const maxOutputBytes = 1024 * 1024;
const maxOutputItems = 10_000;
/** Far more than an init has; subscriptions are the extensions' own doing. */
const maxPlatformItems = 1_000;

/** What has happened before an extension subscribes. Full of output, it keeps what came first. */
export class Backlog {
  #entries: BacklogEntry[] = [];
  #platformItems = 0;
  #outputBytes = 0;
  #dropped: Record<OutputEvent["type"], Dropped> = noneDropped();

  get entries(): readonly BacklogEntry[] {
    return this.#entries;
  }

  get dropped(): Readonly<Record<OutputEvent["type"], Dropped>> {
    return this.#dropped;
  }

  addPlatform(event: PlatformEvent): void {
    if (this.#platformItems >= maxPlatformItems) return;
    this.#platformItems += 1;
    this.#entries.push({ event, bytes: 0 });
  }

  /** `read` is not called when there is no room. */
  addOutput(type: OutputEvent["type"], bytes: number, read: () => OutputEvent): void {
    const { records, bytes: droppedBytes } = this.#dropped[type];
    const hasRoom =
      this.#outputBytes + bytes <= maxOutputBytes && this.#entries.length - this.#platformItems < maxOutputItems;
    // Nothing after a gap: what is replayed is whole up to it.
    if (!hasRoom || records > 0) {
      this.#dropped[type] = { records: records + 1, bytes: droppedBytes + bytes };
      return;
    }
    this.#outputBytes += bytes;
    this.#entries.push({ event: read(), bytes });
  }

  clear(): void {
    this.#entries = [];
    this.#platformItems = 0;
    this.#outputBytes = 0;
    this.#dropped = noneDropped();
  }
}

function noneDropped(): Record<OutputEvent["type"], Dropped> {
  return { function: { records: 0, bytes: 0 }, extension: { records: 0, bytes: 0 } };
}
