import { randomFillSync } from "node:crypto";
import type { FunctionFacts } from "../domain/function-facts.ts";
import { continueTrace, MOST_RUNS_OF_A_CHAIN, type TraceSampler } from "../domain/trace-header.ts";
import { InvokeError } from "./errors.ts";

export interface TraceParts {
  readonly sampler: TraceSampler;
  readonly nowMs: () => number;
  /** A number in [0, 1). */
  readonly draw: () => number;
}

/** The trace header of a call of this function; throws what the caller of an endless chain is told. */
export type BeginTrace = (facts: FunctionFacts, incoming: string | undefined) => string;

export function createBeginTrace({ sampler, nowMs, draw }: TraceParts): BeginTrace {
  return (facts, incoming) => {
    const random = randomHex();
    const seconds = Math.floor(nowMs() / 1000).toString(16);
    const { header, runsBefore } = continueTrace({
      incoming,
      newRoot: `1-${seconds.padStart(8, "0")}-${random.slice(0, 24)}`,
      newParent: random.slice(24),
      functionUid: facts.uid,
      shallSample: () => facts.isTraced === true && sampler.decide(facts.uid, nowMs(), draw()),
    });
    if (runsBefore >= MOST_RUNS_OF_A_CHAIN && facts.allowsLoops !== true) throw recursive();
    return header;
  };
}

const randomBytesOfCall = 20;
/** Filled for many calls at once: each filling is a system call's worth of work. */
const randomPool = Buffer.alloc(200 * randomBytesOfCall);
let randomUsed = randomPool.length;

function randomHex(): string {
  if (randomUsed === randomPool.length) {
    randomFillSync(randomPool);
    randomUsed = 0;
  }
  randomUsed += randomBytesOfCall;
  return randomPool.toString("hex", randomUsed - randomBytesOfCall, randomUsed);
}

/** Source: Lambda API model, RecursiveInvocationException. */
function recursive(): InvokeError {
  const message =
    "Lambda has detected your function being invoked in a recursive loop with other Amazon Web Services resources and stopped your function's invocation.";
  return new InvokeError("RecursiveInvocationException", message);
}
