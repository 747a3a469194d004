/** What the leading operator does, from the moment it leads until it no longer does. */
import type { KeyObject } from "node:crypto";
import { formatPublicKey } from "../lib/http/signed-claim.ts";
import type { ControllerMetrics } from "../lib/kubernetes/controller-metrics.ts";
import { Applier } from "../lib/kubernetes/apply.ts";
import { Controller } from "../lib/kubernetes/controller.ts";
import { EventRecorder } from "../lib/kubernetes/event-recorder.ts";
import { createKindTable } from "../lib/kubernetes/kinds.ts";
import type { ObjectCache } from "../lib/kubernetes/object-cache.ts";
import { keyOf } from "../lib/kubernetes/object.ts";
import { FIELD_MANAGER } from "../crds/names.ts";
import { AccountBook } from "./concurrency/account-book.ts";
import type { AccountRules } from "./concurrency/claims.ts";
import { ConfigMaps } from "./config-maps.ts";
import { CountWakes } from "./count-wakes.ts";
import { ImageResolver } from "./controllers/function/image-resolver.ts";
import { RuntimeImages } from "./controllers/function/runtime-images.ts";
import { entryOf } from "./controllers/function/runtime-table.ts";
import { functionController } from "./controllers/function/controller.ts";
import type { FunctionSettings } from "./controllers/function/settings.ts";
import { layerController } from "./controllers/layer/controller.ts";
import { notServedController } from "./controllers/not-served/controller.ts";
import type { NotServedObject } from "./controllers/not-served/decide.ts";
import { VersionRecipes } from "./controllers/version/version-recipes.ts";
import type { EnvironmentSettings } from "./environment-settings.ts";
import { createAskForImage } from "./images/ask-for-image.ts";
import { prepareFunctionUrls } from "./function-url-key.ts";
import { ImageFetch } from "./images/image-fetch.ts";
import { NumberTaker } from "./number-taker.ts";
import type { OperatorConfig } from "./operator-config.ts";
import { cachesOf, type OperatorCaches } from "./operator-caches.ts";
import type { OperatorDependencies } from "./operator-dependencies.ts";
import type { FetchSettings } from "./fetch-pod.ts";
import { FetchPods } from "./fetch-pods.ts";
import { createPackageResolvers } from "./package-resolvers.ts";
import type { S3Defaults } from "./package-source.ts";
import { startReferences } from "./references.ts";
import { RosterWriter } from "./roster/roster-writer.ts";
import { Autoscaler } from "./scaling/autoscaler.ts";
import { HttpPoolAgents } from "./scaling/pool-agents.ts";
import type { PoolMetrics } from "./scaling/pool-metrics.ts";
import { createSecretFetch, type SecretFetch } from "./secret-fetch.ts";
import { sha256Hex } from "./sha256.ts";
import { ensureSigningKey } from "./signing-key.ts";
import { createVersionControllers } from "./version-controllers.ts";

export interface LeadershipOptions {
  readonly config: OperatorConfig;
  readonly dependencies: OperatorDependencies;
  readonly caches: OperatorCaches;
  readonly notServed: readonly ObjectCache<NotServedObject>[];
  /** Of the process: one term after another writes to them. */
  readonly metrics: ControllerMetrics;
  readonly poolMetrics: PoolMetrics;
  readonly mayAct: () => boolean;
  /** Aborted when the leadership ends before all of it has begun. */
  readonly signal: AbortSignal;
}

export interface Leadership {
  readonly autoscaler: Autoscaler;
  stop(deadline?: AbortSignal): Promise<void>;
}

