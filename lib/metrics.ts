import { collectDefaultMetrics, Registry } from "prom-client";
import type { HttpHandler } from "./http/handler.ts";

/** A registry with the process's own figures (CPU, memory, event loop); `process` labels every series. */
export function createMetricsRegistry(process: string): Registry {
  const registry = new Registry();
  registry.setDefaultLabels({ process });
  collectDefaultMetrics({ register: registry });
  return registry;
}

/** Answers GET with all metrics as text, whatever the path. */
export function metricsHandler(registry: Registry): HttpHandler {
  return async ({ method }) => {
    if (method !== "GET" && method !== "HEAD") return { status: 405, headers: { allow: "GET, HEAD" } };
    return { status: 200, headers: { "content-type": registry.contentType }, body: await registry.metrics() };
  };
}
