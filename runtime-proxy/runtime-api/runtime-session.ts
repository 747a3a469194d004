import { moveRuntime, type RuntimeMove, type RuntimeState } from "../domain/lifecycle.ts";
import type { PlatformError } from "../domain/function-error.ts";
import type { Payload } from "./exchange.ts";

/** What `next` hands to the runtime. Header values are ready to be sent. */
export interface RuntimeEvent {
  readonly requestId: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly payload: Payload;
}

/** What the runtime made of an event. */
export interface RuntimeAnswer {
  readonly kind: "answered";
  readonly payload: Payload;
  readonly contentType?: string;
  readonly isFunctionError: boolean;
  /** Set when the answer could not be used: a failure in the platform's eyes. */
  readonly error?: PlatformError;
}

/** Body and error type that the runtime gave for its failed init. */
export interface InitErrorReport {
  readonly kind: "reported";
  readonly payload: Payload;
  readonly contentType: string;
  readonly errorType: string | undefined;
}

/** Why a session ended: its process is of no more use and everything is reset. */
export type SessionEnd = { readonly kind: "failed"; readonly error: PlatformError } | { readonly kind: "timeout" };

export type InitEnd = { readonly kind: "ready" } | InitErrorReport | SessionEnd;
export type InvocationEnd = RuntimeAnswer | SessionEnd;

export type CallRefusal =
  { readonly code: "InvalidRequestID" } | { readonly code: "InvalidStateTransition"; readonly message: string };

/**
 * One start of the runtime process, from the first call it makes to its end. Its promises never reject:
 * what happens first (the runtime's call, the end of the process, a deadline) settles them.
 */
export class RuntimeSession {
  readonly #initEnd = Promise.withResolvers<InitEnd>();
  readonly #ended = Promise.withResolvers<SessionEnd>();
  readonly #polls = new Set<(event: RuntimeEvent) => void>();
  readonly #onEnd: (session: RuntimeSession) => void;
  #state: RuntimeState = "Started";
  #requestId: string | undefined;
  #event: RuntimeEvent | undefined;
  #invocationEnd = Promise.withResolvers<InvocationEnd>();
  #over = Promise.withResolvers<undefined>();
  #asked: PromiseWithResolvers<undefined> | undefined;
  #end: SessionEnd | undefined;

  /** `requestId`: of the invocation inside whose time this init runs. */
  constructor(onEnd: (session: RuntimeSession) => void, requestId?: string) {
    this.#onEnd = onEnd;
    this.#requestId = requestId;
  }

  get end(): SessionEnd | undefined {
    return this.#end;
  }

  get initEnd(): Promise<InitEnd> {
    return this.#initEnd.promise;
  }

  get ended(): Promise<SessionEnd> {
    return this.#ended.promise;
  }

  /** Settles when the runtime asks for the next event after an answer, or the session ends. */
  get over(): Promise<undefined> {
    return this.#over.promise;
  }

  /** Settles when a live `next` waits for an event, or the session has ended. */
  async whenAsked(): Promise<void> {
    if (this.#polls.size > 0 || this.#end !== undefined) return;
    this.#asked ??= Promise.withResolvers();
    await this.#asked.promise;
  }

  /** Gives the event to the runtime as soon as it asks; it is asked for again until the runtime has answered. */
  handOut(event: RuntimeEvent): Promise<InvocationEnd> {
    if (this.#end !== undefined) return Promise.resolve(this.#end);
    this.#event = event;
    this.#invocationEnd = Promise.withResolvers();
    this.#over = Promise.withResolvers();
    if (this.#polls.size > 0) this.#deliver(event);
    return this.#invocationEnd.promise;
  }

  /** The runtime's `next`: waits for an event; a poll whose client is gone is forgotten. */
  async poll(signal: AbortSignal): Promise<RuntimeEvent | CallRefusal> {
    const before = this.#state;
    const refusal = this.#move("next");
    if (refusal !== undefined) return refusal;
    if (before === "Started") this.#becomeReady();
    if (before === "RuntimeResponseSentState") this.#finishInvocation();
    if (this.#event !== undefined) return this.#deliver(this.#event);
    return await new Promise((resolve) => {
      this.#polls.add(resolve);
      this.#resolveAsked();
      signal.addEventListener("abort", () => this.#polls.delete(resolve), { once: true });
    });
  }

  /** The runtime begins to post its answer. The id is checked before the state, as Lambda does. */
  beginAnswer(move: "response" | "error", requestId: string): CallRefusal | undefined {
    return requestId === this.#requestId ? this.#move(move) : { code: "InvalidRequestID" };
  }

  /** The answer has been read whole, or given up. */
  completeAnswer(answer: RuntimeAnswer): void {
    this.#move("sent");
    this.#settleAnswer(answer);
  }

  /** The invocation fails, but the runtime stays where only its end helps. */
  rejectAnswer(answer: RuntimeAnswer): void {
    this.#settleAnswer(answer);
  }

  beginInitError(): CallRefusal | undefined {
    return this.#move("initError");
  }

  completeInitError(report: InitErrorReport): void {
    this.#initEnd.resolve(report);
  }

  /** Nothing more is expected of the process: the first reason counts. */
  finish(end: SessionEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#initEnd.resolve(end);
    this.#invocationEnd.resolve(end);
    this.#over.resolve(undefined);
    this.#resolveAsked();
    this.#ended.resolve(end);
    this.#onEnd(this);
  }

  #move(move: RuntimeMove): CallRefusal | undefined {
    const moved = moveRuntime(this.#state, move);
    if (!moved.ok) return { code: "InvalidStateTransition", message: moved.message };
    this.#state = moved.state;
    return undefined;
  }

  #becomeReady(): void {
    this.#requestId = undefined;
    this.#initEnd.resolve({ kind: "ready" });
  }

  #finishInvocation(): void {
    this.#requestId = undefined;
    this.#over.resolve(undefined);
  }

  #deliver(event: RuntimeEvent): RuntimeEvent {
    if (this.#state === "Ready") this.#move("invoke");
    this.#requestId = event.requestId;
    for (const resolve of this.#polls) resolve(event);
    this.#polls.clear();
    return event;
  }

  #resolveAsked(): void {
    this.#asked?.resolve(undefined);
    this.#asked = undefined;
  }

  #settleAnswer(answer: RuntimeAnswer): void {
    this.#event = undefined;
    this.#invocationEnd.resolve(answer);
  }
}
