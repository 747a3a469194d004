import { accountIdOf } from "../crds/names.ts";
import type { Clock } from "../lib/clock.ts";
import { clientAddress } from "./client-address.ts";
import { accessLine, hasLine, type AccessLine, type AccessLogRule } from "./domain/access-line.ts";
import type { CallObserver, CallRecord } from "./invoke-api/call-record.ts";

export interface AccessLogParts {
  readonly rule: AccessLogRule;
  /** Takes one line with its line break; never waits. */
  readonly write: (line: string) => void;
  readonly clock: Clock;
  readonly draw: () => number;
  readonly isTrustedProxy: (address: string) => boolean;
}

/** A JSON line for each call; undefined: the log is off. */
export function createAccessLog(parts: AccessLogParts): CallObserver | undefined {
  const { rule, write, clock, draw, isTrustedProxy } = parts;
  if (rule.mode === "none") return undefined;
  return (record) => {
    if (!hasLine(rule, record.result, draw)) return;
    write(accessLine(toLine(record, clock, clientAddress(record.request, isTrustedProxy))));
  };
}

function toLine(record: CallRecord, clock: Clock, remoteAddress: string): AccessLine {
  const { figures, found, trace } = record;
  const { startedMs, endedMs, bodyMs, waitMs, told, environment } = figures;
  return {
    ...record,
    function: found && describe(found),
    ...{ environment, remoteAddress },
    timeMs: clock.nowMs() - (clock.monotonicMs() - startedMs),
    userAgent: record.request.headers["user-agent"],
    traceId: trace?.traceId,
    times: {
      durationMs: endedMs - startedMs,
      bodyMs,
      waitMs,
      functionMs: told.durationMs,
      startMs: told.startMs,
      fetchMs: told.fetchMs,
      initMs: told.initMs,
    },
  };
}

function describe({ facts, invokedArn }: NonNullable<CallRecord["found"]>): AccessLine["function"] {
  const { namespace, name, version: executedVersion, arn } = facts;
  const qualifier = invokedArn.slice(arn.length + 1);
  return {
    ...{ accountId: accountIdOf(namespace), namespace, name, executedVersion },
    ...(qualifier !== "" && { qualifier }),
  };
}
