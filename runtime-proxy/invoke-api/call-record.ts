import type { HttpRequest, HttpResponse } from "../../lib/http/handler.ts";
import type { Caller } from "../access/caller.ts";
import type { TraceContext } from "../domain/trace-header.ts";
import { ClientStream } from "./client-stream.ts";
import type { CallFigures } from "./call-times.ts";
import type { FoundFunction } from "./find-function.ts";

/** By which entry a call came. */
export type CallOperation = "Invoke" | "InvokeWithResponseStream" | "FunctionUrl";

/** One call that has come to its end, for those who write of calls; it has neither payload nor credentials but in `request`. */
export interface CallRecord {
  readonly requestId: string;
  readonly operation: CallOperation;
  readonly request: HttpRequest;
  /** Absent: it was refused before. */
  readonly found?: FoundFunction | undefined;
  /** Absent: it is not traced. */
  readonly trace?: TraceContext | undefined;
  readonly caller: Caller["how"];
  readonly figures: CallFigures;
  /** `ok`, `function_error`, `dry_run`, `client_gone` or an error's code. */
  readonly result: string;
  /** Of the answer; 499 where the client went before. Source of that number: nginx. */
  readonly status: number;
  readonly eventBytes: number;
  readonly answerBytes: number;
}

/** Is told of every call at its end. It must be quick and never throw: the caller waits for its answer meanwhile. */
export type CallObserver = (record: CallRecord) => void;

/** Of a stream those of its payload, as far as it has come. */
export function answerBytes({ body }: Pick<HttpResponse, "body">): number {
  if (body instanceof ClientStream) return body.payloadBytes;
  return body === undefined || (typeof body === "object" && "readable" in body) ? 0 : Buffer.byteLength(body);
}
