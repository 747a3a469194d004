/** The whole system in one process tree: operator, router and package store around an object store in memory, and a runner of pods. */
import { generateKeyPairSync } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { FUNCTION_URL_ID, FUNCTION_URL_PATH } from "../crds/function-url.ts";
import { kindDefinitions } from "../crds/kinds.ts";
import { aliasKind, parseAlias, type AliasObject } from "../crds/v1alpha1/alias.ts";
import { functionKind, parseFunction, type FunctionObject } from "../crds/v1alpha1/function.ts";
import { layerKind, parseLayer, type LayerObject } from "../crds/v1alpha1/layer.ts";
import { parseVersion, versionKind, type VersionObject } from "../crds/v1alpha1/version.ts";
import { pushNamespaceHeader } from "../crds/wire/packages.ts";
import { audiences } from "../crds/wire/routes.ts";
import { formatPublicKey } from "../lib/http/signed-claim.ts";
import { systemClock } from "../lib/clock.ts";
import { freePorts } from "../lib/free-ports.ts";
import { createKindTable, kinds } from "../lib/kubernetes/kinds.ts";
import type { KindRef, KubernetesObject } from "../lib/kubernetes/object.ts";
import type { Logger } from "../lib/logger.ts";
import { packagesConfigSchema, startPackages } from "../runtime-proxy/packages.ts";
import type { PushIdentity } from "../runtime-proxy/packages/push-server.ts";
import { routerConfigSchema, startRouter } from "../runtime-proxy/router.ts";
import { operatorConfigSchema, startOperator } from "../operator/operator.ts";
import { createHttpPackageStore } from "../operator/http-package-store.ts";
import { claimFolderStore } from "./folder-store.ts";
import { FunctionTable } from "./function-table.ts";
import { collectGarbage } from "./garbage-collector.ts";
import { LocalIdentity } from "./identity.ts";
import type { Isolation } from "./isolation.ts";
import { ManifestSync, type Parsed } from "./manifest-sync.ts";
import { watchFolder, type Manifest } from "./manifests.ts";
import { ObjectStore } from "./object-store.ts";
import { PodRunner } from "./pod-runner.ts";
import { localRuntimes, Runtimes } from "./runtimes.ts";
import type { Terminal } from "./terminal.ts";

export interface LocalSystemOptions {
  readonly folder: string;
  readonly host: string;
  /** 0 chooses a free one. */
  readonly port: number;
  /** Of `kubelambda push --local`; 0 chooses a free one. */
  readonly pushPort: number;
  /** Of `kubelambda top --local`; 0 chooses a free one. */
  readonly topPort: number;
  /** Of the router's metrics; 0 chooses a free one. */
  readonly metricsPort: number;
  /** Calls of one namespace that may run at once. */
  readonly accountConcurrency: number;
  /** Registries (`host:port`) that are spoken to without TLS. */
  readonly plainHttpRegistries: readonly string[];
  /** Certificates (PEM) that registries may be signed by, beside the public authorities; empty: none. */
  readonly registryCaFile: string;
  /** Emptied by whoever made it. */
  readonly stateDirectory: string;
  /** Kept between runs. */
  readonly cacheDirectory: string;
  /** Base URL of an OTLP/HTTP collector that gets spans of every call; empty: none are written. */
  readonly otlpEndpoint: string;
  readonly isolation: Isolation;
  /** Name of a PersistentVolumeClaim → the folder that stands for it. */
  readonly fileSystems: ReadonlyMap<string, string>;
  readonly terminal: Terminal;
  readonly log: Logger;
}

export interface LocalSystem {
  readonly port: number;
  readonly pushPort: number;
  readonly topPort: number | undefined;
  readonly metricsUrl: string;
  /** Ends every environment and server; no process is left. */
  stop(): Promise<void>;
}

const installNamespace = "kubelambda";
const accounts = {
  operator: "kubelambda-operator",
  router: "kubelambda-router",
  packages: "kubelambda-packages",
} as const;
const loopback = "127.0.0.1";
const region = "us-east-1";
const stopWithinMs = 3000;
/** No secret: the next start gives every function the same URL, and only this machine reaches it. */
const functionUrlKey = Buffer.from("local mode's key of function URLs");

