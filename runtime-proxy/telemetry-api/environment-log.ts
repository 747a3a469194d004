import type { EnvironmentDocument } from "../../crds/wire/environment.ts";
import type { Clock } from "../../lib/clock.ts";
import type { AgentLog } from "../agent-log.ts";
import { LogTail } from "../domain/log-tail.ts";
import type {
  OutputSource,
  PlatformEventType,
  PlatformLog,
  PlatformRecords,
  TelemetrySubscriptions,
  ToldEventType,
} from "../domain/platform-event.ts";
import { jsonLine, systemLogLevel, textLine } from "../domain/platform-lines.ts";
import type { PlatformEvent } from "../domain/telemetry-event.ts";
import type { TelemetrySubscription } from "../domain/telemetry-subscription.ts";
import { OutputLines, type OutputLine } from "./output-lines.ts";
import { Subscriptions, type SubscribeAnswer, type SubscribingExtension } from "./subscriptions.ts";

export interface EnvironmentLogParts {
  readonly document: Pick<EnvironmentDocument, "logFormat" | "systemLogLevel">;
  /** Puts text into the container's own log, in order with what its processes write; `soon`: no process waits for it. */
  readonly write: (text: string, when: "now" | "soon") => void;
  readonly clock: Clock;
  /** A number in [0, 1). */
  readonly draw: () => number;
  readonly agentLog: AgentLog;
}

const plausibleMs = 24 * 60 * 60 * 1000;

interface RunningTail {
  readonly requestId: string;
  readonly tail: LogTail;
  /** What was said last of its invocation. Bytes are kept from START to REPORT. */
  readonly said: "nothing" | "start" | "end" | "report";
}

/**
 * The log of one environment: what its processes write and what the platform says, in one order for the container's log, the caller's tail
 * and every subscriber. Where nobody listens a line costs nothing; nothing here waits for a subscriber.
 */
export class EnvironmentLog implements PlatformLog, TelemetrySubscriptions {
  readonly #parts: EnvironmentLogParts;
  readonly #subscriptions: Subscriptions;
  readonly #lines: OutputLines;
  #requestId: string | undefined;
  #tail: RunningTail | undefined;
  #stamp = { ms: Number.NaN, text: "" };

  constructor(parts: EnvironmentLogParts) {
    const { document, clock, draw, agentLog } = parts;
    this.#parts = parts;
    this.#subscriptions = new Subscriptions({ hasJsonLines: document.logFormat === "JSON", clock, draw, agentLog });
    this.#lines = new OutputLines((line) => this.#takeLine(line));
  }

  /** Of the running invocation: from `platform.start` to `platform.report`. */
  get requestId(): string | undefined {
    return this.#requestId;
  }

  get wantsSpans(): boolean {
    return this.#parts.document.logFormat === "JSON" || this.#subscriptions.hearsPlatform;
  }

  /** Bytes that wait for subscribers. */
  get heldBytes(): number {
    return this.#subscriptions.heldBytes;
  }

  tell<T extends ToldEventType>(type: T, record: PlatformRecords[T]): void {
    if (type === "platform.runtimeDone") this.#lines.flush({ kind: "function" });
    if (type === "platform.report") this.#lines.flush();
    this.#tell(type, record);
    if (type === "platform.runtimeDone") {
      const { requestId } = record as PlatformRecords["platform.runtimeDone"];
      this.#tell("platform.end", { requestId });
    }
    if (hasFailed(type, record)) void this.#subscriptions.flush(Infinity);
  }

