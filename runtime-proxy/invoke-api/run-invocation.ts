import type { Logger } from "../../lib/logger.ts";
import { invocationHeaders } from "../../crds/wire/environment.ts";
import { headerLine } from "../../lib/http/header-line.ts";
import type { Clock } from "../../lib/clock.ts";
import type { FunctionDirectory, FunctionFacts } from "../domain/function-facts.ts";
import type { UseEnd } from "../domain/environment.ts";
import type { AgentCall, AgentConnections } from "../environments/agent-connections.ts";
import type { AgentOutcome } from "../environments/answer-collector.ts";
import type { CallTicket, Placement } from "../ownership/placement.ts";
import type { StreamedAnswer } from "../environments/streamed-answer.ts";
import type { MemoryRoom } from "../memory-budget.ts";
import type { RouterMetrics } from "../router-metrics.ts";
import type { CallTimes } from "./call-times.ts";
import { InvokeError, throttled } from "./errors.ts";
import { waitRefusal } from "./function-refusal.ts";

/** One call that its function's state lets through. */
export interface AdmittedInvocation {
  /** At the owner of its account, who admits it. */
  readonly ticket: CallTicket;
  readonly requestId: string;
  readonly times: Pick<CallTimes, "waited" | "answered" | "provisioned">;
  readonly facts: FunctionFacts;
  /** As the caller named the function. */
  readonly invokedArn: string;
  readonly event: Buffer;
  readonly traceId: string;
  readonly wantsLogTail: boolean;
  readonly clientContext: string | undefined;
  readonly tenantId: string | undefined;
  /** Set by the runner: what the answer holds until its client has it. */
  answerRoom?: MemoryRoom | undefined;
}

