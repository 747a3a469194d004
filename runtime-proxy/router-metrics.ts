import { Counter, Gauge, Registry } from "prom-client";
import { QuickHistogram } from "../lib/quick-histogram.ts";

/** What the router measures over all functions; what it counts for each is in function-metrics.ts. */
export interface RouterMetrics {
  readonly registry: Registry;
  readonly invocations: Counter<"result">;
  readonly invocationSeconds: QuickHistogram;
  readonly environmentWaitSeconds: QuickHistogram;
  readonly functionSeconds: QuickHistogram;
  readonly agentOverheadSeconds: QuickHistogram;
  readonly routerOverheadSeconds: QuickHistogram;
  readonly initSeconds: QuickHistogram;
  readonly startSeconds: QuickHistogram;
  readonly fetchSeconds: QuickHistogram;
  readonly environmentRefusals: Counter<"outcome">;
  readonly bodyRefusals: Counter;
  readonly answerRefusals: Counter;
  readonly droppedConnections: Counter;
  readonly announcements: Counter<"result">;
  readonly loadReports: Counter<"result">;
  readonly spans: Counter<"result">;
  readonly accessLogLines: Counter<"result">;
}

/** What the gauges read when they are scraped. */
export interface RouterReadings {
  readonly running: () => number;
  readonly bodyBytes: () => number;
  readonly waitingBodies: () => number;
  readonly answerBytes: () => number;
  readonly waitingAnswers: () => number;
}

/** Our own shares of a call are milliseconds. */
const overheadBuckets = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 1];
const secondsBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900];

/** Its own registry, so that local mode can hold several processes in one. */
export function createRouterMetrics(readings: RouterReadings): RouterMetrics {
  const registry = new Registry();
  const registers = [registry];
  const gauge = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  };
  gauge("kubelambda_router_running_invocations", "Calls that hold a concurrency slot", readings.running);
  gauge("kubelambda_router_body_memory_bytes", "Bytes of request bodies held in memory", readings.bodyBytes);
  gauge("kubelambda_router_waiting_bodies", "Requests that wait for room for their body", readings.waitingBodies);
  gauge("kubelambda_router_answer_memory_bytes", "Bytes of answers held in memory", readings.answerBytes);
  gauge("kubelambda_router_waiting_answers", "Answers that wait for room to be read", readings.waitingAnswers);
  return {
    registry,
    invocations: new Counter({
      name: "kubelambda_router_invocations_total",
      help: "Invoke requests by result: ok, function_error, dry_run, client_gone or the error's code",
      labelNames: ["result"],
      registers,
    }),
    invocationSeconds: new QuickHistogram({
      name: "kubelambda_router_invocation_seconds",
      help: "Time from a request's headers to its answer, a streamed one's end",
      buckets: secondsBuckets,
      registers,
    }),
    environmentWaitSeconds: new QuickHistogram({
      name: "kubelambda_router_environment_wait_seconds",
      help: "Time from admission until an execution environment was handed out",
      buckets: secondsBuckets,
      registers,
    }),
    functionSeconds: new QuickHistogram({
      name: "kubelambda_router_function_seconds",
      help: "Time that functions took: from an event's hand-over to the runtime until its whole answer",
      buckets: secondsBuckets,
      registers,
    }),
    agentOverheadSeconds: new QuickHistogram({
      name: "kubelambda_router_agent_overhead_seconds",
      help: "Time from sending a call to an agent until its answer, less what the function took",
      buckets: overheadBuckets,
      registers,
    }),
    routerOverheadSeconds: new QuickHistogram({
      name: "kubelambda_router_overhead_seconds",
      help: "Time of a call that neither its body's arrival nor the wait for an environment nor the agent took",
      buckets: overheadBuckets,
      registers,
    }),
    initSeconds: new QuickHistogram({
      name: "kubelambda_router_init_seconds",
      help: "Init phases of execution environments that have had their first call",
      buckets: secondsBuckets,
      registers,
    }),
    startSeconds: new QuickHistogram({
      name: "kubelambda_router_start_seconds",
      help: "Time from the making of execution environments to the beginning of their init, less fetching, told by their first calls",
      buckets: secondsBuckets,
      registers,
    }),
    fetchSeconds: new QuickHistogram({
      name: "kubelambda_router_fetch_seconds",
      help: "Time until code and layers were in their places in execution environments, told by their first calls",
      buckets: secondsBuckets,
      registers,
    }),
    bodyRefusals: new Counter({
      name: "kubelambda_router_body_refusals_total",
      help: "Requests refused because there was no room for their body",
      registers,
    }),
    answerRefusals: new Counter({
      name: "kubelambda_router_answer_refusals_total",
      help: "Calls that have run and failed because there was no room for their answer",
      registers,
    }),
    droppedConnections: new Counter({
      name: "kubelambda_router_dropped_connections_total",
      help: "Connections closed as they came because as many were open as may be",
      registers,
    }),
    environmentRefusals: new Counter({
      name: "kubelambda_router_environment_refusals_total",
      help: "Calls that an execution environment did not answer, by how",
      labelNames: ["outcome"],
      registers,
    }),
    announcements: new Counter({
      name: "kubelambda_router_announcements_total",
      help: "Announcements of execution environments, by result",
      labelNames: ["result"],
      registers,
    }),
    spans: new Counter({
      name: "kubelambda_router_spans_total",
      help: "Spans of traced calls by what became of them: exported, failed (the collector did not take them) or dropped (too many waited)",
      labelNames: ["result"],
      registers,
    }),
    accessLogLines: new Counter({
      name: "kubelambda_router_access_log_lines_total",
      help: "Lines of the access log by what became of them: written or dropped (too much waited to be written)",
      labelNames: ["result"],
      registers,
    }),
    loadReports: new Counter({
      name: "kubelambda_router_load_reports_total",
      help: "Load reports to the operator, by result: ok or failed",
      labelNames: ["result"],
      registers,
    }),
  };
}
