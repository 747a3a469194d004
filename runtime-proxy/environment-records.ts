import type { EnvironmentDocument } from "../crds/wire/environment.ts";
import type { MemoryReading } from "../crds/wire/supervisor.ts";
import type { Clock } from "../lib/clock.ts";
import type { PlatformError } from "./domain/function-error.ts";
import type { Outcome } from "./domain/lifecycle/effect.ts";
import type { InitPhase, PlatformRecords, Span, Tracing } from "./domain/platform-event.ts";
import { reportMetrics, roundMs } from "./domain/report-metrics.ts";
import type { AnswerTimes } from "./invocation-api/invocation.ts";
import type { Supervisors } from "./supervisors.ts";
import type { EnvironmentLog } from "./telemetry-api/environment-log.ts";

export interface RecordsParts {
  readonly document: EnvironmentDocument;
  readonly log: EnvironmentLog;
  readonly clock: Clock;
  readonly logStream: string;
  readonly supervisors: Pick<Supervisors, "flush">;
  readonly birth?: Birth;
}

/** What went before the first init. */
export interface Birth {
  /** When the pod was made, ms since 1970, by the operator's clock. */
  readonly createdAtMs?: number;
  /** Until code and layers were in their places. */
  readonly fetchMs?: number;
}

interface Measured {
  readonly requestId: string;
  readonly tracing: Tracing | undefined;
  /** When the invocation's time began, and when its parts ended, on the clock that never goes back. */
  readonly startedMs: number;
  firstByteMs?: number;
  lastByteMs?: number;
  runtimeDoneMs?: number;
  producedBytes: number;
}

/** Measures what happens and words it as platform records: the log gets them in the order in which they were told. */
export class EnvironmentRecords {
  readonly #parts: RecordsParts;
  /** Duration of an init that no REPORT has told yet, ms. */
  #untoldInitMs: number | undefined;
  /** The same of what was before the first init. */
  #untoldBirth: Pick<AnswerTimes, "startMs" | "fetchMs"> | undefined;
  #initEndedMs = 0;
  #hearsCalls = false;
  /** What extensions took after the call before, ms. */
  #untoldExtensionsMs: number | undefined;
  #initStartedMs = 0;
  #initDurationMs = 0;
  #invocation: Measured | undefined;
  #memory: MemoryReading = { peakBytes: 0, currentBytes: 0 };
  /** Settles when everything told until now is in the log. */
  #told: Promise<void> | undefined;

  constructor(parts: RecordsParts) {
    this.#parts = parts;
  }

  get initDurationMs(): number {
    return this.#initDurationMs;
  }

