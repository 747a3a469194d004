import { Counter, Histogram, Registry } from "prom-client";

/** Everything that the package store measures. */
export interface PackagesMetrics {
  readonly registry: Registry;
  readonly resolveSeconds: Histogram<"source" | "result">;
  readonly servedBytes: Counter;
  readonly collected: Counter;
  readonly damaged: Counter;
}

/** Its own registry, so that local mode can hold several processes in one. */
export function createPackagesMetrics(): PackagesMetrics {
  const registry = new Registry();
  const registers = [registry];
  return {
    registry,
    resolveSeconds: new Histogram({
      name: "kubelambda_packages_resolve_seconds",
      help: "Time to turn a source into a digest, by source and by result (ok or the error's code)",
      labelNames: ["source", "result"],
      buckets: [0.005, 0.02, 0.1, 0.5, 2, 10, 60, 300],
      registers,
    }),
    servedBytes: new Counter({
      name: "kubelambda_packages_served_bytes_total",
      help: "Bytes of packages that were asked for",
      registers,
    }),
    collected: new Counter({
      name: "kubelambda_packages_collected_total",
      help: "Unused packages that were removed",
      registers,
    }),
    damaged: new Counter({
      name: "kubelambda_packages_damaged_total",
      help: "Packages whose content no longer had its digest and was moved aside",
      registers,
    }),
  };
}
