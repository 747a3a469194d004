import { Counter, Gauge, Registry } from "prom-client";

/** Everything that a node's cache measures. */
export interface CacheMetrics {
  readonly registry: Registry;
  readonly servedBytes: Counter;
  readonly fetchedBytes: Counter;
  readonly evicted: Counter;
  readonly damaged: Counter;
}

export function createCacheMetrics(keptBytes: () => number): CacheMetrics {
  const registry = new Registry();
  const registers = [registry];
  new Gauge({
    name: "kubelambda_cache_kept_bytes",
    help: "Bytes of packages on this node's disk",
    registers,
    collect() {
      this.set(keptBytes());
    },
  });
  return {
    registry,
    servedBytes: new Counter({
      name: "kubelambda_cache_served_bytes_total",
      help: "Bytes of packages that were asked for",
      registers,
    }),
    fetchedBytes: new Counter({
      name: "kubelambda_cache_fetched_bytes_total",
      help: "Bytes of packages that were asked of the package store",
      registers,
    }),
    evicted: new Counter({
      name: "kubelambda_cache_evicted_total",
      help: "Packages that went because others needed their place",
      registers,
    }),
    damaged: new Counter({
      name: "kubelambda_cache_damaged_total",
      help: "Packages that came with another digest than they were asked for by",
      registers,
    }),
  };
}