/** Starts everything and serves the folder; rejects when a port or folder cannot be had. */
export async function startLocalSystem(options: LocalSystemOptions): Promise<LocalSystem> {
  const { folder, host, stateDirectory, cacheDirectory, isolation, terminal, log } = options;
  const reachable = ["0.0.0.0", "::"].includes(host) ? loopback : host;
  const identity = await LocalIdentity.create();
  const ourKinds: KindRef[] = kindDefinitions.map(({ apiVersion, kind, plural }) => ({
    apiVersion,
    kind,
    plural,
    namespaced: true,
  }));
  const store = new ObjectStore({
    kinds: ourKinds,
    nowMs: Date.now,
    raw: { "GET /version": () => ({ major: "1", minor: "34", gitVersion: "v1.34.0" }) },
  });
  await store.create<KubernetesObject>({ apiVersion: "v1", kind: "Namespace", metadata: { name: "default" } });
  const tokens = await writeTokens(identity, join(stateDirectory, "tokens"));
  const [operatorPort = 0] = await freePorts(1);
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const closing: (() => Promise<void>)[] = [];

  const packageStore = await claimFolderStore(cacheDirectory, folder);
  closing.push(() => packageStore.release());
  const packages = await startPackages(
    packagesConfigSchema.parse({
      KUBELAMBDA_PACKAGES_DIRECTORY: packageStore.directory,
      KUBELAMBDA_PACKAGES_PORT: "0",
      KUBELAMBDA_HEALTH_PORT: "0",
      KUBELAMBDA_PUSH_PORT: String(options.pushPort),
      KUBELAMBDA_LISTEN_HOST: loopback,
      KUBELAMBDA_OPERATOR_SERVICE_ACCOUNT: `${installNamespace}/${accounts.operator}`,
      // A laptop's own servers are what a url names here.
      KUBELAMBDA_URL_ALLOWED_CIDRS: "0.0.0.0/0,::/0",
      KUBELAMBDA_REGISTRY_PLAIN_HTTP_HOSTS: options.plainHttpRegistries.join(","),
      KUBELAMBDA_REGISTRY_CA_FILE: options.registryCaFile,
    }),
    { verifyToken: identity.verifier(audiences.packages), identifyPush: localPush, nowMs: Date.now, log },
  );
  closing.push(() => packages.stop(stopWithinMs));

  const router = await startRouter(
    routerConfigSchema.parse({
      KUBELAMBDA_LISTEN_HOST: host,
      KUBELAMBDA_INVOKE_PORT: String(options.port),
      KUBELAMBDA_INTERNAL_PORT: "0",
      KUBELAMBDA_TOP_PORT: String(options.topPort),
      KUBELAMBDA_HEALTH_PORT: String(options.metricsPort),
      KUBELAMBDA_ACCOUNT_CONCURRENCY: String(options.accountConcurrency),
      KUBELAMBDA_OPERATOR_URL: `http://${loopback}:${operatorPort}`,
      KUBELAMBDA_REGION: region,
      KUBELAMBDA_FUNCTION_URL_HOST: "lambda-url.localhost",
      KUBELAMBDA_POD_UID: "local-router",
      KUBELAMBDA_NAMESPACE: installNamespace,
      // As emulators do: whatever credentials an SDK is given will do.
      KUBELAMBDA_AUTH_MODE: "none",
      ...(options.otlpEndpoint !== "" && { KUBELAMBDA_OTLP_ENDPOINT: options.otlpEndpoint }),
      KUBELAMBDA_TRACE_SAMPLING_RATIO: "1",
    }),
    {
      client: store,
      signingKey: privateKey,
      verifyAgentToken: identity.verifier(audiences.router),
      readOperatorToken: () => Promise.resolve(tokens.operator),
      roster: "alone",
      log,
      clock: systemClock,
      draw: Math.random,
    },
  );
  closing.push(() => router.stop(stopWithinMs));

  const runtimes = new Runtimes({
    cacheDirectory: join(cacheDirectory, "runtimes"),
    path: process.env["PATH"] ?? "",
    progress: (line) => terminal.note(line),
  });
  const runner = new PodRunner({
    store,
    client: store,
    identity,
    isolation,
    fileSystems: options.fileSystems,
    runtimes,
    log,
    program: programFiles(),
    stateDirectory,
    onOutput: (name, line) => terminal.output(name, line),
  });
  runner.start();
  closing.push(() => runner.stop());

  const operator = await startOperator(
    operatorConfigSchema.parse(
      operatorEnvironment({
        ...{ operatorPort, packagesPort: packages.port, routerPort: router.internalPort },
        accountConcurrency: options.accountConcurrency,
        functionUrl: `http://${host}:${router.invokePort}${FUNCTION_URL_PATH}${FUNCTION_URL_ID}/`,
        lambdaUrl: `http://${reachable}:${router.invokePort}`,
      }),
    ),
    {
      client: store,
      clock: systemClock,
      draw: Math.random,
      log,
      verifyRouterToken: identity.verifier(audiences.operator),
      packageStore: createHttpPackageStore({
        url: `http://${loopback}:${packages.port}`,
        readToken: () => Promise.resolve(tokens.packages),
      }),
      runtimes: localRuntimes,
      routerKeys: [formatPublicKey(publicKey)],
      functionUrlKey,
      isReplicaGone: undefined,
      hasPodResources: true,
      hasContainers: false,
    },
  );
  closing.push(() => operator.stop(stopWithinMs));

  const ending = new AbortController();
  const garbage = Promise.all(
    [functionKind, layerKind, versionKind].map((kind) => collectGarbage(store, kind, ending.signal)),
  );
  closing.push(async () => {
    ending.abort();
    await garbage;
  });
  const table = new FunctionTable({
    store,
    runtimes,
    place: { isolation, fileSystems: options.fileSystems },
    terminal,
    baseUrl: `http://${host}:${router.invokePort}`,
    nowMs: () => performance.now(),
  });
  table.start(ending.signal);
  const sync = new ManifestSync({
    client: store,
    folder,
    kindOf: createKindTable(ourKinds),
    parse: parseLocally,
    onProblem: ({ where, message }) => terminal.problem(where, message),
  });
  const resync = (): void => {
    void sync.sync().catch((error: unknown) => terminal.problem(folder, `Cannot read the manifests: ${String(error)}`));
  };
  const watcher = watchFolder(folder, resync);
  closing.push(() => watcher.stop());
  await sync.sync();
  const { invokePort: port, topPort } = router;
  const metricsUrl = `http://${reachable}:${router.healthPort}/metrics`;
  return { port, topPort, metricsUrl, pushPort: packages.pushPort, stop: () => closeAll(closing) };
}

