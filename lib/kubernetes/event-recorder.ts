import { randomUUID } from "node:crypto";
import { type Clock, sleep } from "../clock.ts";
import type { KubernetesClient } from "./client.ts";
import { kinds } from "./kinds.ts";
import { isKubernetesError, type KubernetesError } from "./kubernetes-error.ts";
import { microTime } from "./micro-time.ts";
import type { KubernetesObject, ObjectRef, Stored } from "./object.ts";
import type { EventDraft } from "./plan.ts";
import { toKubernetesError } from "./to-kubernetes-error.ts";
import { TokenBucket } from "./token-bucket.ts";

export interface EventRecorderOptions {
  readonly client: KubernetesClient;
  readonly clock: Clock;
  /** Who reports, e.g. "kubelambda.dev/operator". */
  readonly controller: string;
  /** Which copy of it, e.g. the pod's name. */
  readonly instance: string;
  /** Repetitions of an event are counted and written together after so long. Default 10,000. */
  readonly seriesFlushMs?: number;
  /** An event that comes again after longer than this is a new one. Default 600,000. */
  readonly seriesWindowMs?: number;
  /** Different events about one object: so many at once, then one in 30 s. Default 25. */
  readonly burst?: number;
  /** An event that could not be written, or was one too many. */
  readonly onDropped?: (error: KubernetesError | undefined) => void;
}

/** An Event of events.k8s.io/v1. */
export interface KubernetesEvent extends KubernetesObject {
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly action: string;
  readonly note: string;
  readonly regarding: {
    readonly kind: string;
    readonly namespace?: string;
    readonly name: string;
    readonly uid: string;
  };
  readonly series?: { readonly count: number; readonly lastObservedTime: string };
}

interface Series {
  readonly event: KubernetesEvent;
  readonly ref: ObjectRef;
  count: number;
  lastAtMs: number;
  cancelFlush?: (() => void) | undefined;
}

const rememberedSeries = 4096;
const longestBacklog = 1000;
const attempts = 4;

/**
 * Writes events in the background, in order: repetitions become a series of one event, one object cannot flood the
 * cluster, and what cannot be written is dropped, since events are for reading and nothing depends on them.
 */
