import { randomFillSync } from "node:crypto";
import type { HttpRequest } from "../../lib/http/handler.ts";
import type { FunctionFacts } from "../domain/function-facts.ts";
import { continueTrace, MOST_RUNS_OF_A_CHAIN, type TraceContext, type TraceSampler } from "../domain/trace-header.ts";
import { InvokeError } from "./errors.ts";

export interface TraceParts {
  readonly sampler: TraceSampler;
  readonly nowMs: () => number;
  /** A number in [0, 1). */
  readonly draw: () => number;
  /** Spans are written of sampled calls. */
  readonly writesSpans: boolean;
  /** Share of the calls without a decision that are sampled, whatever their function says; 0 to 1. */
  readonly samplingRatio: number;
}

/** The trace that a call is part of. */
export interface BegunTrace {
  /** X-Ray's header, for the function and for the caller. */
  readonly header: string;
  /** Absent: no spans are written of it. */
  readonly context?: TraceContext;
}

/** The trace of a call of this function; throws what the caller of an endless chain is told. */
export type BeginTrace = (facts: FunctionFacts, headers: HttpRequest["headers"]) => BegunTrace;

export function createBeginTrace({ sampler, nowMs, draw, writesSpans, samplingRatio }: TraceParts): BeginTrace {
  const shallSample = ({ uid, isTraced }: FunctionFacts): boolean => {
    const drawn = isTraced === true || samplingRatio > 0 ? draw() : 1;
    return drawn < samplingRatio || (isTraced === true && sampler.decide(uid, nowMs(), drawn));
  };
  return (facts, headers) => {
    const random = randomHex(20);
    const seconds = Math.floor(nowMs() / 1000).toString(16);
    const { runsBefore, ...trace } = continueTrace({
      incoming: headers["x-amzn-trace-id"],
      traceparent: headers["traceparent"],
      newRoot: `1-${seconds.padStart(8, "0")}-${random.slice(0, 24)}`,
      newParent: random.slice(24),
      functionUid: facts.uid,
      shallSample: () => shallSample(facts),
      newSpans: writesSpans ? () => ({ spanId: newSpanId(), functionSpanId: newSpanId() }) : undefined,
    });
    if (runsBefore >= MOST_RUNS_OF_A_CHAIN && facts.allowsLoops !== true) throw recursive();
    return trace;
  };
}

/** 16 hex, not all of them 0. */
export function newSpanId(): string {
  const id = randomHex(8);
  return id.startsWith("00") ? `01${id.slice(2)}` : id;
}

/** Filled for many calls at once: each filling is a system call's worth of work. */
const randomPool = Buffer.alloc(4096);
let randomUsed = randomPool.length;

function randomHex(bytes: number): string {
  if (randomUsed + bytes > randomPool.length) {
    randomFillSync(randomPool);
    randomUsed = 0;
  }
  randomUsed += bytes;
  return randomPool.toString("hex", randomUsed - bytes, randomUsed);
}

/** Source: Lambda API model, RecursiveInvocationException. */
function recursive(): InvokeError {
  const message =
    "Lambda has detected your function being invoked in a recursive loop with other Amazon Web Services resources and stopped your function's invocation.";
  return new InvokeError("RecursiveInvocationException", message);
}
