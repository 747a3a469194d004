/** Process `packages`: the package store. Parses its environment, builds everything, serves until it is told to end. */
import { join } from "node:path";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import type { JSONWebKeySet } from "jose";
import { Agent, request } from "undici";
import { z } from "zod";
import { audiences, ports } from "../crds/wire/routes.ts";
import { CaBundle } from "../lib/ca-bundle.ts";
import { systemClock } from "../lib/clock.ts";
import { startServer, type RunningServer, type ServerOptions } from "../lib/http/express.ts";
import { readBody } from "../lib/http/read-body.ts";
import { giveMemoryBack } from "../lib/idle-memory.ts";
import { openOutput, openProcessLog } from "../lib/process-log.ts";
import { createTokenVerifier, type TokenVerifier } from "../lib/http/service-account-token.ts";
import { openBucketStore } from "./packages/bucket-store.ts";
import { createAddressRules } from "./packages/address-rules.ts";
import { createOciFetcher } from "./packages/fetch-oci.ts";
import { createS3Fetcher } from "./packages/fetch-s3.ts";
import { createUrlFetcher } from "./packages/fetch-url.ts";
import { createHealthHandler } from "./packages/health.ts";
import { ImageLookups } from "./packages/image-lookups.ts";
import { createPackagesMetrics } from "./packages/metrics.ts";
import { PartialPushes } from "./packages/partial-pushes.ts";
import { createPushHandler, pushIdentity, type PushIdentity } from "./packages/push-server.ts";
import { Resolver } from "./packages/resolver.ts";
import { answerUnexpected, createPackagesHandler } from "./packages/server.ts";
import type { PackagesLog } from "./packages/server-log.ts";
import { S3ObjectBucket } from "./packages/s3-bucket.ts";
import type { PackageStore } from "./packages/store.ts";
import { openVolumeStore } from "./packages/volume-store.ts";

const list = z
  .string()
  .default("")
  .transform((text) =>
    text
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== ""),
  );
const port = (preset: number) => z.coerce.number().int().min(0).max(65_535).default(preset);

/** The process's environment variables; unknown ones are ignored. */
export const packagesConfigSchema = z.object({
  /** Where content is kept: a volume of its own, or what a bucket's content is cached in. */
  KUBELAMBDA_PACKAGES_DIRECTORY: z.string().min(1),
  /** Absent: content is kept on the volume. The keys are AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN. */
  KUBELAMBDA_PACKAGES_BUCKET: z.string().default(""),
  KUBELAMBDA_PACKAGES_BUCKET_ENDPOINT: z.string().default(""),
  KUBELAMBDA_PACKAGES_BUCKET_REGION: z.string().default("us-east-1"),
  KUBELAMBDA_PACKAGES_BUCKET_ADDRESSING: z.enum(["path", "host"]).default("path"),
  /** Before every key. */
  KUBELAMBDA_PACKAGES_BUCKET_PREFIX: z.string().default(""),
  /** Of a bucket's content on local disk. */
  KUBELAMBDA_PACKAGES_CACHE_BYTES: z.coerce.number().int().min(0).default(2_147_483_648),
  AWS_ACCESS_KEY_ID: z.string().default(""),
  AWS_SECRET_ACCESS_KEY: z.string().default(""),
  AWS_SESSION_TOKEN: z.string().optional(),
  /** 0 chooses a free one, here and below. */
  KUBELAMBDA_PACKAGES_PORT: port(ports.packages),
  /** Of `kubelambda push`; absent: nothing can be pushed. */
  KUBELAMBDA_PUSH_PORT: z.coerce.number().int().min(0).max(65_535).optional(),
  /** What is pushed stays so long without being used. */
  KUBELAMBDA_PUSH_KEEP_SECONDS: z.coerce.number().min(0).default(604_800),
  KUBELAMBDA_HEALTH_PORT: port(ports.health),
  KUBELAMBDA_LISTEN_HOST: z.string().default("0.0.0.0"),
  /** `namespace/name` of the one that may resolve. */
  KUBELAMBDA_OPERATOR_SERVICE_ACCOUNT: z
    .string()
    .regex(/^[^/]+\/[^/]+$/, "want namespace/name")
    .transform((text) => ({ namespace: text.split("/")[0] ?? "", serviceAccount: text.split("/")[1] ?? "" })),
  KUBELAMBDA_URL_ALLOWED_CIDRS: list,
  KUBELAMBDA_URL_DENIED_CIDRS: list,
  /** Registries of images (`host` or `host:port`) at addresses that are closed otherwise, and those that speak plain HTTP. */
  KUBELAMBDA_REGISTRY_PRIVATE_HOSTS: list,
  KUBELAMBDA_REGISTRY_PLAIN_HTTP_HOSTS: list,
  /** Certificates (PEM) that registries may be signed by, beside the public authorities; empty: none. */
  KUBELAMBDA_REGISTRY_CA_FILE: z.string().default(""),
  KUBELAMBDA_COLLECT_GRACE_SECONDS: z.coerce.number().min(0).default(3600),
  /** Sources that are fetched and checked at once. */
  KUBELAMBDA_RESOLVE_AT_ONCE: z.coerce.number().int().min(1).max(64).default(4),
  KUBELAMBDA_LOG_LEVEL: z.enum(["error", "warn", "info", "debug"]).default("info"),
});
export type PackagesConfig = z.infer<typeof packagesConfigSchema>;

