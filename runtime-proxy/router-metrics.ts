import { Counter, Gauge, Histogram, Registry } from "prom-client";

/** Everything that the router measures; no label names a function: thousands of functions would make a scrape megabytes. */
export interface RouterMetrics {
  readonly registry: Registry;
  readonly invocations: Counter<"result">;
  readonly invocationSeconds: Histogram;
  readonly environmentWaitSeconds: Histogram;
  readonly environmentRefusals: Counter<"outcome">;
  readonly announcements: Counter<"result">;
  readonly loadReports: Counter<"result">;
}

/** What the gauges read when they are scraped. */
export interface RouterReadings {
  readonly running: () => number;
  readonly bodyBytes: () => number;
  readonly waitingBodies: () => number;
}

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
  return {
    registry,
    invocations: new Counter({
      name: "kubelambda_router_invocations_total",
      help: "Invoke requests by result: ok, function_error, dry_run, client_gone or the error's code",
      labelNames: ["result"],
      registers,
    }),
    invocationSeconds: new Histogram({
      name: "kubelambda_router_invocation_seconds",
      help: "Time from a request's headers to its answer, a streamed one's end",
      buckets: secondsBuckets,
      registers,
    }),
    environmentWaitSeconds: new Histogram({
      name: "kubelambda_router_environment_wait_seconds",
      help: "Time from admission until an execution environment was handed out",
      buckets: secondsBuckets,
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
    loadReports: new Counter({
      name: "kubelambda_router_load_reports_total",
      help: "Load reports to the operator, by result: ok or failed",
      labelNames: ["result"],
      registers,
    }),
  };
}