  /** What a process wrote; it is in the container's log already. Stream 3: frames of the runtime clients. */
  output(source: OutputSource, stream: 1 | 2 | 3, bytes: Uint8Array): void {
    if (stream === 3) this.#lines.pushFramed(source, bytes);
    else {
      this.#keep(bytes, "append");
      if (this.#subscriptions.hears(source.kind)) this.#lines.push(source, stream, bytes);
    }
  }

  /** Before `platform.start` of that invocation: its caller asked for the end of the log. */
  keepTail(requestId: string): void {
    this.#tail = { requestId, tail: new LogTail(), said: "nothing" };
  }

  /**
   * The tail from START on, as base64, with END and a REPORT as of now; the log gets its own when extensions are done too.
   * Where it has them already, those stand. Undefined when the tail was not asked for. Once an invocation.
   */
  takeTail(report: PlatformRecords["platform.report"]): string | undefined {
    const running = this.#tail;
    if (running?.requestId !== report.requestId) return undefined;
    this.#tail = undefined;
    const { tail, said } = running;
    if (said === "nothing" || said === "start")
      tail.appendLine(this.#bytes(this.#event("platform.runtimeDone", doneOf(report))));
    if (said !== "report") tail.appendLine(this.#bytes(this.#event("platform.report", report)));
    return Buffer.from(tail.bytes()).toString("base64");
  }

  subscribe(extension: SubscribingExtension, subscription: TelemetrySubscription): SubscribeAnswer {
    const answer = this.#subscriptions.subscribe(extension, subscription);
    if (!answer.ok || !answer.isNew) return answer;
    const type = subscription.api === "Telemetry" ? "platform.telemetrySubscription" : "platform.logsSubscription";
    this.#tell(type, { name: extension.name, state: "Subscribed", types: subscription.types });
    return answer;
  }

  close(): void {
    this.#subscriptions.close();
  }

  async flush(limitMs: number): Promise<void> {
    this.#lines.flush();
    await this.#subscriptions.flush(limitMs);
  }

  /** The processes of subscribers are stopped until `resume`. */
  pause(): void {
    this.#subscriptions.pause();
  }

  resume(): void {
    this.#subscriptions.resume();
  }

  reset(): void {
    this.#lines.end();
    this.#subscriptions.reset();
  }

  #tell<T extends PlatformEventType>(type: T, record: PlatformRecords[T]): void {
    const event = this.#event(type, record);
    this.#begin(event);
    const line = this.#line(event);
    if (line !== undefined) {
      if (this.#tail !== undefined) this.#keep(Buffer.from(line), "appendLine");
      this.#parts.write(line, isAwaited(type) ? "now" : "soon");
    }
    this.#follow(event);
    if (this.#subscriptions.hearsPlatform) this.#subscriptions.addPlatform(event);
  }

  #event<T extends PlatformEventType>(type: T, record: PlatformRecords[T]): PlatformEvent {
    return { time: this.#now(), type, record } as PlatformEvent;
  }

  #line(event: PlatformEvent): string | undefined {
    const { logFormat, systemLogLevel: level } = this.#parts.document;
    return logFormat === "JSON" ? jsonLine(event, systemLogLevel(level)) : textLine(event);
  }

  #bytes(event: PlatformEvent): Uint8Array {
    return Buffer.from(this.#line(event) ?? "");
  }

  #keep(bytes: Uint8Array, how: "append" | "appendLine"): void {
    const said = this.#tail?.said;
    if (said === "start" || said === "end") this.#tail?.tail[how](bytes);
  }

  #begin({ type, record }: PlatformEvent): void {
    if (type !== "platform.start") return;
    this.#requestId = record.requestId;
    this.#say(record.requestId, "start");
  }

  #follow({ type, record }: PlatformEvent): void {
    if (type === "platform.runtimeDone") this.#say(record.requestId, "end");
    if (type !== "platform.report") return;
    this.#requestId = undefined;
    this.#say(record.requestId, "report");
  }

  #say(requestId: string, said: RunningTail["said"]): void {
    if (this.#tail?.requestId === requestId) this.#tail = { ...this.#tail, said };
  }

  #takeLine({ type, bytes, timestampMs, isFramed }: OutputLine): void {
    if (isFramed) this.#keep(bytes, "append");
    if (!this.#subscriptions.hears(type)) return;
    this.#subscriptions.addOutput(type, bytes.length, () => {
      return { time: this.#time(timestampMs), type, record: textOf(bytes) };
    });
  }

  /** A client's own time where it can be true: strict clients refuse years of more than four digits. */
  #time(timestampMs: number | undefined): string {
    const isPlausible = Math.abs((timestampMs ?? 0) - this.#parts.clock.nowMs()) < plausibleMs;
    return timestampMs !== undefined && isPlausible ? new Date(timestampMs).toISOString() : this.#now();
  }

  /** Many events fall into one millisecond. */
  #now(): string {
    const nowMs = this.#parts.clock.nowMs();
    if (nowMs !== this.#stamp.ms) this.#stamp = { ms: nowMs, text: new Date(nowMs).toISOString() };
    return this.#stamp.text;
  }
}

/** What a process does after it must not be told before it: INIT_START and START. */
function isAwaited(type: PlatformEventType): boolean {
  return type === "platform.start" || type === "platform.initStart" || type === "platform.fault";
}

/** What an invocation that ends now says of its end. */
function doneOf(report: PlatformRecords["platform.report"]): PlatformRecords["platform.runtimeDone"] {
  const { requestId, status, errorType, metrics } = report;
  const outcome = { status, ...(errorType !== undefined && { errorType }) };
  return { requestId, ...outcome, metrics: { durationMs: metrics.durationMs } };
}

/** With the runtime its output has ended: nothing of it waits for a batch to fill. */
function hasFailed(type: ToldEventType, record: PlatformRecords[ToldEventType]): boolean {
  const isRuntimeDone = type === "platform.runtimeDone" || type === "platform.initRuntimeDone";
  return isRuntimeDone && typeof record === "object" && "status" in record && record.status !== "success";
}

function textOf({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString();
}