export interface PackagesDependencies {
  /** For tokens of the audience `packages`. */
  readonly verifyToken: TokenVerifier;
  /** Whose packages those are that users push; default: by a token of the same audience. */
  readonly identifyPush?: PushIdentity;
  readonly nowMs: () => number;
  readonly log: PackagesLog;
}

export interface RunningPackages {
  readonly port: number;
  /** 0: nothing can be pushed. */
  readonly pushPort: number;
  readonly healthPort: number;
  stop(deadlineMs: number): Promise<void>;
}

/** Opens the store and listens; rejects when the directory or a port cannot be had, or a range is none. */
export async function startPackages(
  config: PackagesConfig,
  dependencies: PackagesDependencies,
): Promise<RunningPackages> {
  const { verifyToken, identifyPush = pushIdentity(verifyToken), nowMs, log } = dependencies;
  const metrics = createPackagesMetrics();
  const ending = new AbortController();
  const rules = createAddressRules({
    allowedCIDRs: config.KUBELAMBDA_URL_ALLOWED_CIDRS,
    deniedCIDRs: config.KUBELAMBDA_URL_DENIED_CIDRS,
  });
  const onDamaged = (digest: string): void => {
    metrics.damaged.inc();
    log.error("Damaged package moved aside: it is fetched again when its source is resolved again", { digest });
  };
  const store = await openStore(config, onDamaged);
  const fetchUrl = createUrlFetcher({ rules, signal: ending.signal });
  const fetchS3 = createS3Fetcher({ rules, signal: ending.signal });
  const caBundle = new CaBundle(config.KUBELAMBDA_REGISTRY_CA_FILE, (problem) => log.error(problem));
  const access = () => ({
    rules,
    privateHosts: config.KUBELAMBDA_REGISTRY_PRIVATE_HOSTS,
    plainHttpHosts: config.KUBELAMBDA_REGISTRY_PLAIN_HTTP_HOSTS,
    caBundle: caBundle.read(),
  });
  const fetchOci = createOciFetcher({ rules, access, signal: ending.signal });
  const atOnce = config.KUBELAMBDA_RESOLVE_AT_ONCE;
  const graceMs = config.KUBELAMBDA_COLLECT_GRACE_SECONDS * 1000;
  const resolver = new Resolver({ store, fetchUrl, fetchS3, fetchOci, nowMs, graceMs, atOnce });
  const images = new ImageLookups({ atOnce, registries: () => ({ ...access(), signal: ending.signal }) });
  const handler = createPackagesHandler({
    store,
    resolver,
    images,
    verifyToken,
    operator: config.KUBELAMBDA_OPERATOR_SERVICE_ACCOUNT,
    collectGraceMs: graceMs,
    nowMs,
    log,
    metrics,
  });
  const onError = answerUnexpected.bind(undefined, log);
  const host = config.KUBELAMBDA_LISTEN_HOST;
  const identify = identifyPush;
  const keepMs = config.KUBELAMBDA_PUSH_KEEP_SECONDS * 1000;
  const partials = new PartialPushes(join(config.KUBELAMBDA_PACKAGES_DIRECTORY, "partial"), nowMs);
  const push = createPushHandler({ identify, resolver, partials, metrics, log, keepMs });
  const { KUBELAMBDA_PUSH_PORT: pushPort } = config;
  // From afar: 250 MB over a slow line. Whoever falls silent is cut off sooner.
  const pushes = pushPort === undefined ? [] : [{ handler: push, port: pushPort, requestTimeoutMs: 3_600_000 }];
  const servers = await startServers(
    { host, onError },
    { handler, port: config.KUBELAMBDA_PACKAGES_PORT, requestTimeoutMs: 300_000 },
    { handler: createHealthHandler(metrics), port: config.KUBELAMBDA_HEALTH_PORT },
    ...pushes,
  );
  const [listening, health, pushing] = servers.map(({ port }) => port);
  const at = { port: listening ?? 0, pushPort: pushing ?? 0, healthPort: health ?? 0 };
  log.info("Package store listens", at);
  return {
    ...at,
    async stop(deadlineMs) {
      ending.abort();
      await Promise.all(servers.map((server) => server.stop(deadlineMs)));
    },
  };
}

