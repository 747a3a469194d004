/** Process `operator`: reconciles the five kinds and scales execution environments. */
import { readFile } from "node:fs/promises";
import type { JSONWebKeySet } from "jose";
import { kindDefinitions } from "../crds/kinds.ts";
import { eventSourceMappingKind } from "../crds/v1alpha1/event-source-mapping.ts";
import { functionKind } from "../crds/v1alpha1/function.ts";
import { audiences } from "../crds/wire/routes.ts";
import { systemClock } from "../lib/clock.ts";
import { parseEnvironment } from "../lib/config.ts";
import { stopOnSignals } from "../lib/graceful-stop.ts";
import { CaBundle } from "../lib/ca-bundle.ts";
import { startServer } from "../lib/http/express.ts";
import { jsonResponse, type HttpHandler } from "../lib/http/handler.ts";
import { createTokenVerifier } from "../lib/http/service-account-token.ts";
import { giveMemoryBack, IdleMemory } from "../lib/idle-memory.ts";
import { createControllerMetrics } from "../lib/kubernetes/controller-metrics.ts";
import { defaultAccess } from "../lib/kubernetes/api-server-access.ts";
import { ApiServerClient } from "../lib/kubernetes/api-server-client.ts";
import type { KubernetesClient } from "../lib/kubernetes/client.ts";
import { ObjectCache } from "../lib/kubernetes/object-cache.ts";
import type { Logger } from "../lib/logger.ts";
import { createMetricsRegistry, metricsHandler } from "../lib/metrics.ts";
import { openOutput, openProcessLog } from "../lib/process-log.ts";
import type { NotServedObject } from "./controllers/not-served/decide.ts";
import type { RuntimeTable } from "./controllers/function/runtime-table.ts";
import { createHttpPackageStore } from "./http-package-store.ts";
import { LeaderRole } from "./leader-role.ts";
import { cachesOf, createOperatorCaches } from "./operator-caches.ts";
import { operatorConfigSchema, runtimesSchema, type OperatorConfig } from "./operator-config.ts";
import type { OperatorDependencies } from "./operator-dependencies.ts";
import { RouterPods } from "./router-pods.ts";
import { createInternalHandler } from "./scaling/server.ts";
import { createPoolMetrics } from "./scaling/pool-metrics.ts";

export { operatorConfigSchema, type OperatorConfig, type OperatorDependencies };

export interface RunningOperator {
  readonly internalPort: number;
  readonly healthPort: number;
  /** True once it leads and has looked at everything. */
  isLeading(): boolean;
  stop(deadlineMs: number): Promise<void>;
}

/** After the last change: a collection with 10,000 objects takes some 100 ms, in which nothing is answered. */
const quietBeforeGivingBackMs = 5000;

/** Starts the operator; resolves when it listens and knows what is there, whether it leads or not. */
export async function startOperator(
  config: OperatorConfig,
  dependencies: OperatorDependencies,
): Promise<RunningOperator> {
  const { client, clock, log, verifyRouterToken } = dependencies;
  const registry = createMetricsRegistry("operator");
  const namespace = config.KUBELAMBDA_WATCH_NAMESPACE;
  const cacheOptions = {
    client,
    clock,
    namespace,
    onError: (error: unknown) => log.debug("Watch failed and goes on", { error }),
  };
  const caches = createOperatorCaches(cacheOptions);
  const notServed = [eventSourceMappingKind].map((kind) => new ObjectCache<NotServedObject>({ ...cacheOptions, kind }));
  const all = [...cachesOf(caches), ...notServed];
  const metrics = createControllerMetrics(registry);
  const poolMetrics = createPoolMetrics(registry);
  const role = new LeaderRole({ config, dependencies, caches, notServed, metrics, poolMetrics });
  const closing: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const end of closing.splice(0).reverse()) await end();
  };
  const listen = async (port: number, handler: HttpHandler) => {
    const host = config.KUBELAMBDA_LISTEN_HOST;
    const server = await startServer({ host, port, handler, onError: (error) => unexpected(log, error) });
    closing.push(() => server.stop(1000));
    return server;
  };
  let isReady = false;
  try {
    const health = await listen(
      config.KUBELAMBDA_HEALTH_PORT,
      healthHandler(() => isReady, metricsHandler(registry)),
    );
    const router = config.KUBELAMBDA_ROUTER_SERVICE_ACCOUNT;
    const takeReport = role.takeReport.bind(role);
    const internal = await listen(
      config.KUBELAMBDA_INTERNAL_PORT,
      createInternalHandler({ verifyRouterToken, router, takeReport }),
    );
    closing.push(async () => {
      await Promise.all(all.map((cache) => cache.stop()));
    });
    const memory = new IdleMemory({
      clock,
      isIdle: () => true,
      giveBack: giveMemoryBack,
      quietMs: quietBeforeGivingBackMs,
    });
    closing.push(() => {
      memory.stop();
      return Promise.resolve();
    });
    for (const cache of all) {
      cache.onChange(() => memory.used());
      cache.start();
    }
    await Promise.all(all.map((cache) => cache.synced()));
    isReady = true;
    await role.start();
    log.info("Operator listens", { internalPort: internal.port, healthPort: health.port });
    return {
      internalPort: internal.port,
      healthPort: health.port,
      isLeading: () => role.isLeading(),
      async stop(deadlineMs) {
        isReady = false;
        await role.stop(AbortSignal.timeout(deadlineMs));
        await close();
      },
    };
  } catch (error) {
    await role.stop(AbortSignal.abort());
    await close();
    throw error;
  }
}