/** Starts every controller and the autoscaler; everything that it needs to know it reads anew, nothing is handed over. */
export async function lead(options: LeadershipOptions): Promise<Leadership> {
  const { config, dependencies, caches, notServed, mayAct, signal } = options;
  const { client, clock, draw, log, packageStore } = dependencies;
  const secret = config.KUBELAMBDA_SIGNING_KEY_SECRET;
  const isOwn = dependencies.routerKeys === undefined;
  const signingKey = isOwn ? await ensureSigningKey(client, config.KUBELAMBDA_NAMESPACE, secret) : undefined;
  const routerKeys = dependencies.routerKeys ?? (signingKey === undefined ? [] : [formatPublicKey(signingKey)]);
  const urlOf = await prepareFunctionUrls(dependencies, config);
  await Promise.all(cachesOf(caches).map((cache) => cache.synced(signal)));
  const wakes = new CountWakes({ clock, wake: (key) => functions.wake(key), isBusy: () => autoscaler.isBusy });
  const fetchPods = new FetchPods({
    ...{ client, pods: caches.fetchPods, clock, mayAct, log },
    settings: fetchSettings(config),
  });
  const { hasContainers } = dependencies;
  const images = hasContainers ? imageResolver(options, fetchPods, (key) => functions.wake(key)) : undefined;
  const runtimeImages = hasContainers
    ? runtimeImagesOf(options, (image) => {
        for (const object of caches.functions.list())
          if (entryOf(dependencies.runtimes, object.spec.runtime)?.image === image) functions.wake(keyOf(object));
      })
    : undefined;
  const resolvers = createPackageResolvers({
    ...{ store: packageStore, caches, clock, draw },
    secretFetch: hasContainers ? secretFetch(options, fetchPods) : undefined,
    wakeFunction: (key) => functions.wake(key),
    wakeLayer: (key) => layers.wake(key),
    onError: (error) => log.warn("Package store does not answer", { error }),
  });
  const numbers = new NumberTaker({
    ...{ client, clock, draw, mayAct },
    onChange: (key) => layers.wake(key),
    onError: (error) => log.warn("Cannot take a number for a version", { error }),
  });
  const configMaps = new ConfigMaps({
    client,
    clock,
    onChange: (key) => {
      for (const object of caches.functions.byIndex("configMap", key)) functions.wake(keyOf(object));
      for (const object of caches.layers.byIndex("configMap", key)) layers.wake(keyOf(object));
    },
    onError: (error) => log.debug("Watch of ConfigMaps failed and goes on", { error }),
  });
  const settings = { ...functionSettings(config, dependencies, routerKeys), urlOf };
  const versionRecipes = new VersionRecipes({ ...settings, hash: sha256Hex });
  const roster = rosterWriter(options, () => autoscaler);
  await roster?.read();
  const autoscaler = new Autoscaler({
    ...{ ...caches, versionRecipes },
    client,
    clock,
    draw,
    log,
    mayAct,
    settings: environmentSettings(config, dependencies, routerKeys),
    pool: signingKey === undefined ? undefined : poolOf(options, signingKey),
    keepAliveMs: config.KUBELAMBDA_IDLE_TIMEOUT_SECONDS * 1000,
    maxAgeMs: config.KUBELAMBDA_MAX_AGE_SECONDS === 0 ? Infinity : config.KUBELAMBDA_MAX_AGE_SECONDS * 1000,
    maxEnvironments: config.KUBELAMBDA_MAX_ENVIRONMENTS,
    isReplicaGone: dependencies.isReplicaGone,
    epoch: () => roster?.epoch ?? 0,
    isOwner: (replica, namespace) => roster?.isOwner(replica, namespace) ?? true,
    onChange: (key) => wakes.soon(key),
    onProvisioned: (key) => {
      functions.wake(key);
      versions.wakeProvisioned(key);
    },
    onHealth: (key, revisionID, { ok }) => {
      // What is well can be told with the counts.
      if (ok) wakes.soon(key);
      else functions.wake(key);
      versions.wakeRevision(key, revisionID);
    },
    onAssembleFailed: (key) => resolvers.renew(key),
  });
  const instance = config.KUBELAMBDA_POD_NAME ?? "operator";
  const events = new EventRecorder({ client, clock, controller: "kubelambda.dev/operator", instance });
  const shell = {
    client,
    clock,
    events,
    mayAct,
    logger: log,
    kindOf: createKindTable([...cachesOf(caches), ...notServed].map(({ kind }) => kind)),
    applier: new Applier({ client, fieldManager: FIELD_MANAGER }),
    metrics: options.metrics,
  };
  const healthOf = autoscaler.healthOf.bind(autoscaler);
  const book = new AccountBook({
    functions: caches.functions,
    rules: accountRules(config),
    onRoom: (key) => functions.wake(key),
  });
  const provisionedOf = autoscaler.provisionedOf.bind(autoscaler);
  const { code, content, grants } = resolvers;
  const { region } = settings;
  const functions = new Controller(
    functionController({
      caches,
      configMaps,
      resolver: code,
      grants,
      images,
      runtimeImages,
      healthOf,
      concurrency: { caches, book, provisionedOf, region },
      settings,
      clock,
    }),
    shell,
  );
  const layers = new Controller(
    layerController({ ...{ caches, configMaps, numbers, clock }, ...settings, resolver: content }),
    shell,
  );
  const versions = createVersionControllers({
    shell,
    caches,
    recipes: versionRecipes,
    healthOf,
    provisionedOf,
    region,
    urlOf,
    draw,
    mayAct,
  });
  const others = notServed.map((cache) => new Controller(notServedController(cache), { ...shell, workers: 1 }));
  const stop = async (deadline?: AbortSignal): Promise<void> => {
    endReferences();
    book.stop();
    wakes.stop();
    resolvers.stop();
    images?.stop();
    runtimeImages?.stop();
    fetchPods.stop();
    numbers.stop();
    await roster?.stop();
    const controllers = [functions, layers, ...others];
    await Promise.all([
      autoscaler.stop(),
      versions.stop(deadline),
      ...controllers.map((controller) => controller.stop(deadline)),
    ]);
    await Promise.all([configMaps.stop(), events.stop(deadline)]);
  };
  const everyMs = config.KUBELAMBDA_REFERENCES_SECONDS * 1000;
  const endReferences = startReferences({
    ...{ store: packageStore, caches, clock, mayAct, log, everyMs },
    onMissing: (missing) => resolvers.renewMissing(missing),
  });
  try {
    autoscaler.start();
    roster?.start();
    await Promise.all([functions, layers, versions, ...others].map((controller) => controller.start(signal)));
  } catch (error) {
    await stop(AbortSignal.abort());
    throw error;
  }
  return { autoscaler, stop };
}

