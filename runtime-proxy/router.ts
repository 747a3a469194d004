import { createPrivateKey, type KeyObject } from "node:crypto";
import { readFile } from "node:fs/promises";
import { Readable } from "node:stream";
import type { JSONWebKeySet } from "jose";
import { aliasKind, type AliasObject } from "../crds/v1alpha1/alias.ts";
import { functionKind, type FunctionObject } from "../crds/v1alpha1/function.ts";
import { versionKind, type VersionObject } from "../crds/v1alpha1/version.ts";
import { parseRoster, ROSTER_NAME, type Roster } from "../crds/wire/roster.ts";
import { audiences } from "../crds/wire/routes.ts";
import { systemClock, sleep, type Clock } from "../lib/clock.ts";
import { parseEnvironment } from "../lib/config.ts";
import { startServer, type RunningServer, type ServerOptions } from "../lib/http/express.ts";
import { jsonResponse, type HttpHandler, type HttpRequest, type HttpResponse } from "../lib/http/handler.ts";
import { createTokenVerifier, type TokenVerifier } from "../lib/http/service-account-token.ts";
import { defaultAccess } from "../lib/kubernetes/api-server-access.ts";
import { ApiServerClient } from "../lib/kubernetes/api-server-client.ts";
import type { KubernetesClient } from "../lib/kubernetes/client.ts";
import { kinds } from "../lib/kubernetes/kinds.ts";
import { ObjectCache } from "../lib/kubernetes/object-cache.ts";
import type { KubernetesObject } from "../lib/kubernetes/object.ts";
import { SharedStrings } from "../lib/kubernetes/shared-strings.ts";
import { LineWriter, writeToStdout } from "../lib/line-writer.ts";
import type { Logger } from "../lib/logger.ts";
import { openOutput, openProcessLog } from "../lib/process-log.ts";
import {
  environmentSelector,
  KubernetesEnvironments,
  withoutUnread,
  type EnvironmentPodObject,
} from "./environments/kubernetes-environments.ts";
import { createRouterAccess } from "./access/router-access.ts";
import { functionIndexes, KubernetesFunctions, withoutContent } from "./environments/kubernetes-functions.ts";
import { aliasIndexes, partIndexes } from "./environments/kubernetes-versions.ts";
import { countDroppedConnections } from "./dropped-connections.ts";
import { badRequestAnswer, isQuickCall } from "./front-door.ts";
import { listenWithTls } from "./listen-with-tls.ts";
import { routerConfigSchema, type RouterConfig } from "./router-config.ts";
import { openObservation } from "./router-observation.ts";
import { createRouterParts, type RouterParts } from "./router-parts.ts";

export { routerConfigSchema, type RouterConfig };

export interface RouterDependencies {
  readonly client: KubernetesClient;
  /** Ed25519, private. While it is awaited, the router is up and not ready. */
  readonly signingKey: KeyObject | Promise<KeyObject>;
  readonly verifyAgentToken: TokenVerifier;
  /** Of tokens for `kubelambda top`; absent: there are none. */
  readonly verifyTopToken?: TokenVerifier;
  /** Of tokens that the cluster has signed, for whomever: callers who have one do not wait behind made-up ones. Absent: there are none. */
  readonly verifyCallerToken?: TokenVerifier;
  /** The token that the operator takes. */
  readonly readOperatorToken: () => Promise<string>;
  readonly log: Logger;
  readonly clock: Clock;
  /** A number in [0, 1). */
  readonly draw: () => number;
  /** Of the access log; default: this process's standard output. */
  readonly output?: LineWriter;
  /** Absent: the ConfigMap that the operator's leader writes. `alone`: this replica owns everything, as in local mode. */
  readonly roster?: "alone";
}

export interface RunningRouter {
  readonly invokePort: number;
  /** Where there is a certificate. */
  readonly tlsPort?: number;
  readonly internalPort: number;
  readonly healthPort: number;
  /** Of `kubelambda top`, where it is served. */
  readonly topPort?: number;
  /** From now on /readyz says no and answers end their connections; everything else goes on. */
  unready(): void;
  /** Settles when no account is this replica's any more, at the latest after the deadline. */
  whenReplaced(deadlineMs: number): Promise<void>;
  /** Takes no new call, carries running ones to their end, cuts what is left after the deadline. */
  stop(deadlineMs: number): Promise<void>;
}

