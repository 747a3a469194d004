import type { AgentRefusal, EnvironmentAnnouncement, EnvironmentDocument } from "../crds/wire/environment.ts";
import type { ProcessExit, StartProcess } from "../crds/wire/supervisor.ts";
import type { Clock } from "../lib/clock.ts";
import { exitError, normalizeErrorType, startError } from "./domain/function-error.ts";
import { moveEnvironment, type EnvironmentMove, type EnvironmentPhase } from "./domain/lifecycle.ts";
import type { InvocationStatus } from "./domain/log-lines.ts";
import type { Invocation, InvocationOutcome } from "./invocation-api/invocation.ts";
import type { InvocationLog } from "./invocation-log.ts";
import { summarizeInitFailure, tellOutcome } from "./invocation-outcome.ts";
import type { NodeServer } from "./runtime-api/node.ts";
import { truncatedError } from "./runtime-api/response.ts";
import {
  RuntimeSession,
  type InitErrorReport,
  type RuntimeAnswer,
  type SessionEnd,
} from "./runtime-api/runtime-session.ts";
import { runtimeEvent } from "./runtime-event.ts";
import type { SupervisorClient } from "./supervisor-client.ts";

export interface EnvironmentParts {
  readonly document: EnvironmentDocument;
  readonly runtimeProcess: Omit<StartProcess, "process">;
  readonly supervisor: Pick<SupervisorClient, "start" | "reset">;
  readonly log: InvocationLog;
  /** The Runtime API's connections. */
  readonly connections: Pick<NodeServer, "caughtUp" | "whenQuiet" | "cutConnections">;
  readonly clock: Clock;
  /** State or outcome of init has changed in a way that a router wants to know. */
  readonly onChange: () => void;
}

/** How long what an ended process still had on its connections may take to arrive. */
const lastWordsMs = 250;
/** How long a runtime that said that it failed may take to end by itself. */
const exitLimitMs = 500;

/**
 * One execution environment: starts the runtime, runs one invocation at a time, resets what failed.
 * The first reason that ends a runtime process decides what the caller is told.
 */
export class ExecutionEnvironment {
  readonly #parts: EnvironmentParts;
  #phase: EnvironmentPhase = "Initializing";
  #session: RuntimeSession | undefined;
  #process = 0;
  #init: EnvironmentAnnouncement["init"];
  #keptInitError: InitErrorReport | undefined;
  /** Duration of an init that no REPORT has told yet, ms. */
  #untoldInitMs: number | undefined;
  /** The invocation that has the environment until its answer is known. */
  #running: Promise<unknown> | undefined;
  /** Settles when what an invocation left is done: its REPORT, the runtime's `next`, a reset. */
  #settled: Promise<void> = Promise.resolve();
  #isDraining = false;

  constructor(parts: EnvironmentParts) {
    this.#parts = parts;
  }

  /** The runtime that the Runtime API speaks to; none while processes are being killed. */
  get session(): RuntimeSession | undefined {
    return this.#session;
  }

  get init(): EnvironmentAnnouncement["init"] {
    return this.#init;
  }

