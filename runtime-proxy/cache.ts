/** Process `cache`: a node's copies of packages, before the package store. Has no credentials, and asks the API server nothing. */
import { z } from "zod";
import { ports } from "../crds/wire/routes.ts";
import { startServer } from "../lib/http/express.ts";
import { giveMemoryBack } from "../lib/idle-memory.ts";
import { systemClock } from "../lib/clock.ts";
import { openOutput, openProcessLog } from "../lib/process-log.ts";
import { createCacheMetrics } from "./packages/cache-metrics.ts";
import { createCacheHandler } from "./packages/cache-server.ts";
import { ContentCache } from "./packages/content-cache.ts";
import { createHealthHandler } from "./packages/health.ts";
import { NodeCache } from "./packages/node-cache.ts";
import { HttpObjectSource } from "./packages/object-source.ts";
import { answerUnexpected } from "./packages/server.ts";
import type { PackagesLog } from "./packages/server-log.ts";

const port = (preset: number) => z.coerce.number().int().min(0).max(65_535).default(preset);

/** The process's environment variables; unknown ones are ignored. */
export const cacheConfigSchema = z.object({
  KUBELAMBDA_CACHE_DIRECTORY: z.string().min(1),
  /** Of packages on disk, those on their way included. */
  KUBELAMBDA_CACHE_BYTES: z.coerce.number().int().min(0).default(2_147_483_648),
  KUBELAMBDA_PACKAGES_URL: z.url(),
  /** 0 chooses a free one, here and below. */
  KUBELAMBDA_CACHE_PORT: port(ports.packages),
  KUBELAMBDA_HEALTH_PORT: port(ports.health),
  KUBELAMBDA_LISTEN_HOST: z.string().default("0.0.0.0"),
  KUBELAMBDA_LOG_LEVEL: z.enum(["error", "warn", "info", "debug"]).default("info"),
});
export type CacheConfig = z.infer<typeof cacheConfigSchema>;

export interface RunningCache {
  readonly port: number;
  readonly healthPort: number;
  /** Takes no new request, lets running ones end, cuts what is left after the deadline. */
  stop(deadlineMs: number): Promise<void>;
}

/** Opens what an earlier process kept and listens; rejects when the directory or a port cannot be had. */
export async function startCache(config: CacheConfig, log: PackagesLog): Promise<RunningCache> {
  const metrics = createCacheMetrics(() => content.keptBytes);
  const content = await ContentCache.open({
    directory: config.KUBELAMBDA_CACHE_DIRECTORY,
    limitBytes: config.KUBELAMBDA_CACHE_BYTES,
    onEvicted: () => metrics.evicted.inc(),
  });
  const ending = new AbortController();
  const source = new HttpObjectSource({ url: config.KUBELAMBDA_PACKAGES_URL, signal: ending.signal });
  const cache = new NodeCache({
    ...{ content, source },
    onFetched: (bytes) => metrics.fetchedBytes.inc(bytes),
    onDamaged(digest) {
      metrics.damaged.inc();
      log.error("A package came with another digest than it was asked for by", { digest });
    },
  });
  const onError = answerUnexpected.bind(undefined, log);
  const host = config.KUBELAMBDA_LISTEN_HOST;
  const handler = createCacheHandler({ cache, metrics });
  const server = await startServer({ handler, host, port: config.KUBELAMBDA_CACHE_PORT, onError });
  const health = await startServer({
    ...{ handler: createHealthHandler(metrics), host, onError },
    port: config.KUBELAMBDA_HEALTH_PORT,
  }).catch(async (error: unknown) => {
    await server.stop(0);
    throw error;
  });
  log.info("Package cache listens", { port: server.port, healthPort: health.port });
  return {
    port: server.port,
    healthPort: health.port,
    async stop(deadlineMs) {
      await Promise.all([server.stop(deadlineMs), health.stop(deadlineMs)]);
      ending.abort(new Error("The cache is stopping"));
      await source.close();
    },
  };
}

/** Runs the process in a cluster until SIGTERM or SIGINT. */
export async function cacheMain(env: NodeJS.ProcessEnv): Promise<void> {
  const config = cacheConfigSchema.parse(env);
  const clock = systemClock;
  const level = config.KUBELAMBDA_LOG_LEVEL;
  const log = openProcessLog({ process: "cache", level, output: openOutput(clock), clock });
  const running = await startCache(config, log);
  const end = (): void => void running.stop(20_000).then(() => process.exit(0));
  giveMemoryBack();
  process.once("SIGTERM", end);
  process.once("SIGINT", end);
}