export interface RunInvocationParts {
  readonly agents: Pick<AgentConnections, "invoke" | "stream">;
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

/** Finds an environment and runs a call in it; each rejects with the InvokeError that the caller is told. */
export interface InvocationRunner {
  /** The whole answer. */
  run(call: AdmittedInvocation): Promise<AgentAnswer>;
  /** The answer as soon as it begins; it is whole where the agent has nothing to stream. */
  stream(call: AdmittedInvocation): Promise<AgentAnswer | StreamedAnswer>;
}

export function createInvocationRunner(parts: RunInvocationParts): InvocationRunner {
  return {
    async run(call) {
      const send: Send<AgentOutcome> = (podUid, address, agentCall) => parts.agents.invoke(podUid, address, agentCall);
      return await tryEnvironments(parts, { call, send });
    },
    async stream(call) {
      const send: Send<AgentOutcome | StreamedAnswer> = (podUid, address, agentCall) =>
        parts.agents.stream(podUid, address, agentCall);
      return await tryEnvironments(parts, { call, send });
    },
  };
}

type Send<Outcome> = (podUid: string, address: string, call: AgentCall) => Promise<Outcome>;

interface Trial<Outcome> {
  readonly call: AdmittedInvocation;
  readonly send: Send<Outcome>;
}

async function tryEnvironments<Outcome extends AgentOutcome | StreamedAnswer>(
  parts: RunInvocationParts,
  { call, send }: Trial<Outcome>,
): Promise<Extract<Outcome, { kind: "answered" | "streaming" }>> {
  const { clock, log, metrics } = parts;
  const { ticket } = call;
  const startedMs = clock.monotonicMs();
  const headerLines = headersOf(call);
  const timeoutMs = longestRunMs(call.facts);
  let lastError: unknown;
  for (let tries = 1; tries <= mostTries; tries += 1) {
    const placing = ticket.place();
    const placement = placing instanceof Promise ? await placing : placing;
    if (placement.kind === "throttled") throw throttled(placement.reason);
    if (placement.kind === "refused") throw refusedWait(parts, call, placement, clock.monotonicMs() - startedMs);
    const { podUid, address, grant } = placement;
    const sentMs = clock.monotonicMs();
    metrics.environmentWaitSeconds.observe((sentMs - startedMs) / 1000);
    const outcome: AgentOutcome | StreamedAnswer = await send(podUid, address, {
      requestId: call.requestId,
      account: call.facts.namespace,
      headerLines,
      grant,
      event: call.event,
      timeoutMs,
    });
    giveBack(ticket, outcome);
    if (outcome.kind === "answered" || outcome.kind === "streaming") {
      if (outcome.kind === "answered") call.answerRoom = outcome.room;
      call.times.provisioned = placement.provisioned;
      call.times.waited(sentMs - startedMs);
      call.times.answered(clock.monotonicMs() - sentMs, outcome.headers, podUid);
      return outcome as never;
    }
    lastError = outcome.kind === "refused" ? new Error(outcome.refusal.message) : outcome.error;
    const context = { requestId: call.requestId, podUid, outcome: outcome.kind };
    log.debug("Environment did not take the call", { ...context, error: lastError });
    metrics.environmentRefusals.inc({ outcome: outcome.kind });
    const error = finalError(outcome, { call, address, metrics });
    if (error !== undefined) throw error;
  }
  throw new InvokeError(
    "ServiceException",
    `RequestId: ${call.requestId} Error: Cannot invoke "${call.facts.arn}": ${mostTries} execution environments in a row refused the call`,
    { cause: lastError },
  );
}

function refusedWait(
  parts: RunInvocationParts,
  { facts, requestId }: AdmittedInvocation,
  { refusal, failure }: Extract<Placement, { kind: "refused" }>,
  elapsedMs: number,
): InvokeError {
  const current = parts.functions.findVersion(facts.uid, facts.version);
  const waitMs = Math.min(parts.waitMs, Math.ceil(elapsedMs / 1000) * 1000);
  return waitRefusal(refusal, { facts, current, failure, waitMs, requestId });
}

/** An environment that streams is in use until its stream has ended. */
function giveBack(ticket: CallTicket, outcome: AgentOutcome | StreamedAnswer): void {
  if (outcome.kind !== "streaming") ticket.giveBack(useEndOf(outcome));
  else void outcome.ended.then(({ kind }) => ticket.giveBack(kind === "ended" ? "answered" : "lost"));
}

function headersOf({ traceId, invokedArn, wantsLogTail, clientContext, tenantId }: AdmittedInvocation): string {
  const { functionArn, logType, clientContext: context, tenantId: tenant } = invocationHeaders;
  let lines = `content-type: application/json\r\n${headerLine("x-amzn-trace-id", traceId)}${headerLine(functionArn, invokedArn)}`;
  if (wantsLogTail) lines += headerLine(logType, "Tail");
  if (clientContext !== undefined) lines += headerLine(context, clientContext);
  if (tenantId !== undefined) lines += headerLine(tenant, tenantId);
  return lines;
}

/** Twice the function's time: an answered runtime may use up the rest of its own before it asks for this event. */
export function longestRunMs({ timeoutSeconds }: FunctionFacts): number {
  return 2 * timeoutSeconds * 1000 + initLimitMs + agentMarginMs;
}

function useEndOf(outcome: AgentOutcome): UseEnd {
  switch (outcome.kind) {
    case "answered":
      return "answered";
    case "dialTimeout":
      return "undialled";
    case "unreachable":
      return "unreached";
    case "cut":
    case "noRoom":
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
        case "Stale":
        case "Unauthorized":
          return "stale";
      }
  }
}

/** What the caller is told when its environment went away in the middle. */
export function lostMessage({ requestId, facts }: Pick<AdmittedInvocation, "requestId" | "facts">): string {
  return `RequestId: ${requestId} Error: Cannot invoke "${facts.arn}": the connection to its execution environment broke during the call`;
}

/** The error that ends the call; undefined when nothing was started, so that it may be tried elsewhere. */
function finalError(
  outcome: AgentOutcome,
  { call, address, metrics }: { call: AdmittedInvocation; address: string; metrics: RouterMetrics },
): InvokeError | undefined {
  const start = `RequestId: ${call.requestId} Error: Cannot invoke "${call.facts.arn}"`;
  switch (outcome.kind) {
    case "cut":
      return new InvokeError("ServiceException", lostMessage(call), { cause: withAddress(outcome.error, address) });
    case "noRoom":
      metrics.answerRefusals.inc();
      return new InvokeError(
        "ServiceException",
        `${start}: it has run, and all of the router's memory for answers is in use, or its account's share (chart value router.answerMemoryBytes)`,
        { cause: outcome.error },
      );
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
