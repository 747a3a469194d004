/** The platform's own lines in an invocation's log, and its last 4,096 bytes. Source: Lambda recordings, telemetry-schema-reference. */

export type InvocationStatus =
  | { readonly status: "success" }
  | { readonly status: "timeout" }
  | { readonly status: "error" | "failure"; readonly errorType: string };

export interface InvocationReport {
  readonly requestId: string;
  /** From hand-out (or from the start of an init inside the invocation) to the answer, ms. */
  readonly durationMs: number;
  readonly memorySizeMB: number;
  readonly maxMemoryUsedBytes: number;
  /** Set on a cold start only. */
  readonly initDurationMs?: number;
  readonly outcome: InvocationStatus;
}

export interface InitReport {
  readonly durationMs: number;
  readonly phase: "init" | "invoke";
  readonly initializationType: string;
  readonly outcome: Exclude<InvocationStatus, { readonly status: "success" }>;
}

/** How the lines of one environment look: what the function's logging configuration says. */
export interface LogLines {
  start(requestId: string, version: string, nowMs: number): string;
  end(report: InvocationReport, nowMs: number): string;
  initReport(report: InitReport, nowMs: number): string;
}

/** START, END and REPORT with real tabs, the last field of a success followed by one. */
export const textLogLines: LogLines = {
  start: (requestId, version) => `START RequestId: ${requestId} Version: ${version}\n`,
  end: (report) => `END RequestId: ${report.requestId}\n${reportLine(report)}\n`,
  initReport: ({ durationMs, phase, outcome }) =>
    `INIT_REPORT Init Duration: ${durationMs.toFixed(2)} ms\tPhase: ${phase}\t${statusFields(outcome)}\n`,
};

/** The same as telemetry events, one JSON object a line. */
export const jsonLogLines: LogLines = {
  start: (requestId, version, nowMs) => eventLine(nowMs, "platform.start", { requestId, version }),
  end: (report, nowMs) => {
    const { requestId, outcome } = report;
    const durationMs = roundMs(report.durationMs);
    return (
      eventLine(nowMs, "platform.runtimeDone", { requestId, ...outcome, metrics: { durationMs } }) +
      eventLine(nowMs, "platform.report", { requestId, ...outcome, metrics: reportMetrics(report) })
    );
  },
  initReport: ({ durationMs, phase, initializationType, outcome }, nowMs) =>
    eventLine(nowMs, "platform.initReport", {
      initializationType,
      phase,
      ...outcome,
      metrics: { durationMs: roundMs(durationMs) },
    }),
};

function reportLine(report: InvocationReport): string {
  const { billedDurationMs, memorySizeMB, maxMemoryUsedMB } = reportMetrics(report);
  const fields = [
    `REPORT RequestId: ${report.requestId}`,
    `Duration: ${report.durationMs.toFixed(2)} ms`,
    `Billed Duration: ${billedDurationMs} ms`,
    `Memory Size: ${memorySizeMB} MB`,
    `Max Memory Used: ${maxMemoryUsedMB} MB`,
    ...(report.initDurationMs === undefined ? [] : [`Init Duration: ${report.initDurationMs.toFixed(2)} ms`]),
  ];
  const status = report.outcome.status === "success" ? "" : statusFields(report.outcome);
  return `${fields.join("\t")}\t${status}`;
}

function statusFields(outcome: Exclude<InvocationStatus, { readonly status: "success" }>): string {
  return outcome.status === "timeout"
    ? "Status: timeout"
    : `Status: ${outcome.status}\tError Type: ${outcome.errorType}`;
}

function reportMetrics(report: InvocationReport): {
  readonly durationMs: number;
  readonly billedDurationMs: number;
  readonly memorySizeMB: number;
  readonly maxMemoryUsedMB: number;
  readonly initDurationMs?: number;
} {
  // Billed is rounded up from the figures as printed, so that a reader can check the sum.
  const hundredths = Math.round(report.durationMs * 100) + Math.round((report.initDurationMs ?? 0) * 100);
  return {
    durationMs: roundMs(report.durationMs),
    billedDurationMs: Math.ceil(hundredths / 100),
    memorySizeMB: report.memorySizeMB,
    maxMemoryUsedMB: Math.ceil(report.maxMemoryUsedBytes / (1024 * 1024)),
    ...(report.initDurationMs !== undefined && { initDurationMs: roundMs(report.initDurationMs) }),
  };
}

function roundMs(durationMs: number): number {
  return Math.round(durationMs * 1000) / 1000;
}

function eventLine(nowMs: number, type: string, record: object): string {
  return `${JSON.stringify({ time: new Date(nowMs).toISOString(), type, record })}\n`;
}