/** All, or none: rejects when a port cannot be had. */
async function startServers(
  common: Pick<ServerOptions, "host" | "onError">,
  ...wanted: readonly Omit<ServerOptions, "host" | "onError">[]
): Promise<readonly RunningServer[]> {
  const started: RunningServer[] = [];
  try {
    for (const each of wanted) started.push(await startServer({ ...common, ...each }));
    return started;
  } catch (error) {
    await Promise.all(started.map((server) => server.stop(0)));
    throw error;
  }
}

async function openStore(config: PackagesConfig, onDamaged: (digest: string) => void): Promise<PackageStore> {
  const directory = config.KUBELAMBDA_PACKAGES_DIRECTORY;
  if (config.KUBELAMBDA_PACKAGES_BUCKET === "") return await openVolumeStore({ directory, onDamaged });
  const bucket = new S3ObjectBucket({
    at: {
      endpoint: config.KUBELAMBDA_PACKAGES_BUCKET_ENDPOINT,
      region: config.KUBELAMBDA_PACKAGES_BUCKET_REGION,
      addressing: config.KUBELAMBDA_PACKAGES_BUCKET_ADDRESSING,
      bucket: config.KUBELAMBDA_PACKAGES_BUCKET,
    },
    credentials: {
      accessKeyId: config.AWS_ACCESS_KEY_ID.trim(),
      secretAccessKey: config.AWS_SECRET_ACCESS_KEY.trim(),
      sessionToken: config.AWS_SESSION_TOKEN?.trim(),
    },
    prefix: config.KUBELAMBDA_PACKAGES_BUCKET_PREFIX,
  });
  const cacheBytes = config.KUBELAMBDA_PACKAGES_CACHE_BYTES;
  const place = [config.KUBELAMBDA_PACKAGES_BUCKET_ENDPOINT, config.KUBELAMBDA_PACKAGES_BUCKET];
  const id = createHash("sha256")
    .update([...place, config.KUBELAMBDA_PACKAGES_BUCKET_PREFIX].join("\n"))
    .digest("hex");
  return await openBucketStore({ bucket, id, directory, cacheBytes, elapsedMs: () => performance.now(), onDamaged });
}

/** Runs the process in a cluster until SIGTERM or SIGINT. */
export async function packagesMain(env: NodeJS.ProcessEnv): Promise<void> {
  const config = packagesConfigSchema.parse(env);
  const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const server = env["KUBERNETES_SERVICE_HOST"];
  const denied = [
    ...config.KUBELAMBDA_URL_DENIED_CIDRS,
    ...own.map(({ address }) => address),
    ...(server ? [server] : []),
  ];
  const clock = systemClock;
  const level = config.KUBELAMBDA_LOG_LEVEL;
  const log = openProcessLog({ process: "packages", level, output: openOutput(clock), clock });
  const verifyToken = createTokenVerifier({
    audience: audiences.packages,
    fetchKeys: fetchClusterKeys,
    nowMs: Date.now,
  });
  const running = await startPackages(
    { ...config, KUBELAMBDA_URL_DENIED_CIDRS: denied },
    { verifyToken, nowMs: Date.now, log },
  );
  const end = (): void => void running.stop(20_000).then(() => process.exit(0));
  giveMemoryBack();
  process.once("SIGTERM", end);
  process.once("SIGINT", end);
}

const accountDirectory = "/var/run/secrets/kubernetes.io/serviceaccount";

/** The keys that the cluster signs service account tokens with, read with the pod's own token. */
async function fetchClusterKeys(): Promise<JSONWebKeySet> {
  const [token, ca] = await Promise.all([
    readFile(`${accountDirectory}/token`, "utf8"),
    readFile(`${accountDirectory}/ca.crt`, "utf8"),
  ]);
  const dispatcher = new Agent({ connect: { ca, timeout: 5000 }, headersTimeout: 10_000, bodyTimeout: 10_000 });
  try {
    const headers = { authorization: `Bearer ${token.trim()}` };
    const { statusCode, body } = await request("https://kubernetes.default.svc/openid/v1/jwks", {
      dispatcher,
      headers,
    });
    const text = (await readBody(body, 1024 * 1024)).toString("utf8");
    if (statusCode !== 200) throw new Error(`Cannot read the cluster's keys: the API server answered ${statusCode}`);
    return JSON.parse(text) as JSONWebKeySet;
  } finally {
    await dispatcher.destroy();
  }
}