  get state(): EnvironmentAnnouncement["state"] {
    if (this.#isDraining) return "draining";
    if (this.#init === undefined) return "starting";
    return this.#running === undefined ? "ready" : "busy";
  }

  /** Why an invocation would be refused now. */
  get refusal(): AgentRefusal | undefined {
    switch (this.state) {
      case "draining":
        return { code: "Draining", message: "Cannot invoke: the environment is draining" };
      case "starting":
        return { code: "Busy", message: "Cannot invoke: the environment is in its init phase" };
      case "busy":
        return { code: "Busy", message: "Cannot invoke: the environment runs another invocation" };
      case "ready":
        return undefined;
    }
  }

  /** The init phase. A failure leaves the environment ready: the next invocation repeats the init within its own time. */
  async initialize(): Promise<void> {
    const { clock, document, onChange } = this.#parts;
    const session = this.#newSession();
    const cancel = clock.schedule(document.initTimeoutMs, () => session.finish({ kind: "timeout" }));
    const failure = await this.#startRuntime(session, "init");
    cancel();
    if (failure === undefined) {
      this.#untoldInitMs = this.#init?.durationMs;
      this.#move("initialized");
    }
    if (session.end !== undefined || failure !== undefined) this.#settled = this.#reset(session);
    onChange();
  }

  /**
   * Runs to its end whether or not someone still waits for it. A runtime that has answered may take what is left of its
   * time before it asks for this event. Refused when another invocation has the environment.
   */
  async invoke(invocation: Invocation): Promise<InvocationOutcome> {
    const refusal = this.refusal;
    if (refusal !== undefined) return { ok: false, refusal };
    const running = this.#run(invocation);
    this.#running = running;
    try {
      return await running;
    } finally {
      this.#running = undefined;
    }
  }

  /** What the process still sent before its end is heard first: an answer counts even if its process is gone. */
  onExit(exit: ProcessExit): void {
    const session = this.#session;
    if (session === undefined || exit.process !== this.#process) return;
    const end = { kind: "failed", error: exitError(exit) } as const;
    if (this.#phase === "Idle" || this.#phase === "Finishing") session.finish(end);
    else void this.#parts.connections.whenQuiet(lastWordsMs).then(() => session.finish(end));
  }

  /** The container is gone, and with it everything that could be reset. */
  onLost(): void {
    this.#isDraining = true;
    this.#move("end");
    this.#session?.finish({ kind: "failed", error: exitError({ signal: "killed", outOfMemory: false }) });
  }

  /** Refuses new invocations; settles when the running one has its answer and all that it left is done. */
  async drain(): Promise<void> {
    if (!this.#isDraining) {
      this.#isDraining = true;
      this.#parts.onChange();
    }
    await this.#running;
    await this.#settled;
    this.#move("end");
  }

  async #run(invocation: Invocation): Promise<InvocationOutcome> {
    const { clock, document, log, onChange } = this.#parts;
    await this.#whenSettled();
    if (this.#phase === "Ended") {
      return { ok: false, refusal: { code: "Draining", message: "Cannot invoke: the environment has ended" } };
    }
    const isDown = this.#phase === "Down";
    const session = isDown ? this.#newSession(invocation.requestId) : this.#session;
    if (session === undefined) throw new Error(`Cannot invoke: there is no runtime in phase ${this.#phase}`);
    this.#move("invoke");
    const startedMs = clock.monotonicMs();
    const timeoutMs = document.timeoutSeconds * 1000;
    const event = runtimeEvent(invocation, clock.nowMs() + timeoutMs);
    const cancelDeadline = clock.schedule(timeoutMs, () => session.finish({ kind: "timeout" }));

    const failure = isDown ? await this.#startRuntime(session, "invoke") : undefined;
    if (isDown) onChange();
    if (isDown && failure === undefined) this.#move("initialized");
    log.start(invocation, startedMs);
    const end = failure ?? (await this.#handOut(session, event));
    const { answer, status } = tellOutcome(end, invocation.requestId, document.timeoutSeconds);
    const reported = this.#report(status);
    this.#settled = this.#settle(session, reported, failure !== undefined).finally(cancelDeadline);
    const logResult = invocation.wantsLogTail ? await reported : undefined;
    return { ok: true, answer: { ...answer, ...(logResult !== undefined && { logResult }) } };
  }

  /** What failed, or nothing once the runtime has asked for its first event. */
  async #startRuntime(
    session: RuntimeSession,
    phase: "init" | "invoke",
  ): Promise<InitErrorReport | SessionEnd | undefined> {
    const { clock, document, log, runtimeProcess, supervisor } = this.#parts;
    const startedMs = clock.monotonicMs();
    this.#process += 1;
    supervisor.start({ ...runtimeProcess, process: this.#process }).then(
      (started) => {
        if ("error" in started) session.finish({ kind: "failed", error: startError(started.error) });
      },
      () => undefined, // with the supervisor the session ends by itself
    );
    const end = await session.initEnd;
    const durationMs = clock.monotonicMs() - startedMs;
    if (end.kind === "ready") {
      this.#init = { ok: true, durationMs };
      this.#keptInitError = undefined;
      return undefined;
    }
    const limitMs = phase === "init" ? document.initTimeoutMs : document.timeoutSeconds * 1000;
    const summary = summarizeInitFailure(end, limitMs);
    this.#init = { ok: false, durationMs, ...summary };
    log.initReport(phase, durationMs, initStatus(end));
    if (end.kind === "reported") this.#keptInitError = end;
    return end.kind === "failed" ? (this.#keptInitError ?? end) : end;
  }

  async #handOut(session: RuntimeSession, event: ReturnType<typeof runtimeEvent>): Promise<RuntimeAnswer | SessionEnd> {
    const end = await session.handOut(event);
    if (end.kind !== "answered" || end.error !== truncatedError) return end;
    // A body breaks off when its process ends: that is then the first cause, told a moment later.
    return (await this.#endOf(session)) ?? end;
  }

  /** How the session ended, if it does so in a moment. */
  async #endOf(session: RuntimeSession): Promise<SessionEnd | undefined> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const cancel = this.#parts.clock.schedule(exitLimitMs, () => resolve(undefined));
    const end = await Promise.race([session.ended, promise]);
    cancel();
    return end;
  }

  #report(status: InvocationStatus): Promise<string | undefined> {
    const initDurationMs = this.#untoldInitMs;
    this.#untoldInitMs = undefined;
    return this.#parts.log.end(status, initDurationMs);
  }

  /** From the answer to where another invocation may begin. */
  async #settle(session: RuntimeSession, reported: Promise<unknown>, hasFailed: boolean): Promise<void> {
    if (!hasFailed && session.end === undefined) {
      this.#move("answered");
      await session.over;
    }
    await reported;
    if (hasFailed || session.end !== undefined) await this.#reset(session);
    else this.#move("next");
  }

  /** Until a runtime asks for an event, or none runs. One that does not ask again in the time of a call is given up. */
  async #whenSettled(): Promise<void> {
    const { clock, connections, document } = this.#parts;
    for (;;) {
      await this.#settled;
      const session = this.#session;
      if (this.#phase === "Idle" && session !== undefined) {
        const giveUp = (): void => session.finish({ kind: "timeout" });
        const cancel = clock.schedule(document.timeoutSeconds * 1000, giveUp);
        await connections.caughtUp();
        await session.whenAsked();
        cancel();
        if (session.end === undefined) return;
      } else if (this.#phase !== "Resetting") return;
    }
  }

  #newSession(requestId?: string): RuntimeSession {
    const onEnd = (ended: RuntimeSession): void => {
      if (ended === this.#session && this.#phase === "Idle") this.#settled = this.#reset(ended);
    };
    this.#session = new RuntimeSession(onEnd, requestId);
    return this.#session;
  }

  /** Kills everything and forgets it; the next invocation starts anew. `/tmp` stays as it is. */
  async #reset(session: RuntimeSession): Promise<void> {
    this.#move("failed");
    if (session.end === undefined) await this.#endOf(session);
    this.#session = undefined;
    this.#untoldInitMs = undefined;
    await this.#parts.supervisor.reset().catch(() => undefined); // whoever cannot reset is lost, which is told apart
    await this.#parts.connections.cutConnections();
    this.#move("reset");
  }

  #move(move: EnvironmentMove): void {
    const phase = moveEnvironment(this.#phase, move);
    if (phase === undefined) throw new Error(`Cannot ${move} the environment: its phase is ${this.#phase}`);
    this.#phase = phase;
  }
}

function initStatus(end: InitErrorReport | SessionEnd): Exclude<InvocationStatus, { readonly status: "success" }> {
  switch (end.kind) {
    case "timeout":
      return { status: "timeout" };
    case "failed":
      return { status: "error", errorType: end.error.errorType };
    case "reported":
      return { status: "error", errorType: normalizeErrorType(end.errorType) };
  }
}
