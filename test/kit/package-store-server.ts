import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ResolveAnswer, ResolveRequest } from "../../crds/wire/packages.ts";
import { routes } from "../../crds/wire/routes.ts";
import type { TokenVerifier } from "../../lib/http/service-account-token.ts";
import type { AssembleOptions } from "../../runtime-proxy/assemble.ts";
import { packagesConfigSchema, startPackages, type PackagesConfig } from "../../runtime-proxy/packages.ts";

export interface TestStore {
  readonly url: string;
  readonly healthUrl: string;
  readonly pushUrl: string;
  readonly directory: string;
  readonly taskDirectory: string;
  readonly layersDirectory: string;
  /** Moves the store's clock. */
  advance(ms: number): void;
  /** `token` is `<namespace>/<service account>`. */
  request(path: string, options: RequestOptions): Promise<Response>;
  answer(source: ResolveRequest["source"], namespace?: string): Promise<ResolveAnswer>;
  /** The digest; throws when the source is refused. */
  resolve(source: ResolveRequest["source"], namespace?: string): Promise<string>;
  assembleOptions(environment: AssembleOptions["environment"]): Promise<AssembleOptions>;
  stop(): Promise<void>;
}

export interface RequestOptions {
  readonly token?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

export const operatorToken = "kubelambda/operator";

/** Takes `<namespace>/<service account>` for a token: who asks is what a test says. */
export const trustingVerifier: TokenVerifier = (authorization) => {
  const [, namespace, serviceAccount] = /^Bearer ([^/]+)\/([^/]+)$/.exec(authorization ?? "") ?? [];
  if (namespace === undefined || serviceAccount === undefined)
    return Promise.resolve({ ok: false, reason: "no bearer token" });
  return Promise.resolve({ ok: true, identity: { namespace, serviceAccount } });
};

/** On free ports of the loopback. */
export function storeTestConfig(directory: string, env: Readonly<Record<string, string>> = {}): PackagesConfig {
  return packagesConfigSchema.parse({
    KUBELAMBDA_PACKAGES_DIRECTORY: directory,
    KUBELAMBDA_PACKAGES_PORT: "0",
    KUBELAMBDA_HEALTH_PORT: "0",
    KUBELAMBDA_PUSH_PORT: "0",
    KUBELAMBDA_LISTEN_HOST: "127.0.0.1",
    KUBELAMBDA_OPERATOR_SERVICE_ACCOUNT: operatorToken,
    KUBELAMBDA_URL_ALLOWED_CIDRS: "127.0.0.1/32",
    ...env,
  });
}

/** A package store on free ports of the loopback with directories of its own, which `stop` removes. */
export async function startTestStore(
  env: Readonly<Record<string, string>> = {},
  verifyToken: TokenVerifier = trustingVerifier,
): Promise<TestStore> {
  const directory = await mkdtemp(join(tmpdir(), "package-store-"));
  const [taskDirectory, layersDirectory] = [join(directory, "task"), join(directory, "opt")];
  for (const path of [taskDirectory, layersDirectory]) await mkdir(path);
  let nowMs = Date.now();
  const config = storeTestConfig(join(directory, "store"), env);
  const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const running = await startPackages(config, { verifyToken, nowMs: () => nowMs, log: silent });
  const url = `http://127.0.0.1:${running.port}`;

  async function request(path: string, options: RequestOptions): Promise<Response> {
    const { token, method = "GET", headers = {}, body } = options;
    return await fetch(`${url}${path}`, {
      method,
      headers: { ...headers, ...(token !== undefined && { authorization: `Bearer ${token}` }) },
      ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
      signal: AbortSignal.timeout(15_000),
    });
  }

  async function answer(source: ResolveRequest["source"], namespace = "team-a"): Promise<ResolveAnswer> {
    const body = { namespace, use: "code", source };
    const response = await request(routes.resolve, { token: operatorToken, method: "POST", body });
    if (response.status !== 200) throw new Error(`Cannot resolve: ${response.status} ${await response.text()}`);
    return (await response.json()) as ResolveAnswer;
  }

  return {
    url,
    healthUrl: `http://127.0.0.1:${running.healthPort}`,
    pushUrl: `http://127.0.0.1:${running.pushPort}`,
    directory: join(directory, "store"),
    taskDirectory,
    layersDirectory,
    advance: (ms) => void (nowMs += ms),
    request,
    answer,
    async resolve(source, namespace) {
      const resolved = await answer(source, namespace);
      if (!resolved.ok) throw new Error(resolved.error.message);
      return resolved.package.digest;
    },
    assembleOptions: (environment) =>
      Promise.resolve({
        environment,
        packagesUrl: url,
        readToken: () => Promise.resolve("team-a/default"),
        taskDirectory,
        layersDirectory,
      }),
    async stop() {
      await running.stop(1000);
      await rm(directory, { recursive: true, force: true });
    },
  };
}
