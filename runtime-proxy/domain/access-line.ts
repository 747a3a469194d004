/** One line of the access log: what is known of a call at its end, and never its payload, headers or signature. Pure. */

export interface AccessLine {
  /** Of the call's beginning, ms since 1970. */
  readonly timeMs: number;
  readonly requestId: string;
  readonly operation: string;
  /** Absent: it was refused before its function was known. */
  readonly function?:
    | {
        readonly accountId: string;
        readonly namespace: string;
        readonly name: string;
        /** As the caller said it. */
        readonly qualifier?: string | undefined;
        readonly executedVersion: string;
      }
    | undefined;
  /** uid of the pod that ran it. */
  readonly environment?: string | undefined;
  readonly status: number;
  /** `ok`, `function_error`, `dry_run`, `client_gone` or an error's code. */
  readonly result: string;
  readonly caller: string;
  readonly remoteAddress: string;
  readonly userAgent?: string | undefined;
  readonly traceId?: string | undefined;
  readonly eventBytes: number;
  readonly answerBytes: number;
  /** ms; those that are not known are left out. */
  readonly times: Readonly<Record<string, number | undefined>>;
}

const longestUserAgent = 256;
const longestText = 300;

/** JSON and a line break; at most LONGEST_LINE_BYTES. */
export function accessLine(line: AccessLine): string {
  const { timeMs, function: called, times, userAgent, traceId, ...rest } = line;
  const text = JSON.stringify({
    log: "access",
    timestamp: new Date(timeMs).toISOString(),
    requestId: rest.requestId,
    operation: rest.operation,
    ...(called !== undefined && {
      accountId: called.accountId,
      namespace: called.namespace,
      function: called.name,
      qualifier: called.qualifier,
      executedVersion: called.executedVersion,
    }),
    environment: rest.environment,
    status: rest.status,
    result: rest.result,
    ...Object.fromEntries(Object.entries(times).map(([name, ms]) => [name, ms && Math.round(ms * 1000) / 1000])),
    eventBytes: rest.eventBytes,
    answerBytes: rest.answerBytes,
    caller: rest.caller,
    remoteAddress: bounded(rest.remoteAddress, longestText),
    userAgent: userAgent === undefined ? undefined : bounded(userAgent, longestUserAgent),
    traceId: traceId === undefined ? undefined : bounded(traceId, longestText),
  });
  return `${text}\n`;
}

/** What a client writes goes into terminals and other programs: visible ASCII alone, the rest as question marks. */
function bounded(text: string, longest: number): string {
  return text.slice(0, longest).replace(/[^\x20-\x7e]/g, "?");
}

/** Which calls have a line. */
export interface AccessLogRule {
  readonly mode: "none" | "all" | "sampled";
  /** Share of the calls that went well, of a sampled log, 0 to 1; all others have a line. */
  readonly ratio: number;
}

/** `draw`: in [0, 1). */
export function hasLine({ mode, ratio }: AccessLogRule, result: string, draw: () => number): boolean {
  if (mode !== "sampled") return mode === "all";
  return (result !== "ok" && result !== "dry_run") || draw() < ratio;
}
