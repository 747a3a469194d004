import { Counter, Gauge, Histogram, type Registry } from "prom-client";

/** What a controller tells of itself. Labels are bounded: names of controllers, outcomes and error codes. */
export interface ControllerMetrics {
  /** `outcome` is the plan's, or absent, held, failed, error. */
  reconciled(controller: string, outcome: string, seconds: number): void;
  failed(controller: string, code: string): void;
  queued(controller: string, depth: number): void;
}

/** The same as Prometheus metrics. */
export function createControllerMetrics(registry: Registry): ControllerMetrics {
  const registers = [registry];
  const seconds = new Histogram({
    name: "controller_reconcile_duration_seconds",
    help: "From taking a key off the queue to the end of carrying out its plan",
    labelNames: ["controller", "outcome"],
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10],
    registers,
  });
  const failures = new Counter({
    name: "controller_failures_total",
    help: "Reconciliations that ended in an error or could not be carried out, by error code",
    labelNames: ["controller", "code"],
    registers,
  });
  const depth = new Gauge({
    name: "controller_queue_depth",
    help: "Keys that wait for a worker",
    labelNames: ["controller"],
    registers,
  });
  return {
    reconciled: (controller, outcome, took) => seconds.observe({ controller, outcome }, took),
    failed: (controller, code) => failures.inc({ controller, code }),
    queued: (controller, length) => depth.set({ controller }, length),
  };
}
