import type { AgentRefusal } from "../../crds/wire/environment.ts";
import type { Payload, StreamedBody } from "../runtime-api/exchange.ts";

/** One call as the router hands it over. */
export interface Invocation {
  readonly requestId: string;
  readonly functionArn: string;
  /** Base64 of JSON, as the caller sent it. */
  readonly clientContext?: string;
  readonly traceId?: string;
  readonly tenantId?: string;
  readonly contentType: string;
  readonly wantsLogTail: boolean;
  /** The caller takes the payload as it comes. */
  readonly isStreamed: boolean;
  readonly payload: Payload;
}

/** What the agent has measured, ms; each as in `invocationAnswerHeaders`. */
export interface AnswerTimes {
  /** From the event's hand-over to the runtime until its answer; absent on streams, whose end it does not know. */
  readonly durationMs?: number;
  readonly initMs?: number;
  readonly startMs?: number;
  readonly fetchMs?: number;
  readonly readyMs?: number;
  readonly extensionsMs?: number;
}

/** What the caller gets; a function error is an answer too. */
export interface InvocationAnswer {
  /** A stream's end says whether it failed. */
  readonly payload: Payload | StreamedBody;
  readonly contentType: string;
  readonly isFunctionError: boolean;
  readonly times: AnswerTimes;
  /** Base64 of the last 4,096 bytes of the invocation's log, when it was asked for. */
  readonly logResult?: string;
}

export type InvocationOutcome =
  | { readonly ok: true; readonly answer: InvocationAnswer }
  /** Nothing was started. */
  | { readonly ok: false; readonly refusal: AgentRefusal };