export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #series = new Map<string, Series>();
  readonly #rates = new Map<string, TokenBucket>();
  readonly #stop = new AbortController();
  #backlog = 0;
  #writing: Promise<void> = Promise.resolve();

  constructor(options: EventRecorderOptions) {
    this.#options = options;
  }

  record(regarding: Stored, draft: EventDraft): void {
    if (this.#stop.signal.aborted) return;
    const { uid } = regarding.metadata;
    const nowMs = this.#options.clock.nowMs();
    const key = JSON.stringify([uid, draft.type, draft.reason, draft.action, draft.note]);
    const known = this.#series.get(key);
    if (known !== undefined && nowMs - known.lastAtMs <= (this.#options.seriesWindowMs ?? 600_000)) {
      this.#repeat(key, known, nowMs);
      return;
    }
    if (!this.#mayRecord(uid)) {
      this.#options.onDropped?.(undefined);
      return;
    }
    const event = this.#build(regarding, draft, nowMs);
    const { namespace = "default", name } = event.metadata;
    this.#remember(key, { event, ref: { kind: kinds.event, namespace, name }, count: 1, lastAtMs: nowMs });
    this.#enqueue(() => this.#options.client.create(event, this.#requestOptions()));
  }

  /** Writes what is counted but not written, and waits until it is written or the deadline is over. */
  async stop(deadline?: AbortSignal): Promise<void> {
    for (const series of this.#series.values()) {
      if (series.cancelFlush !== undefined) this.#flush(series);
    }
    const giveUp = (): void => this.#stop.abort(new Error("The event recorder has stopped"));
    if (deadline?.aborted === true) giveUp();
    deadline?.addEventListener("abort", giveUp, { once: true });
    await this.#writing;
    deadline?.removeEventListener("abort", giveUp);
    giveUp();
  }

  #repeat(key: string, series: Series, nowMs: number): void {
    series.count += 1;
    series.lastAtMs = nowMs;
    this.#remember(key, series);
    const { clock, seriesFlushMs = 10_000 } = this.#options;
    series.cancelFlush ??= clock.schedule(seriesFlushMs, () => this.#flush(series));
  }

  #flush(series: Series): void {
    series.cancelFlush?.();
    series.cancelFlush = undefined;
    const body = { series: { count: series.count, lastObservedTime: microTime(series.lastAtMs) } };
    this.#enqueue(async () => {
      try {
        await this.#options.client.patch(series.ref, body, this.#requestOptions());
      } catch (error) {
        // The server forgets events after an hour: then it is told of the whole series again.
        if (!isKubernetesError(error, "NotFound")) throw error;
        await this.#options.client.create({ ...series.event, ...body }, this.#requestOptions());
      }
    });
  }

  #enqueue(write: () => Promise<unknown>): void {
    if (this.#backlog >= longestBacklog) {
      this.#options.onDropped?.(undefined);
      return;
    }
    this.#backlog += 1;
    this.#writing = this.#writing.then(() => this.#write(write)).finally(() => (this.#backlog -= 1));
  }

  async #write(write: () => Promise<unknown>): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await write();
        return;
      } catch (thrown) {
        const error = toKubernetesError("record an event", thrown);
        const mayPass = isKubernetesError(error, "Timeout", "Unavailable", "TooManyRequests");
        // One whose answer was lost has been written.
        if (isKubernetesError(error, "AlreadyExists")) return;
        if (!mayPass || attempt === attempts || this.#stop.signal.aborted) {
          this.#options.onDropped?.(error);
          return;
        }
        await sleep(this.#options.clock, 1000 * attempt, this.#stop.signal).catch(() => undefined);
      }
    }
  }

  #mayRecord(uid: string): boolean {
    const { clock, burst = 25 } = this.#options;
    const nowMs = clock.monotonicMs();
    let rate = this.#rates.get(uid);
    this.#rates.delete(uid);
    rate ??= new TokenBucket({ burst, perSecond: 1 / 30, nowMs });
    this.#rates.set(uid, rate);
    const [oldest] = this.#rates.keys();
    if (this.#rates.size > rememberedSeries && oldest !== undefined) this.#rates.delete(oldest);
    return rate.take(nowMs);
  }

  #remember(key: string, series: Series): void {
    this.#series.delete(key);
    this.#series.set(key, series);
    const [oldest] = this.#series;
    if (this.#series.size <= rememberedSeries || oldest === undefined) return;
    if (oldest[1].cancelFlush !== undefined) this.#flush(oldest[1]);
    this.#series.delete(oldest[0]);
  }

  #build(regarding: Stored, { type, reason, action = reason, note }: EventDraft, nowMs: number): KubernetesEvent {
    const { name, namespace, uid, resourceVersion } = regarding.metadata;
    const where = namespace === undefined ? {} : { namespace };
    const event = {
      apiVersion: kinds.event.apiVersion,
      kind: kinds.event.kind,
      metadata: { name: `${name.slice(0, 216)}.${randomUUID()}`, namespace: namespace ?? "default" },
      eventTime: microTime(nowMs),
      reportingController: this.#options.controller,
      reportingInstance: this.#options.instance.slice(0, 128),
      type,
      reason: reason.slice(0, 128),
      action: action.slice(0, 128),
      note: cutToBytes(note, 1024),
      regarding: { apiVersion: regarding.apiVersion, kind: regarding.kind, ...where, name, uid, resourceVersion },
    };
    return event;
  }

  #requestOptions(): { readonly signal: AbortSignal; readonly timeoutMs: number } {
    return { signal: this.#stop.signal, timeoutMs: 10_000 };
  }
}

function cutToBytes(text: string, limit: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= limit) return text;
  // "…" takes three bytes; a character cut in half at the end is left out.
  return `${bytes
    .subarray(0, limit - 3)
    .toString("utf8")
    .replace(/\uFFFD+$/, "")}…`;
}
