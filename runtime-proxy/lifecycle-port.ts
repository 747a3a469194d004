/** What the APIs of the environment see of its lifecycle. */
import type { LifecycleInput } from "./domain/lifecycle/input.ts";
import type { LifecycleRefusal, Verdict } from "./domain/lifecycle/verdict.ts";
import type { Payload } from "./domain/payload.ts";

/** What `next` hands out. Header values are ready to be sent. */
export interface HandedEvent {
  readonly headers: Readonly<Record<string, string>>;
  readonly payload: Payload;
}

export type Polled =
  { readonly ok: true; readonly event: HandedEvent } | { readonly ok: false; readonly refusal: LifecycleRefusal };

/** Calls when the client has gone, at once when it has gone already. */
export type WhenGone = (call: () => void) => void;

export interface RegisteredExtension {
  readonly name: string;
  readonly id: string;
}

export interface LifecyclePort {
  /** Of the processes that run now: what a call began in one start is not heard in another. */
  readonly start: number;
  /** The caller of the running invocation takes the payload as it comes. */
  readonly isStreamed: boolean;
  /** Nothing is launched, and there is no Extensions, Logs or Telemetry API. */
  readonly areExtensionsDisabled: boolean;
  /** Refused or accepted at once. */
  tell(input: LifecycleInput): Verdict;
  /** Blocks, for hours if need be; a poll whose client is gone is forgotten. */
  pollRuntime(whenGone: WhenGone): Promise<Polled>;
  pollExtension(id: string, whenGone: WhenGone): Promise<Polled>;
  findExtension(id: string): RegisteredExtension | undefined;
  /** Forwards a chunk of the streamed answer; settles when more is wanted, or nobody takes it any more. */
  writeStream(chunk: Uint8Array): Promise<void>;
}