/** Who reaches the loopback is the user; a web page that tries cannot send such a header. */
const localPush: PushIdentity = ({ headers }) => {
  const namespace = headers[pushNamespaceHeader];
  const missing = { ok: false, reason: `no header ${pushNamespaceHeader}` } as const;
  return Promise.resolve(namespace === undefined ? missing : { ok: true, namespace });
};

/** In reverse, each whatever became of the one before. */
async function closeAll(closing: readonly (() => Promise<void>)[]): Promise<void> {
  for (const close of closing.toReversed()) await close().catch(() => undefined);
}

function operatorEnvironment(at: {
  readonly operatorPort: number;
  readonly packagesPort: number;
  readonly routerPort: number;
  readonly functionUrl: string;
  readonly lambdaUrl: string;
  readonly accountConcurrency: number;
}): Record<string, string> {
  return {
    KUBELAMBDA_NAMESPACE: installNamespace,
    KUBELAMBDA_IMAGE: "kubelambda:local",
    KUBELAMBDA_RUNTIMES_FILE: "-",
    KUBELAMBDA_TOKEN_FILE: "-",
    KUBELAMBDA_PACKAGES_URL: `http://${loopback}:${at.packagesPort}`,
    KUBELAMBDA_ROUTER_URL: `http://${loopback}:${at.routerPort}`,
    KUBELAMBDA_LAMBDA_URL: at.lambdaUrl,
    KUBELAMBDA_ROUTER_SERVICE_ACCOUNT: `${installNamespace}/${accounts.router}`,
    KUBELAMBDA_REGION: region,
    KUBELAMBDA_FUNCTION_URL: at.functionUrl,
    KUBELAMBDA_ACCOUNT_CONCURRENCY: String(at.accountConcurrency),
    KUBELAMBDA_LEADER_ELECTION: "false",
    KUBELAMBDA_LISTEN_HOST: loopback,
    KUBELAMBDA_INTERNAL_PORT: String(at.operatorPort),
    KUBELAMBDA_HEALTH_PORT: "0",
    KUBELAMBDA_LOG_LEVEL: "error",
  };
}

/** Kinds that a folder may hold for local mode; others are left alone. */
function parseLocally(manifest: Manifest, current: KubernetesObject | undefined): Parsed | undefined {
  if (manifest.apiVersion === functionKind.apiVersion) {
    switch (manifest.kind) {
      case functionKind.kind:
        return parseFunction(manifest, current as FunctionObject | undefined);
      case layerKind.kind:
        return parseLayer(manifest, current as LayerObject | undefined);
      case versionKind.kind:
        return parseVersion(manifest, current as VersionObject | undefined);
      case aliasKind.kind:
        return parseAlias(manifest, current as AliasObject | undefined);
    }
  }
  const isPlain =
    manifest.apiVersion === "v1" && [kinds.configMap.kind, kinds.secret.kind].includes(manifest.kind as "ConfigMap");
  return isPlain ? { ok: true, value: manifest } : undefined;
}

async function writeTokens(
  identity: LocalIdentity,
  directory: string,
): Promise<{ readonly operator: string; readonly packages: string }> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  return {
    operator: await identity.issue(audiences.operator, {
      namespace: installNamespace,
      serviceAccount: accounts.router,
    }),
    packages: await identity.issue(audiences.packages, {
      namespace: installNamespace,
      serviceAccount: accounts.operator,
    }),
  };
}

/** Sources as they stand, or what the build made of them. */
function programFiles(): { readonly root: string; readonly agent: string; readonly supervisor: string } {
  const extension = extname(fileURLToPath(import.meta.url));
  return {
    root: fileURLToPath(new URL("..", import.meta.url)),
    agent: `local/agent-process${extension}`,
    supervisor: `local/supervisor${extension}`,
  };
}
