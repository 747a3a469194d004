import { readFile } from "node:fs/promises";
import type { RequestOptions as HttpsOptions } from "node:https";
import type { ConnectionOptions } from "node:tls";

/** The part of TLS's options that a kubeconfig can set. */
export type TlsOptions = Readonly<
  Pick<ConnectionOptions, "ca" | "cert" | "key" | "passphrase" | "servername" | "rejectUnauthorized">
>;

/** What a connection and a request need to be let in. */
export interface Credentials {
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TlsOptions;
  /** An HTTP proxy to go through. */
  readonly proxyUrl?: string;
}

/** Where the API server is and how to get in. `credentials` is asked again and again: tokens and certificates rotate. */
export interface ApiServerAccess {
  readonly server: string;
  /** The namespace that the kubeconfig or the pod names. */
  readonly namespace: string;
  credentials(): Promise<Credentials>;
}

const serviceAccountDir = "/var/run/secrets/kubernetes.io/serviceaccount";

export interface InClusterOptions {
  /** KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT of the pod. */
  readonly host: string;
  readonly port: string;
  /** Folder with token, ca.crt and namespace; default: the kubelet's. */
  readonly dir?: string;
}

/** Access for a pod with a service account, without the client library: its models cost each process about 90 MB. */
export async function inClusterAccess(options: InClusterOptions): Promise<ApiServerAccess> {
  const dir = options.dir ?? serviceAccountDir;
  const host = options.host.includes(":") ? `[${options.host}]` : options.host;
  return {
    server: `https://${host}:${options.port}`,
    namespace: (await readFile(`${dir}/namespace`, "utf8")).trim(),
    credentials: async () => {
      const [token, ca] = await Promise.all([readFile(`${dir}/token`, "utf8"), readFile(`${dir}/ca.crt`)]);
      return { headers: { authorization: `Bearer ${token.trim()}` }, tls: { ca } };
    },
  };
}

/** Access by a kubeconfig file, with every way of authentication that the client library knows; absent: the default file. */
export async function kubeconfigAccess(file?: string): Promise<ApiServerAccess> {
  const { KubeConfig } = await import("@kubernetes/client-node");
  const config = new KubeConfig();
  if (file === undefined) config.loadFromDefault();
  else config.loadFromFile(file);
  const cluster = config.getCurrentCluster();
  if (cluster === null) {
    throw new Error(`Cannot use kubeconfig "${file ?? "default"}": its current context names no cluster`);
  }
  const { proxyUrl } = cluster;
  if (proxyUrl?.startsWith("socks") === true) {
    throw new Error(`Cannot use proxy "${proxyUrl}": only HTTP proxies are supported`);
  }
  return {
    server: cluster.server,
    namespace: config.getContextObject(config.currentContext)?.namespace ?? "default",
    credentials: async () => {
      const options: HttpsOptions = {};
      await config.applyToHTTPSOptions(options);
      return { ...credentialsOf(options), ...(proxyUrl !== undefined && { proxyUrl }) };
    },
  };
}

function credentialsOf(options: HttpsOptions): Credentials {
  const headers = { ...(options.headers as Record<string, string> | undefined) };
  if (typeof options.auth === "string") {
    headers["authorization"] = `Basic ${Buffer.from(options.auth).toString("base64")}`;
  }
  const { ca, cert, key, passphrase, servername, rejectUnauthorized } = options;
  const set = Object.entries({ ca, cert, key, passphrase, servername, rejectUnauthorized });
  return { headers, tls: Object.fromEntries(set.filter(([, value]) => value !== undefined)) };
}

/** A pod's own account where KUBERNETES_SERVICE_HOST is set and no kubeconfig is named, else the kubeconfig. */
export function defaultAccess(env: Readonly<Record<string, string | undefined>>): Promise<ApiServerAccess> {
  const { KUBECONFIG: file, KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = env;
  if (file === undefined && host !== undefined && port !== undefined) return inClusterAccess({ host, port });
  return kubeconfigAccess(file);
}