/** Undefined where one router owns everything. */
function rosterWriter(
  { config, dependencies, mayAct }: LeadershipOptions,
  autoscaler: () => Autoscaler,
): RosterWriter | undefined {
  const { client, clock, log, routerPods } = dependencies;
  if (routerPods === undefined) return undefined;
  return new RosterWriter({
    ...{ client, clock, log, mayAct, namespace: config.KUBELAMBDA_NAMESPACE },
    routers: () => {
      const silences = autoscaler().silences();
      return routerPods.all().map((pod) => ({ ...pod, silentForMs: silences.get(pod.podUid) }));
    },
    onRouters: (listener) => routerPods.onChange(listener),
    whenBorn: () => autoscaler().whenBorn(),
  });
}

/** Undefined: there are no generic pods. Where none shall wait any more, those that do are still to be removed. */
function poolOf(options: LeadershipOptions, key: KeyObject) {
  const { config, poolMetrics: metrics } = options;
  const { clock, hasContainers, poolAgents } = options.dependencies;
  const settings = {
    size: config.KUBELAMBDA_GENERIC_PODS ? config.KUBELAMBDA_POOL_SIZE : 0,
    keepMs: config.KUBELAMBDA_POOL_KEEP_SECONDS * 1000,
    perNamespace: config.KUBELAMBDA_POOL_PER_NAMESPACE,
    total: config.KUBELAMBDA_POOL_TOTAL,
  };
  if (!hasContainers) return undefined;
  return { settings, metrics, agents: poolAgents ?? new HttpPoolAgents(key, () => clock.nowMs()) };
}

function functionSettings(
  config: OperatorConfig,
  { runtimes, hasPodResources, hasContainers }: OperatorDependencies,
  routerKeys: readonly string[],
): Omit<FunctionSettings, "urlOf"> {
  return {
    ...{ runtimes, hasPodResources, routerKeys },
    ...(hasContainers && { genericPods: config.KUBELAMBDA_GENERIC_PODS }),
    region: config.KUBELAMBDA_REGION,
    s3: s3Defaults(config),
    stopsBetweenInvocations: config.KUBELAMBDA_STOP_BETWEEN_INVOCATIONS,
    streamBytesPerSecond: config.KUBELAMBDA_STREAM_BYTES_PER_SECOND,
  };
}

