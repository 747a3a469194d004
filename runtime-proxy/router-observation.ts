/** What is written of calls beside metrics: spans and the access log, each off unless the configuration wants it. */
import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import { createAccessLog } from "./access-log.ts";
import type { CallObserver, CallRecord } from "./invoke-api/call-record.ts";
import type { LineWriter } from "../lib/line-writer.ts";
import { addressesIn } from "./packages/address-rules.ts";
import type { RouterConfig } from "./router-config.ts";
import type { RouterMetrics } from "./router-metrics.ts";
import type { SpanWriter } from "./span-writer.ts";

export interface ObservationOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** A number in [0, 1). */
  readonly draw: () => number;
  /** Takes the access log. */
  readonly output: LineWriter;
}

export interface Observation {
  /** Absent: nobody writes of calls. */
  readonly observe: CallObserver | undefined;
  readonly writesSpans: boolean;
  /** What was written is counted there from now on. */
  countInto(metrics: Pick<RouterMetrics, "spans" | "accessLogLines">): void;
  /** Writes what waits, as far as the deadline lets it. */
  close(deadlineMs: number): Promise<void>;
}

export async function openObservation(config: RouterConfig, options: ObservationOptions): Promise<Observation> {
  let metrics: Pick<RouterMetrics, "spans" | "accessLogLines"> | undefined;
  const { clock, draw, output } = options;
  const lines = output.open({ onLine: (result, n) => metrics?.accessLogLines.inc({ result }, n) });
  const spans = await openSpans(config, options, (result, n) => metrics?.spans.inc({ result }, n));
  const accessLog = createAccessLog({
    rule: { mode: config.KUBELAMBDA_ACCESS_LOG, ratio: config.KUBELAMBDA_ACCESS_LOG_RATIO },
    write: (line) => lines.line(line),
    ...{ clock, draw, isTrustedProxy: addressesIn(config.KUBELAMBDA_TRUSTED_PROXIES) },
  });
  return {
    observe: bothOf(spans && ((record) => spans.observe(record)), accessLog && ((record) => accessLog(record))),
    writesSpans: spans !== undefined,
    countInto: (into) => (metrics = into),
    async close(deadlineMs) {
      await Promise.all([output.flush(deadlineMs), spans?.close(deadlineMs)]);
    },
  };
}

function bothOf(one: CallObserver | undefined, other: CallObserver | undefined): CallObserver | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return (record: CallRecord) => {
    one(record);
    other(record);
  };
}

async function openSpans(
  config: RouterConfig,
  { clock, log }: ObservationOptions,
  onSpans: (result: string, count: number) => void,
): Promise<SpanWriter | undefined> {
  const endpoint = config.KUBELAMBDA_OTLP_ENDPOINT;
  if (endpoint === undefined) return undefined;
  const { openSpanWriter } = await import("./span-writer.ts");
  return openSpanWriter({
    ...{ endpoint, clock, log, onSpans },
    headers: config.KUBELAMBDA_OTLP_HEADERS,
    resource: {
      "service.name": "kubelambda-router",
      "service.namespace": config.KUBELAMBDA_NAMESPACE,
      "service.instance.id": config.KUBELAMBDA_POD_UID,
      "cloud.region": config.KUBELAMBDA_REGION,
    },
  });
}
