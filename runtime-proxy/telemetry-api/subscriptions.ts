import type { Clock } from "../../lib/clock.ts";
import type { AgentLog } from "../agent-log.ts";
import type { DeliveryBudget, Dropped } from "../domain/delivery-queue.ts";
import {
  categoryOf,
  encodeEvent,
  type OutputEvent,
  type PlatformEvent,
  type TelemetryEvent,
} from "../domain/telemetry-event.ts";
import {
  isSameSubscription,
  type TelemetryApiName,
  type TelemetrySchema,
  type TelemetrySubscription,
} from "../domain/telemetry-subscription.ts";
import { Backlog } from "./backlog.ts";
import { createDestination } from "./destination.ts";
import { Subscriber } from "./subscriber.ts";

export interface SubscribingExtension {
  /** Its identifier. */
  readonly id: string;
  readonly name: string;
}

export type SubscribeAnswer =
  | { readonly ok: true; readonly isNew: boolean }
  | { readonly ok: false; readonly code: "Closed" | "TooMany" }
  /** The extension has subscribed by the other API. */
  | { readonly ok: false; readonly code: "OtherApi"; readonly api: TelemetryApiName };

export interface SubscriptionsOptions {
  /** The function's log format is JSON. */
  readonly hasJsonLines: boolean;
  readonly clock: Clock;
  readonly draw: () => number;
  readonly agentLog: AgentLog;
}

interface Entry {
  readonly extension: SubscribingExtension;
  readonly subscription: TelemetrySubscription;
  readonly subscriber: Subscriber;
}

const maxPerExtension = 10;
/** For all subscriptions of an environment together, bytes; twice that when some are slow and the others have their shares. */
const heldLimitBytes = 8 * 1024 * 1024;
/** Of the platform: before a shutdown nothing is waited for longer. */
const longestFlushMs = 1_000;
export const dropReason =
  "Some logs were dropped because the downstream consumer is slower than the logs production rate";

/** Who gets what: the subscriptions of one life of the extensions, and what those to come are still to hear. */
export class Subscriptions {
  readonly #options: SubscriptionsOptions;
  readonly #budget: DeliveryBudget = { queues: 0, usedBytes: 0, limitBytes: heldLimitBytes };
  readonly #backlog = new Backlog();
  #entries: Entry[] = [];
  #isOpen = true;

  constructor(options: SubscriptionsOptions) {
    this.#options = options;
  }

  /** Bytes held for all subscribers. */
  get heldBytes(): number {
    return this.#budget.usedBytes;
  }

  /** Whether somebody takes such lines, or may still come to. */
  hears(type: OutputEvent["type"]): boolean {
    return this.#isOpen || this.#entries.some(({ subscription }) => subscription.types.includes(type));
  }

  get hearsPlatform(): boolean {
    return this.#isOpen || this.#entries.length > 0;
  }

  subscribe(extension: SubscribingExtension, subscription: TelemetrySubscription): SubscribeAnswer {
    if (!this.#isOpen) return { ok: false, code: "Closed" };
    const own = this.#entries.filter(({ extension: { id } }) => id === extension.id);
    const other = own.find(({ subscription: { api } }) => api !== subscription.api);
    if (other !== undefined) return { ok: false, code: "OtherApi", api: other.subscription.api };
    if (own.some((entry) => isSameSubscription(entry.subscription, subscription))) return { ok: true, isNew: false };
    if (own.length >= maxPerExtension) return { ok: false, code: "TooMany" };
    this.#add(extension, subscription);
    return { ok: true, isNew: true };
  }

  addPlatform(event: PlatformEvent): void {
    if (this.#isOpen) this.#backlog.addPlatform(event);
    const encode = this.#encodeOnce(() => event);
    for (const entry of this.#entries) offer(entry, "platform", 0, encode);
  }

  /** `read` is called at most once, and only if somebody has room for it. */
  addOutput(type: OutputEvent["type"], bytes: number, read: () => OutputEvent): void {
    let line: OutputEvent | undefined;
    const readOnce = (): OutputEvent => (line ??= read());
    if (this.#isOpen) this.#backlog.addOutput(type, bytes, readOnce);
    const encode = this.#encodeOnce(readOnce);
    for (const entry of this.#entries) offer(entry, type, bytes, encode);
  }

  close(): void {
    this.#isOpen = false;
    this.#backlog.clear();
  }

  async flush(limitMs: number): Promise<void> {
    const atMostMs = Math.min(limitMs, longestFlushMs);
    await Promise.all(this.#entries.map(({ subscriber }) => subscriber.flush(atMostMs)));
  }

  pause(): void {
    for (const { subscriber } of this.#entries) subscriber.pause();
  }

  resume(): void {
    for (const { subscriber } of this.#entries) subscriber.resume();
  }

  /** All are gone; new ones may come. */
  reset(): void {
    for (const { subscriber } of this.#entries) subscriber.stop();
    this.#entries = [];
    this.#backlog.clear();
    this.#isOpen = true;
  }

  #add(extension: SubscribingExtension, subscription: TelemetrySubscription): void {
    const { clock, draw } = this.#options;
    const subscriber = new Subscriber({
      destination: createDestination(subscription.destination),
      buffering: subscription.buffering,
      budget: this.#budget,
      encodeDropped: (dropped) => this.#tellDropped(extension, subscription, dropped),
      clock,
      draw,
    });
    const entry = { extension, subscription, subscriber };
    this.#entries.push(entry);
    for (const { event, bytes } of this.#backlog.entries) {
      offer(
        entry,
        categoryOf(event.type),
        bytes,
        this.#encodeOnce(() => event),
      );
    }
    for (const type of ["function", "extension"] as const) {
      if (subscription.types.includes(type)) subscriber.drop(this.#backlog.dropped[type]);
    }
  }

  #encodeOnce(read: () => TelemetryEvent): (schema: TelemetrySchema) => string | undefined {
    const encoded = new Map<TelemetrySchema, string | undefined>();
    return (schema) => {
      if (!encoded.has(schema)) encoded.set(schema, encodeEvent(read(), schema, this.#options.hasJsonLines));
      return encoded.get(schema);
    };
  }

  #tellDropped(
    { name }: SubscribingExtension,
    { schema, types }: TelemetrySubscription,
    { records, bytes }: Dropped,
  ): string | undefined {
    const { clock, agentLog, hasJsonLines } = this.#options;
    agentLog("warn", "Telemetry was dropped: its subscriber is too slow", { extension: name, records, bytes });
    if (!types.includes("platform")) return undefined;
    const record = { reason: dropReason, droppedRecords: records, droppedBytes: bytes };
    const time = new Date(clock.nowMs()).toISOString();
    return encodeEvent({ time, type: "platform.logsDropped", record }, schema, hasJsonLines);
  }
}

function offer(
  { subscription, subscriber }: Entry,
  category: ReturnType<typeof categoryOf>,
  bytes: number,
  encode: (schema: TelemetrySchema) => string | undefined,
): void {
  if (!subscription.types.includes(category)) return;
  if (category !== "platform") {
    subscriber.addOutput(bytes, () => encode(subscription.schema));
    return;
  }
  const encoded = encode(subscription.schema);
  if (encoded !== undefined) subscriber.addPlatform(encoded);
}