  /** Of the running invocation, and of what no answer has told yet. */
  times(): AnswerTimes {
    const nowMs = this.#parts.clock.monotonicMs();
    const startedMs = this.#invocation?.startedMs ?? nowMs;
    const extensionsMs = this.#untoldExtensionsMs;
    return {
      durationMs: nowMs - startedMs,
      ...(this.#untoldInitMs !== undefined && { initMs: this.#untoldInitMs }),
      ...(this.#untoldBirth !== undefined && { ...this.#untoldBirth, readyMs: startedMs - this.#initEndedMs }),
      ...(extensionsMs !== undefined && { extensionsMs }),
    };
  }

  initStart(phase: InitPhase): void {
    const { document, log, logStream, clock } = this.#parts;
    this.#initStartedMs = clock.monotonicMs();
    log.tell("platform.initStart", {
      initializationType: document.initializationType,
      phase,
      functionName: document.functionName,
      functionVersion: document.version,
      instanceId: logStream,
      instanceMaxMemory: document.memorySize,
      ...(document.runtime !== undefined && { runtimeVersion: document.runtime }),
    });
  }

  runtimeInit(phase: InitPhase, outcome: Outcome): void {
    const { initializationType } = this.#parts.document;
    const type = outcome.status === "timeout" ? { errorType: "Runtime.Unknown" } : {};
    this.#parts.log.tell("platform.initRuntimeDone", { initializationType, phase, ...outcome, ...type });
  }

  init(phase: InitPhase, outcome: Outcome): void {
    const { clock, document, log } = this.#parts;
    const isFirst = this.#initEndedMs === 0;
    this.#initEndedMs = clock.monotonicMs();
    this.#initDurationMs = this.#initEndedMs - this.#initStartedMs;
    if (isFirst && phase === "init") this.#untoldBirth = this.#birthTimes();
    this.#untoldInitMs = phase === "init" && outcome.status === "success" ? this.#initDurationMs : undefined;
    const metrics = { durationMs: roundMs(this.#initDurationMs) };
    log.tell("platform.initReport", { initializationType: document.initializationType, phase, ...outcome, metrics });
  }

  extensions(records: readonly PlatformRecords["platform.extension"][]): void {
    this.#hearsCalls = records.some(({ events }) => events.includes("INVOKE"));
    for (const record of records) this.#parts.log.tell("platform.extension", record);
  }

  /** An invocation's time begins. */
  begin(requestId: string, trace: string | undefined): void {
    const tracing = trace === undefined ? undefined : ({ type: "X-Amzn-Trace-Id", value: trace } as const);
    this.#invocation = { requestId, tracing, startedMs: this.#parts.clock.monotonicMs(), producedBytes: 0 };
  }

  start(): void {
    const invocation = this.#invocation;
    if (invocation === undefined) return;
    const { requestId } = invocation;
    const { document, log } = this.#parts;
    log.tell("platform.start", { requestId, version: document.version, ...tracingOf(invocation) });
  }

  responseBegun(): void {
    if (this.#invocation !== undefined) this.#invocation.firstByteMs ??= this.#parts.clock.monotonicMs();
  }

  responseDone(producedBytes: number): void {
    if (this.#invocation === undefined) return;
    this.#invocation.lastByteMs ??= this.#parts.clock.monotonicMs();
    this.#invocation.producedBytes = producedBytes;
  }

  fault({ errorType, message }: PlatformError): void {
    const requestId = this.#invocation?.requestId ?? "";
    this.#later(() => {
      this.#parts.log.tell("platform.fault", `RequestId: ${requestId} Error: ${message}\n${errorType}\n`);
    });
  }

  /** After everything that the function has written until now. */
  runtimeDone(outcome: Outcome): void {
    const invocation = this.#invocation;
    if (invocation === undefined) return;
    invocation.runtimeDoneMs = this.#parts.clock.monotonicMs();
    const record = this.#runtimeDone(invocation, invocation.runtimeDoneMs, outcome);
    this.#later(async () => {
      await this.#readOutput();
      this.#parts.log.tell("platform.runtimeDone", record);
    });
  }

  /** The end of the log for a caller who asked for it, its REPORT as of now. */
  async takeTail(outcome: Outcome): Promise<string | undefined> {
    const invocation = this.#invocation;
    if (invocation === undefined) return undefined;
    const endedMs = this.#parts.clock.monotonicMs();
    const record = this.#reportRecord(invocation, { endedMs, outcome, initDurationMs: this.#untoldInitMs });
    let tail: string | undefined;
    this.#later(async () => {
      await this.#readOutput();
      tail = this.#parts.log.takeTail(record());
    });
    await this.#told;
    return tail;
  }

  /** Settles when the log has it. */
  async report(outcome: Outcome): Promise<void> {
    const invocation = this.#invocation;
    const initDurationMs = this.#untoldInitMs;
    this.#untoldInitMs = undefined;
    this.#untoldBirth = undefined;
    if (invocation === undefined) return;
    const endedMs = this.#parts.clock.monotonicMs();
    const isTold = this.#hearsCalls && outcome.status === "success" && invocation.runtimeDoneMs !== undefined;
    this.#untoldExtensionsMs = isTold ? endedMs - (invocation.runtimeDoneMs ?? endedMs) : undefined;
    const record = this.#reportRecord(invocation, { endedMs, outcome, initDurationMs });
    this.#later(() => this.#parts.log.tell("platform.report", record()));
    await this.#told;
  }