function unexpected(log: Logger, error: unknown): ReturnType<typeof jsonResponse> {
  log.error("Cannot answer a request", { error });
  return jsonResponse(500, { code: "InternalError", message: "Cannot answer: the operator has an internal error" });
}

function healthHandler(isReady: () => boolean, metrics: HttpHandler): HttpHandler {
  return async (request) => {
    if (request.path === "/healthz") return jsonResponse(200, { ok: true });
    if (request.path === "/readyz") return jsonResponse(isReady() ? 200 : 503, { ok: isReady() });
    if (request.path === "/metrics") return await metrics(request);
    return jsonResponse(404, {
      code: "NotFound",
      message: `Cannot serve "${request.path.slice(0, 200)}": no such path`,
    });
  };
}

const stopDeadlineMs = 20_000;

/** Runs the process in a cluster until SIGTERM or SIGINT. */
export async function operatorMain(env: NodeJS.ProcessEnv): Promise<void> {
  const parsed = parseEnvironment(operatorConfigSchema, env);
  if (!parsed.ok) throw new Error(parsed.message);
  const config = parsed.value;
  const clock = systemClock;
  const level = config.KUBELAMBDA_LOG_LEVEL;
  const log = openProcessLog({ process: "operator", level, output: openOutput(clock), clock });
  const caBundle = new CaBundle(config.KUBELAMBDA_REGISTRY_CA_FILE, (problem) => log.error(problem));
  let running: RunningOperator | undefined = undefined as RunningOperator | undefined;
  const stop = async (): Promise<void> => {
    await running?.stop(stopDeadlineMs - 2000);
  };
  // Before anything else: as process 1 of its container, a process without a handler never hears a signal.
  stopOnSignals({ steps: [{ name: "operator", stop }], deadlineMs: stopDeadlineMs, clock, logger: log });
  const client = new ApiServerClient({ access: await defaultAccess(env), kinds: kindDefinitions.map(kindRef) });
  const routerPods = new RouterPods({ client, clock, router: config.KUBELAMBDA_ROUTER_SERVICE_ACCOUNT, log });
  await routerPods.start();
  running = await startOperator(config, {
    client,
    verifyRouterToken: createTokenVerifier({
      audience: audiences.operator,
      fetchKeys: async () => (await client.raw("GET", "/openid/v1/jwks")) as JSONWebKeySet,
      nowMs: () => clock.nowMs(),
    }),
    packageStore: createHttpPackageStore({
      url: config.KUBELAMBDA_PACKAGES_URL,
      readToken: () => readFile(config.KUBELAMBDA_TOKEN_FILE, "utf8"),
    }),
    runtimes: await readRuntimes(config.KUBELAMBDA_RUNTIMES_FILE),
    routerPods,
    isReplicaGone: (replica) => routerPods.isGone(replica),
    hasPodResources: await detectPodResources(client),
    hasContainers: true,
    registryCaBundle: () => caBundle.read(),
    clock,
    draw: Math.random,
    log,
  });
}

function kindRef({ apiVersion, kind, plural }: (typeof kindDefinitions)[number]) {
  return kind === functionKind.kind ? functionKind : { apiVersion, kind, plural, namespaced: true };
}

/** Reads and checks the chart's table; the message names the entry at fault. */
async function readRuntimes(path: string): Promise<RuntimeTable> {
  const parsed = runtimesSchema.safeParse(JSON.parse(await readFile(path, "utf8")));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new Error(
    `Cannot read runtimes from "${path}": ${issue?.path.join(".") ?? ""}: ${issue?.message ?? "wrong shape"}`,
  );
}

/** Resources of a whole pod are on by default from 1.34. Source: Kubernetes documentation, feature gate PodLevelResources. */
async function detectPodResources(client: KubernetesClient): Promise<boolean> {
  const { major, minor } = (await client.raw("GET", "/version")) as { readonly major: string; readonly minor: string };
  return Number(major) > 1 || (Number(major) === 1 && parseInt(minor) >= 34);
}
