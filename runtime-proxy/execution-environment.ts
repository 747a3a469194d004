import type { AgentRefusal, EnvironmentAnnouncement, EnvironmentDocument } from "../crds/wire/environment.ts";
import type { ProcessExit, StartProcess } from "../crds/wire/supervisor.ts";
import type { Clock } from "../lib/clock.ts";
import { summarizeInitFailure } from "./caller-answer.ts";
import type { LifecycleEffect } from "./domain/lifecycle/effect.ts";
import type { LifecycleInput } from "./domain/lifecycle/input.ts";
import {
  availability,
  initialState,
  invocationRefusal,
  isRunning,
  type LifecycleState,
} from "./domain/lifecycle/state.ts";
import { step } from "./domain/lifecycle/step.ts";
import type { Verdict } from "./domain/lifecycle/verdict.ts";
import type { OutputSource } from "./domain/platform-event.ts";
import { EnvironmentCalls } from "./environment-calls.ts";
import type { EnvironmentRecords } from "./environment-records.ts";
import type { Invocation, InvocationOutcome } from "./invocation-api/invocation.ts";
import type { LifecyclePort, Polled, RegisteredExtension, WhenGone } from "./lifecycle-port.ts";
import { LifecycleTimers } from "./lifecycle-timers.ts";
import { Polls } from "./polls.ts";
import { completeTrace, extensionEvent, shutdownEvent } from "./runtime-event.ts";
import type { NodeServer } from "./runtime-api/node.ts";
import type { Supervisors } from "./supervisors.ts";
import type { EnvironmentLog } from "./telemetry-api/environment-log.ts";

export interface EnvironmentParts {
  readonly document: EnvironmentDocument;
  readonly runtimeProcess: Omit<StartProcess, "process">;
  /** What starts the file of that name in /opt/extensions. */
  readonly extensionProcess: (file: string) => Omit<StartProcess, "process">;
  readonly supervisors: Supervisors;
  readonly log: EnvironmentLog;
  readonly records: EnvironmentRecords;
  /** Connections of the Runtime, Extensions and Telemetry API. */
  readonly connections: Pick<NodeServer, "caughtUp" | "whenQuiet" | "cutConnections">;
  readonly clock: Clock;
  readonly newId: () => string;
  /** State or outcome of init has changed in a way that a router wants to know. */
  readonly onChange: () => void;
}

/** How long what an ended process still had on its connections may take to arrive. */
const lastWordsMs = 250;
/** For what subscribers are still to get before they are shut down. Source: emulator rapid/shutdown.go. */
const telemetryFlushMs = 1_000;

type EffectType = LifecycleEffect["type"];
type CarryOut = { readonly [T in EffectType]: (effect: Extract<LifecycleEffect, { readonly type: T }>) => void };

/** Carries out what the lifecycle decides (domain/lifecycle/step.ts), and tells it what happens. */
export class ExecutionEnvironment implements LifecyclePort {
  readonly #parts: EnvironmentParts;
  readonly #timers: LifecycleTimers;
  readonly #calls: EnvironmentCalls;
  readonly #polls = new Polls();
  readonly #sources = new Map<number, OutputSource>();
  readonly #ended = Promise.withResolvers<undefined>();
  #state: LifecycleState;
  #wasRunning = false;
  #onAnswered: () => void = () => undefined;
  #areExtensionsDisabled = false;
  #init: EnvironmentAnnouncement["init"];

