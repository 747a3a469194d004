import type { AgentRefusal } from "../../crds/wire/environment.ts";
import type { Payload } from "../runtime-api/exchange.ts";

/** One call as the router hands it over. */
export interface Invocation {
  readonly requestId: string;
  readonly functionArn: string;
  /** Base64 of JSON, as the caller sent it. */
  readonly clientContext?: string;
  readonly traceId?: string;
  readonly contentType: string;
  readonly wantsLogTail: boolean;
  readonly payload: Payload;
}

/** What the caller gets; a function error is an answer too. */
export interface InvocationAnswer {
  readonly payload: Payload;
  readonly contentType: string;
  readonly isFunctionError: boolean;
  /** Base64 of the last 4,096 bytes of the invocation's log, when it was asked for. */
  readonly logResult?: string;
}

export type InvocationOutcome =
  | { readonly ok: true; readonly answer: InvocationAnswer }
  /** Nothing was started. */
  | { readonly ok: false; readonly refusal: AgentRefusal };