/** For the last spans and lines of the access log. */
const observationCloseMs = 5000;
type Measured = Pick<RouterParts, "metrics" | "functionMetrics" | "concurrencyMetrics" | "provisionedMetrics">;

/** How long environments have to say what they announced before we were there. */
const askAllMs = 5000;
/** Request line and headers together. Source: Lambda quotas, 1 MB. */
const mostHeaderBytes = 1024 * 1024;
/** Of all that are not here whole: usual ones have some KB. */
const mostBegunHeadBytes = 64 * 1024 * 1024;

/** Starts the router; resolves once it knows functions and environments and takes calls. */
export async function startRouter(config: RouterConfig, dependencies: RouterDependencies): Promise<RunningRouter> {
  const { log, clock, client } = dependencies;
  const namespace = config.KUBELAMBDA_WATCH_NAMESPACE;
  const onError = (error: unknown): void => log.debug("Watch failed and goes on", { error });
  const watched = { client, clock, onError, namespace, strings: new SharedStrings() };
  const functionCache = new ObjectCache<FunctionObject>({
    ...watched,
    kind: functionKind,
    indexes: functionIndexes,
    transform: withoutContent,
  });
  const versions = new ObjectCache<VersionObject>({ ...watched, kind: versionKind, indexes: partIndexes });
  const aliases = new ObjectCache<AliasObject>({ ...watched, kind: aliasKind, indexes: aliasIndexes });
  const podCache = new ObjectCache<EnvironmentPodObject>({
    ...watched,
    kind: kinds.pod,
    labelSelector: environmentSelector,
    transform: withoutUnread,
  });
  const functions = new KubernetesFunctions(functionCache, { versions, aliases }, config.KUBELAMBDA_REGION);
  const environments = new KubernetesEnvironments(podCache, client);
  const closing: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const end of closing.splice(0).reverse()) await end();
  };
  let isReady = false;
  let measured: Measured | undefined;
  try {
    const host = config.KUBELAMBDA_LISTEN_HOST;
    const serverOptions = {
      host,
      onError: (error: unknown, { method }: HttpRequest) => unexpected(log, method, error),
      onBadRequest: badRequestAnswer,
      answerStallMs: config.KUBELAMBDA_ANSWER_STALL_MS,
    };
    const listen = async (
      port: number,
      handler: HttpHandler,
      more: Partial<Omit<ServerOptions, "port" | "handler">> = {},
    ): Promise<RunningServer> => await startServer({ ...serverOptions, port, handler, ...more });
    const health = await listen(
      config.KUBELAMBDA_HEALTH_PORT,
      healthHandler(() => ({ isReady, measured })),
    );
    closing.push(() => health.stop(1000));
    const signingKey = await dependencies.signingKey;
    const { caches: keyCaches, ...known } = createRouterAccess(config, { ...dependencies, signingKey, onError });
    const caches: ObjectCache<KubernetesObject>[] = [versions, aliases, functionCache, podCache, ...keyCaches] as never;
    const { output = new LineWriter({ write: writeToStdout, clock }) } = dependencies;
    const observation = await openObservation(config, { ...dependencies, output });
    closing.push(() => observation.close(observationCloseMs));
    const seen = { functions, environments, observation };
    const parts = createRouterParts(config, { ...dependencies, ...seen, ...known, signingKey });
    measured = parts;
    closing.push(() => parts.close());
    const internal = await listen(config.KUBELAMBDA_INTERNAL_PORT, parts.internalApi, {
      upgrade: (request, socket) => parts.peers.upgrade(request, socket),
    });
    closing.push(() => internal.stop(1000));
    const topPort = config.KUBELAMBDA_TOP_PORT;
    const top = topPort === undefined ? undefined : await listen(topPort, parts.topApi);
    closing.push(async () => await top?.stop(1000));
    // Connections that were taken over are none of the server's any more.
    closing.push(() => {
      parts.peers.close();
      return Promise.resolve();
    });
    const { roster } = dependencies;
    if (roster === "alone") parts.setRoster(rosterOfOne(config.KUBELAMBDA_POD_UID, `${host}:${internal.port}`));
    else caches.push(rosterCache(config, { client, clock, onError, onRoster: (seen) => parts.setRoster(seen) }));
    for (const cache of caches) closing.push(() => cache.stop());
    for (const cache of caches) cache.start();
    await Promise.all(caches.map((cache) => cache.synced()));
    await parts.ownership.settled(askAllMs);
    await parts.asker.askAll(askAllMs);
    const quick = { takes: isQuickCall(config.KUBELAMBDA_FUNCTION_URL_HOST), handler: parts.invokeApi, clock };
    const mostConnections = config.KUBELAMBDA_CONNECTIONS;
    const direct = {
      ...{ maxHeaderBytes: mostHeaderBytes, mostBegunHeadBytes, isDirect: true, quick, mostConnections },
      onDrop: countDroppedConnections({ metrics: parts.metrics, log, clock, mostConnections }),
    };
    const invokeOptions = { ...serverOptions, handler: parts.frontDoor, ...direct };
    const tls = await listenWithTls(config, invokeOptions, { clock, log });
    closing.push(async () => await tls?.stop(0));
    const invoke = await listen(config.KUBELAMBDA_INVOKE_PORT, parts.frontDoor, direct);
    parts.reporter.start();
    closing.push(() => parts.reporter.stop());
    parts.memory.start();
    parts.unused.start();
    closing.push(() => {
      parts.memory.stop();
      parts.unused.stop();
      return Promise.resolve();
    });
    isReady = true;
    log.info("Router listens", {
      port: invoke.port,
      tlsPort: tls?.port,
      internalPort: internal.port,
      healthPort: health.port,
    });
    return {
      invokePort: invoke.port,
      ...(tls !== undefined && { tlsPort: tls.port }),
      internalPort: internal.port,
      healthPort: health.port,
      ...(top !== undefined && { topPort: top.port }),
      unready() {
        isReady = false;
        invoke.drain();
        tls?.drain();
      },
      whenReplaced: (withinMs) => parts.ownership.replaced(withinMs),
      async stop(deadlineMs) {
        isReady = false;
        await Promise.all([invoke.stop(deadlineMs), tls?.stop(deadlineMs), parts.whenQuiet(deadlineMs)]);
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Of a replica that is the only one. */
function rosterOfOne(podUid: string, address: string): Roster {
  return { epoch: 1, previous: 0, replicas: [{ podUid, address }] };
}

interface RosterWatch {
  readonly client: KubernetesClient;
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
  readonly onRoster: (roster: Roster) => void;
}

function rosterCache(config: RouterConfig, watch: RosterWatch): ObjectCache<KubernetesObject> {
  const { client, clock, onError, onRoster } = watch;
  const cache = new ObjectCache<RosterObject>({
    ...{ client, clock, onError },
    kind: kinds.configMap,
    namespace: config.KUBELAMBDA_NAMESPACE,
    fieldSelector: `metadata.name=${ROSTER_NAME}`,
  });
  cache.onChange(({ type, object }) => {
    const roster = type === "deleted" ? undefined : parseRoster(object.data);
    if (roster !== undefined) onRoster(roster);
  });
  return cache;
}

interface RosterObject extends KubernetesObject {
  readonly data?: Readonly<Record<string, string>>;
}

function unexpected(log: Logger, method: string, error: unknown): ReturnType<typeof jsonResponse> {
  log.debug("Request ended without an answer", { method, error });
  return jsonResponse(
    500,
    { Type: "Service", Message: "The service failed" },
    { "x-amzn-errortype": "ServiceException" },
  );
}

interface Health {
  readonly isReady: boolean;
  readonly measured: Measured | undefined;
}

function healthHandler(read: () => Health): HttpHandler {
  return ({ path }) => Promise.resolve(health(path, read()));
}

function health(path: string, { isReady, measured }: Health): HttpResponse {
  if (path === "/healthz") return jsonResponse(200, { ok: true });
  if (path === "/readyz") return jsonResponse(isReady ? 200 : 503, { ok: isReady });
  if (path !== "/metrics") return jsonResponse(404, { message: `Cannot serve "${path}": no such path` });
  if (measured === undefined) return { status: 503 };
  const { contentType } = measured.metrics.registry;
  return { status: 200, headers: { "content-type": contentType }, body: Readable.from(allMetrics(measured)) };
}

/** In pieces: with thousands of functions it is megabytes. */
async function* allMetrics(measured: Measured): AsyncGenerator<string, void> {
  const { metrics, functionMetrics, concurrencyMetrics, provisionedMetrics } = measured;
  yield await metrics.registry.metrics();
  yield* concurrencyMetrics.text();
  yield* functionMetrics.text();
  yield provisionedMetrics();
}

/** An operator that ends at the same time has a successor by then, who names new owners. */
const handOverMs = 10_000;
/** Longest run of a call and some margin. */
const graceMs = 905_000;
const keyRetryMs = 1000;
const tokenReadAgainMs = 60_000;
const signingKeyName = "router-signing-key.pem";

/** Runs the process in a cluster until SIGTERM or SIGINT. */
export async function routerMain(env: NodeJS.ProcessEnv): Promise<void> {
  const parsed = parseEnvironment(routerConfigSchema, env);
  if (!parsed.ok) throw new Error(parsed.message);
  const config = parsed.value;
  const clock = systemClock;
  const output = openOutput(clock);
  const log = openProcessLog({ process: "router", level: config.KUBELAMBDA_LOG_LEVEL, output, clock });
  let finish = (): Promise<void> => Promise.resolve();
  // Before anything else: as process 1 of its container, a process without a handler never hears a signal.
  for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, () => void finish().then(() => process.exit(0)));
  const client = new ApiServerClient({
    access: await defaultAccess(env),
    kinds: [functionKind, versionKind, aliasKind],
  });
  const fetchKeys = async (): Promise<JSONWebKeySet> => (await client.raw("GET", "/openid/v1/jwks")) as JSONWebKeySet;
  const nowMs = (): number => clock.nowMs();
  const running = await startRouter(config, {
    client,
    signingKey: waitForSigningKey(config, { client, clock, log }),
    verifyAgentToken: createTokenVerifier({ audience: audiences.router, fetchKeys, nowMs }),
    verifyTopToken: createTokenVerifier({ audience: audiences.top, fetchKeys, nowMs }),
    verifyCallerToken: createTokenVerifier({ fetchKeys, nowMs }),
    readOperatorToken: tokenFile(config.KUBELAMBDA_TOKEN_FILE, clock),
    output,
    log,
    clock,
    draw: Math.random,
  });
  finish = async () => {
    log.info("Ending: others take over", { drainMs: config.KUBELAMBDA_DRAIN_MS });
    await endRouter(running, clock, config.KUBELAMBDA_DRAIN_MS);
  };
}

/** Ends a router without a failed call: load balancers and clients leave it, others own its accounts, and what it carries is answered. */
export async function endRouter(router: RunningRouter, clock: Clock, drainMs: number): Promise<void> {
  router.unready();
  await Promise.all([sleep(clock, drainMs), router.whenReplaced(handOverMs)]);
  await router.stop(graceMs);
}

/** The operator makes the key at its first start: until then the router is up and not ready. */
async function waitForSigningKey(
  config: RouterConfig,
  { client, clock, log }: { readonly client: KubernetesClient; readonly clock: Clock; readonly log: Logger },
): Promise<KeyObject> {
  const ref = {
    kind: kinds.secret,
    namespace: config.KUBELAMBDA_NAMESPACE,
    name: config.KUBELAMBDA_SIGNING_KEY_SECRET,
  };
  for (let attempt = 1; ; attempt += 1) {
    try {
      const secret = (await client.get(ref)) as { readonly data?: Readonly<Record<string, string>> };
      const pem = secret.data?.[signingKeyName];
      if (pem === undefined) throw new Error(`Cannot use Secret "${ref.name}": it has no key "${signingKeyName}"`);
      return createPrivateKey(Buffer.from(pem, "base64"));
    } catch (error) {
      const write = attempt % 30 === 0 ? log.warn : log.debug;
      write("Signing key is not there yet", { namespace: ref.namespace, name: ref.name, error });
      await sleep(clock, keyRetryMs);
    }
  }
}

/** Reads a projected token at most once a minute: the kubelet renews it long before it expires. */
function tokenFile(path: string, clock: Clock): () => Promise<string> {
  let token: string | undefined;
  let readAtMs = -Infinity;
  return async () => {
    if (token === undefined || clock.monotonicMs() - readAtMs > tokenReadAgainMs) {
      token = (await readFile(path, "utf8")).trim();
      readAtMs = clock.monotonicMs();
    }
    return token;
  };
}