  /** Settles when the log has everything that was told until now. */
  async whenTold(): Promise<void> {
    await this.#told;
  }

  /** All that the processes have written until now is given to the log. */
  async #readOutput(): Promise<void> {
    this.#memory = await this.#parts.supervisors.flush();
  }

  /** Made when memory has been read. */
  #reportRecord(
    invocation: Measured,
    { endedMs, outcome, initDurationMs }: { endedMs: number; outcome: Outcome; initDurationMs: number | undefined },
  ): () => PlatformRecords["platform.report"] {
    const { memorySize: memorySizeMB, timeoutSeconds } = this.#parts.document;
    const durationMs = outcome.status === "timeout" ? timeoutSeconds * 1000 : endedMs - invocation.startedMs;
    const overhead = this.#span("extensionOverhead", invocation.runtimeDoneMs, endedMs);
    const { requestId } = invocation;
    return () => {
      const maxMemoryUsedBytes = this.#memory.peakBytes;
      const init = initDurationMs === undefined ? {} : { initDurationMs };
      return {
        requestId,
        ...outcome,
        metrics: reportMetrics({ durationMs, memorySizeMB, maxMemoryUsedBytes, ...init }),
        ...(outcome.status === "success" && overhead !== undefined && { spans: [overhead] }),
        ...tracingOf(invocation),
      };
    };
  }

  #runtimeDone(invocation: Measured, doneMs: number, outcome: Outcome): PlatformRecords["platform.runtimeDone"] {
    const { requestId, startedMs, firstByteMs, lastByteMs, producedBytes } = invocation;
    const spans = [
      this.#span("responseLatency", startedMs, firstByteMs),
      this.#span("responseDuration", firstByteMs, lastByteMs),
      this.#span("runtimeOverhead", lastByteMs, doneMs),
    ].filter((span) => span !== undefined);
    return {
      requestId,
      ...outcome,
      metrics: {
        durationMs: roundMs(doneMs - startedMs),
        producedBytes: outcome.status === "success" ? producedBytes : 0,
      },
      ...(spans.length > 0 && { spans }),
      ...tracingOf(invocation),
    };
  }

  #span(name: Span["name"], fromMs: number | undefined, untilMs: number | undefined): Span | undefined {
    const { clock, log } = this.#parts;
    if (fromMs === undefined || untilMs === undefined || !log.wantsSpans) return undefined;
    const start = new Date(clock.nowMs() - (clock.monotonicMs() - fromMs)).toISOString();
    return { name, start, durationMs: roundMs(Math.max(0, untilMs - fromMs)) };
  }

  /** The two clocks are those of two machines: what they disagree by is in `startMs`, which is never less than 0. */
  #birthTimes(): Pick<AnswerTimes, "startMs" | "fetchMs"> {
    const { birth: { createdAtMs, fetchMs } = {}, clock } = this.#parts;
    const startMs = clock.nowMs() - (createdAtMs ?? 0) - this.#initDurationMs - (fetchMs ?? 0);
    return {
      ...(createdAtMs !== undefined && { startMs: Math.max(0, startMs) }),
      ...(fetchMs !== undefined && { fetchMs }),
    };
  }

  /** In order with what waits, at once when nothing does. */
  #later(tell: () => void | Promise<void>): void {
    const told = (this.#told ?? Promise.resolve()).then(tell);
    const settled = told.finally(() => {
      if (this.#told === settled) this.#told = undefined;
    });
    this.#told = settled;
  }
}

function tracingOf({ tracing }: Measured): { readonly tracing?: Tracing } {
  return tracing === undefined ? {} : { tracing };
}
