import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { routes } from "../../crds/wire/routes.ts";
import { cacheConfigSchema, startCache } from "../../runtime-proxy/cache.ts";

export interface TestCache {
  readonly url: string;
  readonly directory: string;
  /** `token` is `<namespace>/<service account>`. */
  get(digest: string, token?: string, headers?: Readonly<Record<string, string>>): Promise<Response>;
  /** A counter's or gauge's value. */
  metric(name: string): Promise<number>;
  /** A new process on what the old one kept. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** A node's cache on free ports of the loopback with a directory of its own, which `stop` removes. */
export async function startTestCache(packagesUrl: string, cacheBytes = 100_000_000): Promise<TestCache> {
  const directory = await mkdtemp(join(tmpdir(), "node-cache-"));
  const config = cacheConfigSchema.parse({
    KUBELAMBDA_CACHE_DIRECTORY: directory,
    KUBELAMBDA_CACHE_BYTES: cacheBytes,
    KUBELAMBDA_PACKAGES_URL: packagesUrl,
    KUBELAMBDA_CACHE_PORT: 0,
    KUBELAMBDA_HEALTH_PORT: 0,
    KUBELAMBDA_LISTEN_HOST: "127.0.0.1",
  });
  const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
  let running = await startCache(config, silent);
  return {
    get url() {
      return `http://127.0.0.1:${running.port}`;
    },
    directory,
    get: async (digest, token, headers = {}) =>
      await fetch(`http://127.0.0.1:${running.port}${routes.object(digest)}`, {
        headers: { ...headers, ...(token !== undefined && { authorization: `Bearer ${token}` }) },
        signal: AbortSignal.timeout(15_000),
      }),
    metric: async (name) => await readMetric(`http://127.0.0.1:${running.healthPort}`, name),
    async restart() {
      await running.stop(1000);
      running = await startCache(config, silent);
    },
    async stop() {
      await running.stop(1000);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** From a process's /metrics; a counter that was never counted is 0. */
export async function readMetric(healthUrl: string, name: string): Promise<number> {
  const text = await (await fetch(`${healthUrl}/metrics`)).text();
  return Number(new RegExp(`^${name} ([0-9.e+]+)$`, "m").exec(text)?.[1] ?? 0);
}