function imageResolver(options: LeadershipOptions, pods: FetchPods, onChange: (key: string) => void): ImageResolver {
  const { config, dependencies } = options;
  const { client, packageStore, clock, draw, log, registryCaBundle: caBundle = () => "" } = dependencies;
  const plainHttpHosts = config.KUBELAMBDA_REGISTRY_PLAIN_HTTP_HOSTS;
  return new ImageResolver({
    ask: createAskForImage(packageStore, new ImageFetch({ client, pods, plainHttpHosts, caBundle })),
    clock,
    draw,
    recheckMs: config.KUBELAMBDA_IMAGE_RECHECK_SECONDS * 1000,
    onChange,
    onError: (error) => log.warn("Package store does not answer for an image", { error }),
  });
}

function runtimeImagesOf(
  { config, dependencies }: LeadershipOptions,
  onChange: (image: string) => void,
): RuntimeImages {
  const { packageStore, clock, draw, log } = dependencies;
  return new RuntimeImages({
    resolveImage: (request, signal) => packageStore.resolveImage(request, signal),
    ...{ clock, draw, onChange },
    freshMs: config.KUBELAMBDA_IMAGE_RECHECK_SECONDS * 1000,
    onError: (error) => log.warn("Package store does not answer for a runtime's image", { error }),
  });
}

function accountRules(config: OperatorConfig): AccountRules {
  return { limit: config.KUBELAMBDA_ACCOUNT_CONCURRENCY, unreservedMinimum: config.KUBELAMBDA_UNRESERVED_CONCURRENCY };
}

function s3Defaults(config: OperatorConfig): S3Defaults {
  const { KUBELAMBDA_S3_ADDRESSING: addressing, KUBELAMBDA_S3_REGION: region } = config;
  return {
    endpoint: config.KUBELAMBDA_S3_ENDPOINT,
    region: region === "" ? config.KUBELAMBDA_REGION : region,
    ...(addressing !== "" && { addressing }),
  };
}

function fetchSettings(config: OperatorConfig): FetchSettings {
  return {
    image: config.KUBELAMBDA_IMAGE,
    imagePullPolicy: config.KUBELAMBDA_IMAGE_PULL_POLICY,
    packagesUrl: config.KUBELAMBDA_PACKAGES_URL,
  };
}

function secretFetch({ config, dependencies }: LeadershipOptions, pods: FetchPods): SecretFetch {
  const network = {
    allowedCIDRs: config.KUBELAMBDA_URL_ALLOWED_CIDRS,
    deniedCIDRs: config.KUBELAMBDA_URL_DENIED_CIDRS,
  };
  const { packageStore: store, registryCaBundle: caBundle = () => "" } = dependencies;
  const hosts = config.KUBELAMBDA_REGISTRY_PLAIN_HTTP_HOSTS.split(",").filter((host) => host !== "");
  return createSecretFetch({ store, pods, network, registries: { plainHttpHosts: hosts, caBundle } });
}

function environmentSettings(
  config: OperatorConfig,
  { hasPodResources, hasContainers }: OperatorDependencies,
  routerKeys: readonly string[],
): EnvironmentSettings {
  return {
    image: config.KUBELAMBDA_IMAGE,
    assembleCommand: config.KUBELAMBDA_ASSEMBLE_COMMAND,
    agentCommand: config.KUBELAMBDA_AGENT_COMMAND,
    imagePullPolicy: config.KUBELAMBDA_IMAGE_PULL_POLICY,
    packagesUrl: config.KUBELAMBDA_PACKAGES_URL,
    cacheUrl: config.KUBELAMBDA_CACHE_URL,
    routerUrl: config.KUBELAMBDA_ROUTER_URL,
    lambdaUrl: config.KUBELAMBDA_LAMBDA_URL,
    routerKeys,
    cpuPolicy: config.KUBELAMBDA_CPU_POLICY,
    cpuRequestPercent: config.KUBELAMBDA_CPU_REQUEST_PERCENT,
    memoryRequestPercent: config.KUBELAMBDA_MEMORY_REQUEST_PERCENT,
    tmpMedium: config.KUBELAMBDA_TMP_MEDIUM,
    runtimeClassName: config.KUBELAMBDA_RUNTIME_CLASS,
    nodeLostSeconds: config.KUBELAMBDA_NODE_LOST_SECONDS,
    genericPods: hasContainers && config.KUBELAMBDA_GENERIC_PODS,
    agentsFill: hasContainers && config.KUBELAMBDA_AGENTS_FILL,
    hasPodResources,
  };
}