  constructor(parts: EnvironmentParts) {
    const { timeoutSeconds, initTimeoutMs, stopsBetweenInvocations = false } = parts.document;
    const { streamBytesPerSecond = 0 } = parts.document;
    this.#parts = parts;
    this.#state = initialState({ timeoutMs: timeoutSeconds * 1000, initTimeoutMs, stopsBetweenInvocations });
    this.#timers = new LifecycleTimers(parts.clock, (name) => this.tell({ type: "timer", name }));
    this.#calls = new EnvironmentCalls({
      takeTail: (outcome) => parts.records.takeTail(outcome),
      times: () => parts.records.times(),
      clock: parts.clock,
      streamBytesPerSecond,
    });
  }

  get init(): EnvironmentAnnouncement["init"] {
    return this.#init;
  }

  get state(): EnvironmentAnnouncement["state"] {
    return availability(this.#state);
  }

  get isRunning(): boolean {
    return isRunning(this.#state);
  }

  get refusal(): AgentRefusal | undefined {
    return invocationRefusal(this.#state);
  }

  get start(): number {
    return this.#state.start;
  }

  get isStreamed(): boolean {
    return this.#state.current?.isStreamed === true;
  }

  get areExtensionsDisabled(): boolean {
    return this.#areExtensionsDisabled;
  }

  /** Starts the init phase with these files of /opt/extensions; without any when they are switched off. */
  begin(files: readonly string[], areExtensionsDisabled: boolean): void {
    this.#areExtensionsDisabled = areExtensionsDisabled;
    this.tell({ type: "connected", files: areExtensionsDisabled ? [] : files });
  }

  tell(input: LifecycleInput): Verdict {
    const { state, effects, verdict } = step(this.#state, input);
    this.#state = state;
    if (verdict.ok) this.#measure(input);
    const wasAnswered = this.#wasRunning && !isRunning(state);
    this.#wasRunning = isRunning(state);
    for (const effect of effects) {
      const carryOut = this.#carryOut[effect.type] as (effect: LifecycleEffect) => void;
      carryOut(effect);
    }
    if (wasAnswered) this.#onAnswered();
    return verdict;
  }

  /**
   * Runs to its end whether or not someone still waits for it. A runtime that has answered may take what is left of its
   * time before it asks for this event. Refused when another invocation has the environment.
   */
  async invoke(invocation: Invocation, onAnswered: () => void): Promise<InvocationOutcome> {
    const { requestId, isStreamed } = invocation;
    const verdict = this.tell({ type: "invoke", requestId, isStreamed });
    if (!verdict.ok) return { ok: false, refusal: verdict.refusal as AgentRefusal };
    this.#onAnswered = onAnswered;
    return await this.#calls.queue(invocation);
  }

  onExit(exit: ProcessExit): void {
    this.tell({ type: "exited", exit });
  }

  onOutput(bytes: Uint8Array, process: number, stream: 1 | 2 | 3): void {
    this.#parts.log.output(this.#sourceOf(process), stream, bytes);
  }

  /** A container is gone, and with it everything that could be reset. */
  onLost(): void {
    this.tell({ type: "lost" });
  }

  /** Refuses new invocations; settles when the running one has its answer and everything was shut down. */
  async drain(): Promise<void> {
    this.tell({ type: "drain" });
    await this.#ended.promise;
  }

  async pollRuntime(whenGone: WhenGone): Promise<Polled> {
    const { start } = this.#state;
    const ask = (): Verdict => this.tell({ type: "runtimeNext" });
    return await this.#polls.wait({
      key: "",
      whenGone,
      ask,
      onGone: () => this.tell({ type: "runtimePollGone", start }),
    });
  }

  async pollExtension(id: string, whenGone: WhenGone): Promise<Polled> {
    const ask = (): Verdict => this.tell({ type: "extensionNext", id });
    const onGone = (): void => void this.tell({ type: "extensionPollGone", id });
    return await this.#polls.wait({ key: id, whenGone, ask, onGone });
  }

  findExtension(id: string): RegisteredExtension | undefined {
    return this.#state.extensions.find((extension) => extension.id === id && id !== "");
  }

  async writeStream(chunk: Uint8Array): Promise<void> {
    await this.#calls.write(chunk);
  }

  #measure(input: LifecycleInput): void {
    const { records } = this.#parts;
    if (input.type === "responseBegun" || input.type === "responseStreams") records.responseBegun();
    if (input.type !== "responseDone") return;
    const { end } = input;
    const wholeBytes = end.kind === "whole" && !end.answer.isFunctionError ? end.answer.payload.bytes : 0;
    records.responseDone(Math.max(this.#calls.streamedBytes, wholeBytes));
  }

  readonly #carryOut: CarryOut = {
    startProcess: ({ process, extension }) => void this.#startProcess(process, extension),
    signal: ({ process, signal }) => this.#parts.supervisors.signal({ process, signal }),
    killAll: () => this.#after(this.#killAll(), { type: "allGone" }),
    hearOut: () => {
      const { start } = this.#state;
      this.#after(this.#parts.connections.whenQuiet(lastWordsMs), { type: "heardOut", start });
    },
    catchUp: () => this.#after(this.#parts.connections.caughtUp(), { type: "caughtUp" }),
    stop: () => {
      this.#parts.log.pause();
      this.#parts.supervisors.stop();
    },
    goOn: () => {
      this.#parts.supervisors.goOn();
      this.#parts.log.resume();
    },
    setTimer: ({ name, ms }) => this.#timers.set(name, ms),
    cancelTimer: ({ name }) => this.#timers.cancel(name),
    begin: () => this.#begin(),
    deliver: () => {
      const { event } = this.#calls;
      if (event !== undefined) this.#polls.hand("", event.forRuntime);
    },
    deliverToExtension: (effect) => this.#deliverToExtension(effect),
    answer: ({ answer, outcome }) => void this.#calls.answer(answer, outcome),
    openStream: ({ contentType }) => this.#calls.openStream(contentType),
    closeStream: ({ end, outcome }) => void this.#calls.closeStream(end, outcome),
    refuseQueued: () => this.#calls.refuseQueued(),
    tellInitStart: ({ phase }) => this.#parts.records.initStart(phase),
    tellRuntimeInit: ({ phase, outcome }) => this.#parts.records.runtimeInit(phase, outcome),
    tellExtensions: ({ extensions }) => this.#parts.records.extensions(extensions),
    tellInit: (effect) => this.#tellInit(effect),
    tellStart: () => this.#tellStart(),
    tellFault: ({ error }) => this.#parts.records.fault(error),
    tellRuntimeDone: ({ outcome }) => this.#parts.records.runtimeDone(outcome),
    report: ({ outcome }) => this.#after(this.#parts.records.report(outcome), { type: "reported" }),
    closeTelemetry: () => this.#parts.log.close(),
    flushTelemetry: () => {
      const { start } = this.#state;
      this.#after(this.#flushTelemetry(), { type: "telemetryFlushed", start });
    },
    announce: () => this.#parts.onChange(),
    ended: () => this.#ended.resolve(undefined),
  };

  #after(done: Promise<unknown>, input: LifecycleInput): void {
    const tell = (): void => void this.tell(input);
    void done.then(tell, tell);
  }

  #sourceOf(process: number): OutputSource {
    return this.#sources.get(process) ?? { kind: "function" };
  }

  async #startProcess(process: number, extension: string | undefined): Promise<void> {
    const { supervisors, runtimeProcess, extensionProcess } = this.#parts;
    const description = extension === undefined ? runtimeProcess : extensionProcess(extension);
    this.#sources.set(process, extension === undefined ? { kind: "function" } : { kind: "extension", name: extension });
    try {
      const started = await supervisors.start({ ...description, process }, extension);
      if ("error" in started) this.tell({ type: "startFailed", process, error: started.error });
    } catch {
      // With its supervisor everything ends, which is told apart.
    }
  }

  /** Whoever cannot reset is lost, which is told apart. */
  async #killAll(): Promise<void> {
    const { supervisors, connections, log, records } = this.#parts;
    await supervisors.reset().catch(() => undefined);
    await connections.cutConnections();
    this.#polls.clear();
    this.#sources.clear();
    await records.whenTold(); // of the life that ends here
    log.reset();
  }

  /** With what the log is still to be told: END and REPORT wait for the output before them. */
  async #flushTelemetry(): Promise<void> {
    const { log, records } = this.#parts;
    await records.whenTold();
    await log.flush(telemetryFlushMs);
  }

  #begin(): void {
    this.#calls.begin();
    const { invocation } = this.#calls;
    if (invocation !== undefined) this.#parts.records.begin(invocation.requestId, completeTrace(invocation.traceId));
  }

  #tellStart(): void {
    this.#calls.prepareEvent(this.#timers.dueMs("deadline"));
    const { invocation } = this.#calls;
    if (invocation?.wantsLogTail === true) this.#parts.log.keepTail(invocation.requestId);
    this.#parts.records.start();
  }

  #deliverToExtension({ id, event, reason = "SPINDOWN" }: Parameters<CarryOut["deliverToExtension"]>[0]): void {
    const body =
      event === "INVOKE" ? this.#calls.event?.forExtensions : shutdownEvent(reason, this.#timers.dueMs("shutdown"));
    if (body !== undefined)
      this.#polls.hand(id, extensionEvent(body, id, event === "INVOKE" ? this.#parts.newId() : undefined));
  }

  #tellInit({ phase, outcome, failure }: Parameters<CarryOut["tellInit"]>[0]): void {
    const { records, document } = this.#parts;
    records.init(phase, outcome);
    const { initDurationMs: durationMs } = records;
    const limitMs = phase === "init" ? document.initTimeoutMs : document.timeoutSeconds * 1000;
    this.#init =
      failure === undefined
        ? { ok: true, durationMs }
        : { ok: false, durationMs, ...summarizeInitFailure(failure, limitMs) };
  }
}
