import type { Logger } from "../../lib/logger.ts";
import { invocationHeaders } from "../../crds/wire/environment.ts";
import type { Clock } from "../../lib/clock.ts";
import type { FunctionDirectory, FunctionFacts } from "../domain/function-facts.ts";
import type { UseEnd } from "../domain/environment.ts";
import type { AgentConnections } from "../environments/agent-connections.ts";
import type { AgentOutcome } from "../environments/answer-collector.ts";
import type { EnvironmentPool } from "../environments/environment-pool.ts";
import type { RouterMetrics } from "../router-metrics.ts";
import { InvokeError } from "./errors.ts";
import { waitRefusal } from "./function-refusal.ts";

/** One admitted call. */
export interface AdmittedInvocation {
  readonly requestId: string;
  readonly facts: FunctionFacts;
  /** As the caller named the function. */
  readonly invokedArn: string;
  readonly event: Buffer;
  readonly traceId: string;
  readonly wantsLogTail: boolean;
  readonly clientContext?: string;
}

export interface RunInvocationParts {
  readonly pool: EnvironmentPool;
  readonly agents: Pick<AgentConnections, "invoke">;
  readonly functions: FunctionDirectory;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: RouterMetrics;
  /** Longest wait for an environment, all tries together. */
  readonly waitMs: number;
}

export type AgentAnswer = Extract<AgentOutcome, { kind: "answered" }>;

/** A call is sent again only while nothing was started; so many refusals in a row mean that something else is wrong. */
const mostTries = 50;
/** Limit of an init, which a call may have to repeat; and what agents need to reset and to answer. Source: Lambda developer guide, lambda-runtime-environment. */
const initLimitMs = 10_000;
const agentMarginMs = 10_000;

/** Finds an environment and runs the call in it; returns its answer or throws the InvokeError that the caller is told. */
export function createRunInvocation(parts: RunInvocationParts): (call: AdmittedInvocation) => Promise<AgentAnswer> {
  const { pool, agents, clock, log, metrics } = parts;
  let arrivals = 0;

  return async (call) => {
    const startedMs = clock.monotonicMs();
    const request = {
      functionUid: call.facts.uid,
      arrival: (arrivals += 1),
      deadlineMs: startedMs + parts.waitMs,
    };
    const agentCall = toAgentCall(call);
    let lastError: unknown;
    for (let tries = 1; tries <= mostTries; tries += 1) {
      const acquiring = pool.acquire(request);
      const acquired = acquiring instanceof Promise ? await acquiring : acquiring;
      if (!acquired.ok) {
        const current = parts.functions.findByUid(call.facts.uid);
        const failure = current === undefined ? undefined : pool.failure(current);
        const { facts, requestId } = call;
        throw waitRefusal(acquired.refusal, { facts, current, failure, waitMs: parts.waitMs, requestId });
      }
      const { pod, address } = acquired.environment;
      metrics.environmentWaitSeconds.observe((clock.monotonicMs() - startedMs) / 1000);
      const outcome = await agents.invoke(pod.podUid, address, agentCall);
      pool.free(pod.podUid, useEndOf(outcome));
      if (outcome.kind === "answered") return outcome;
      lastError = outcome.kind === "refused" ? new Error(outcome.refusal.message) : outcome.error;
      const context = { requestId: call.requestId, podUid: pod.podUid, outcome: outcome.kind };
      log.debug("Environment did not take the call", { ...context, error: lastError });
      metrics.environmentRefusals.inc({ outcome: outcome.kind });
      const error = finalError(outcome, call, address);
      if (error !== undefined) throw error;
    }
    throw new InvokeError(
      "ServiceException",
      `RequestId: ${call.requestId} Error: Cannot invoke "${call.facts.arn}": ${mostTries} execution environments in a row refused the call`,
      { cause: lastError },
    );
  };
}

function toAgentCall(call: AdmittedInvocation): Parameters<AgentConnections["invoke"]>[2] {
  return {
    requestId: call.requestId,
    headers: {
      "content-type": "application/json",
      "x-amzn-trace-id": call.traceId,
      [invocationHeaders.functionArn]: call.invokedArn,
      ...(call.wantsLogTail && { [invocationHeaders.logType]: "Tail" }),
      ...(call.clientContext !== undefined && { [invocationHeaders.clientContext]: call.clientContext }),
    },
    event: call.event,
    // Twice the function's time: an answered runtime may use up the rest of its own before it asks for this event.
    timeoutMs: 2 * call.facts.timeoutSeconds * 1000 + initLimitMs + agentMarginMs,
  };
}

function useEndOf(outcome: AgentOutcome): UseEnd {
  switch (outcome.kind) {
    case "answered":
      return "answered";
    case "dialTimeout":
      return "busy";
    case "unreachable":
    case "cut":
    case "overdue":
      return "lost";
    case "refused":
      switch (outcome.refusal.code) {
        case "Busy":
          return "busy";
        case "Draining":
          return "draining";
        case "BadRequest":
          return "answered";
        case "Unauthorized":
          return "lost";
      }
  }
}

/** The error that ends the call; undefined when nothing was started, so that it may be tried elsewhere. */
function finalError(outcome: AgentOutcome, call: AdmittedInvocation, address: string): InvokeError | undefined {
  const start = `RequestId: ${call.requestId} Error: Cannot invoke "${call.facts.arn}"`;
  switch (outcome.kind) {
    case "cut": {
      const message = `${start}: the connection to its execution environment broke during the call`;
      return new InvokeError("ServiceException", message, { cause: withAddress(outcome.error, address) });
    }
    case "overdue": {
      const message = `${start}: its execution environment did not answer in time`;
      return new InvokeError("ServiceException", message, { cause: withAddress(outcome.error, address) });
    }
    case "refused":
      if (outcome.refusal.code !== "BadRequest") return undefined;
      return new InvokeError("ServiceException", `${start}: its execution environment did not understand the call`, {
        cause: withAddress(new Error(outcome.refusal.message), address),
      });
    case "answered":
    case "unreachable":
    case "dialTimeout":
      return undefined;
  }
}

function withAddress(cause: Error, address: string): Error {
  return new Error(`Cannot call the agent at ${address}: ${cause.message}`, { cause });
}
