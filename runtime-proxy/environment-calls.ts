import type { AgentRefusal } from "../crds/wire/environment.ts";
import type { Clock } from "../lib/clock.ts";
import { trailerNames, wordAnswer, wordTrailers } from "./caller-answer.ts";
import { CallerStream } from "./caller-stream.ts";
import type { CallerAnswer, Outcome, StreamEnd } from "./domain/lifecycle/effect.ts";
import type { AnswerTimes, Invocation, InvocationOutcome } from "./invocation-api/invocation.ts";
import type { HandedEvent } from "./lifecycle-port.ts";
import { invokeEvent, runtimeEvent } from "./runtime-event.ts";

const lostRefusal: AgentRefusal = { code: "Draining", message: "Cannot invoke: the environment has ended" };

interface Call {
  readonly invocation: Invocation;
  readonly outcome: PromiseWithResolvers<InvocationOutcome>;
  stream?: CallerStream;
  streamedBytes: number;
}

export interface CallsParts {
  /** The end of the running call's log as of now, as base64. */
  readonly takeTail: (outcome: Outcome) => Promise<string | undefined>;
  /** Of the running call, and of what no call has told yet. */
  readonly times: () => AnswerTimes;
  readonly clock: Clock;
  /** Of a streamed payload after its first 6 MiB; 0: no limit. */
  readonly streamBytesPerSecond: number;
}

/** The running call, the one that waits for it, and what their callers get. */
export class EnvironmentCalls {
  readonly #parts: CallsParts;
  #queued: Call | undefined;
  #current: Call | undefined;
  #event: { readonly forRuntime: HandedEvent; readonly forExtensions: object } | undefined;

  constructor(parts: CallsParts) {
    this.#parts = parts;
  }

  get invocation(): Invocation | undefined {
    return this.#current?.invocation;
  }

  get event(): { readonly forRuntime: HandedEvent; readonly forExtensions: object } | undefined {
    return this.#event;
  }

  get streamedBytes(): number {
    return this.#current?.streamedBytes ?? 0;
  }

  async queue(invocation: Invocation): Promise<InvocationOutcome> {
    const outcome = Promise.withResolvers<InvocationOutcome>();
    this.#queued = { invocation, outcome, streamedBytes: 0 };
    return await outcome.promise;
  }

  begin(): void {
    this.#current = this.#queued;
    this.#queued = undefined;
    this.#event = undefined;
  }

  prepareEvent(deadlineMs: number): void {
    const { invocation } = this;
    if (invocation === undefined) return;
    const forExtensions = invokeEvent(invocation, deadlineMs);
    this.#event = { forRuntime: runtimeEvent(invocation, deadlineMs), forExtensions };
  }

  async answer(answer: CallerAnswer, outcome: Outcome): Promise<void> {
    const call = this.#current;
    if (call === undefined) return;
    const { requestId } = call.invocation;
    const times = this.#parts.times();
    const logResult = await this.#takeTail(call, outcome);
    const worded = wordAnswer(answer, requestId);
    const optional = logResult !== undefined && { logResult };
    call.outcome.resolve({ ok: true, answer: { ...worded, times, ...optional } });
  }

  openStream(contentType: string): void {
    const call = this.#current;
    if (call === undefined) return;
    call.stream = new CallerStream(trailerNames, this.#parts.streamBytesPerSecond, this.#parts.clock);
    const { durationMs: _unknown, ...times } = this.#parts.times();
    call.outcome.resolve({ ok: true, answer: { payload: call.stream, contentType, isFunctionError: false, times } });
  }

  async write(chunk: Uint8Array): Promise<void> {
    const call = this.#current;
    if (call?.stream === undefined) return;
    call.streamedBytes += chunk.length;
    await call.stream.write(chunk);
  }

  async closeStream(end: StreamEnd, outcome: Outcome): Promise<void> {
    const call = this.#current;
    if (call?.stream === undefined) return;
    const logResult = await this.#takeTail(call, outcome);
    call.stream.close(wordTrailers(end, call.invocation.requestId, logResult));
  }

  refuseQueued(): void {
    this.#queued?.outcome.resolve({ ok: false, refusal: lostRefusal });
    this.#queued = undefined;
  }

  async #takeTail({ invocation }: Call, outcome: Outcome): Promise<string | undefined> {
    return invocation.wantsLogTail ? await this.#parts.takeTail(outcome) : undefined;
  }
}
