import type { EnvironmentDocument } from "../crds/wire/environment.ts";
import type { Clock } from "../lib/clock.ts";
import { jsonLogLines, textLogLines, type InitReport, type InvocationStatus } from "./domain/log-lines.ts";
import { LogTail } from "./domain/log-tail.ts";
import type { Invocation } from "./invocation-api/invocation.ts";
import type { SupervisorClient } from "./supervisor-client.ts";

interface RunningLog {
  readonly requestId: string;
  readonly startedMs: number;
  readonly tail: LogTail | undefined;
}

/** Puts the platform's lines into the function's log and keeps the end of it for a caller who asks. */
export class InvocationLog {
  readonly #document: EnvironmentDocument;
  readonly #supervisor: Pick<SupervisorClient, "write" | "flush" | "memory">;
  readonly #clock: Clock;
  #running: RunningLog | undefined;

  constructor(
    document: EnvironmentDocument,
    supervisor: Pick<SupervisorClient, "write" | "flush" | "memory">,
    clock: Clock,
  ) {
    this.#document = document;
    this.#supervisor = supervisor;
    this.#clock = clock;
  }

  get requestId(): string | undefined {
    return this.#running?.requestId;
  }

  /** `startedMs`: when the invocation's time began, on the clock that never goes back. */
  start({ requestId, wantsLogTail }: Invocation, startedMs: number): void {
    this.#running = { requestId, startedMs, tail: wantsLogTail ? new LogTail() : undefined };
    this.#write(this.#lines.start(requestId, this.#document.version, this.#clock.nowMs()), this.#running);
  }

  append(bytes: Uint8Array): void {
    this.#running?.tail?.append(bytes);
  }

  /** END and REPORT after everything that the function has written until now; the tail as base64, if it was asked for. */
  async end(status: InvocationStatus, initDurationMs: number | undefined): Promise<string | undefined> {
    const running = this.#running;
    if (running === undefined) return undefined;
    const { timeoutSeconds, memorySize } = this.#document;
    const measuredMs = this.#clock.monotonicMs() - running.startedMs;
    const [memory] = await Promise.all([this.#supervisor.memory(), this.#supervisor.flush()]);
    const report = {
      requestId: running.requestId,
      durationMs: status.status === "timeout" ? timeoutSeconds * 1000 : measuredMs,
      memorySizeMB: memorySize,
      maxMemoryUsedBytes: memory.peakBytes,
      ...(initDurationMs !== undefined && { initDurationMs }),
      outcome: status,
    };
    this.#write(this.#lines.end(report, this.#clock.nowMs()), running);
    this.#running = undefined;
    return running.tail && Buffer.from(running.tail.bytes()).toString("base64");
  }

  initReport(phase: InitReport["phase"], durationMs: number, outcome: InitReport["outcome"]): void {
    const { initializationType } = this.#document;
    const report = { phase, durationMs, outcome, initializationType };
    this.#write(this.#lines.initReport(report, this.#clock.nowMs()), undefined);
  }

  get #lines(): typeof textLogLines {
    return this.#document.logFormat === "JSON" ? jsonLogLines : textLogLines;
  }

  #write(text: string, running: RunningLog | undefined): void {
    running?.tail?.append(Buffer.from(text));
    this.#supervisor.write(text);
  }
}
