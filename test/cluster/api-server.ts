import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { isDaemonAlive, logTail } from "./daemon.ts";
import { type Certified, createAuthority, createServiceAccountKey, issueCertificate } from "./pki.ts";
import { GivenUp, waitUntil } from "./wait-until.ts";

/** What an API server and those who talk to it need in files. */
export interface Credentials {
  readonly authority: Certified;
  readonly server: Certified;
  readonly serviceAccountKey: { readonly privateFile: string; readonly publicFile: string };
  readonly tokenFile: string;
  readonly kubeconfig: string;
}

export interface ApiServerAddress {
  readonly host: string;
  readonly port: number;
}

/** All pods are in one of these ranges and all Services in the other; both are for tests by RFC 2544. */
export const podCidr = "198.18.0.0/16";
export const serviceCidr = "198.19.0.0/16";

/** Makes the authority, the server's certificate, keys, an administrator's token and a kubeconfig that uses it. */
export async function createCredentials(stateDir: string, address: ApiServerAddress): Promise<Credentials> {
  const dir = join(stateDir, "pki");
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const [authority, serviceAccountKey] = await Promise.all([
    createAuthority(dir, "kubelambda-test"),
    createServiceAccountKey(dir),
  ]);
  const names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"];
  const server = await issueCertificate(dir, authority, {
    name: "kube-apiserver",
    subject: "/CN=kube-apiserver",
    subjectAltNames: [
      ...[...names, "localhost"].map((name) => `DNS:${name}`),
      ...new Set(["127.0.0.1", "198.19.0.1", address.host].map((ip) => `IP:${ip}`)),
    ].join(","),
  });
  const token = randomBytes(24).toString("hex");
  const tokenFile = join(dir, "tokens.csv");
  writeFileSync(tokenFile, `${token},admin,admin,"system:masters"\n`, { mode: 0o600 });
  const kubeconfig = join(stateDir, "kubeconfig");
  writeKubeconfig(kubeconfig, { address, authorityFile: authority.certFile, user: { token } });
  return { authority, server, serviceAccountKey, tokenFile, kubeconfig };
}

export interface KubeconfigContent {
  readonly address: ApiServerAddress;
  readonly authorityFile: string;
  readonly user: Readonly<Record<string, string>>;
}

/** JSON is YAML; with the authority as data, so that the file can be copied. */
export function writeKubeconfig(file: string, content: KubeconfigContent): void {
  const name = "kubelambda-test";
  const cluster = {
    server: `https://${content.address.host}:${content.address.port}`,
    "certificate-authority-data": readFileSync(content.authorityFile).toString("base64"),
  };
  const config = {
    apiVersion: "v1",
    kind: "Config",
    "current-context": name,
    clusters: [{ name, cluster }],
    users: [{ name, user: content.user }],
    contexts: [{ name, context: { cluster: name, user: name } }],
  };
  writeFileSync(file, JSON.stringify(config, undefined, 2), { mode: 0o600 });
}

/** Flags that every API server of ours has. */
export function apiServerArgs(credentials: Credentials, address: ApiServerAddress, etcdUrl: string): string[] {
  const key = credentials.serviceAccountKey;
  return [
    `--etcd-servers=${etcdUrl}`,
    `--bind-address=${address.host}`,
    `--secure-port=${address.port}`,
    `--tls-cert-file=${credentials.server.certFile}`,
    `--tls-private-key-file=${credentials.server.keyFile}`,
    `--token-auth-file=${credentials.tokenFile}`,
    "--authorization-mode=Node,RBAC",
    "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
    `--service-account-signing-key-file=${key.privateFile}`,
    `--service-account-key-file=${key.publicFile}`,
    `--service-cluster-ip-range=${serviceCidr}`,
    "--allow-privileged=true",
  ];
}

/** Waits until the server says that it is ready; fails at once, with the end of its log, when its process is gone. */
export async function waitForApiServer(stateDir: string, address: ApiServerAddress, timeoutMs: number): Promise<void> {
  const token = readFileSync(join(stateDir, "pki", "tokens.csv"), "utf8").split(",")[0] ?? "";
  const ca = readFileSync(join(stateDir, "pki", "kubelambda-test.crt"));
  try {
    await waitUntil({ what: `https://${address.host}:${address.port}/readyz`, timeoutMs }, async () => {
      for (const name of ["etcd", "kube-apiserver"]) {
        if (!isDaemonAlive(stateDir, name)) throw new GivenUp(`${name} has ended; ${logTail(stateDir, name)}`);
      }
      // The second is read from etcd, and exists once the server's own controllers have run.
      for (const path of ["/readyz", "/api/v1/namespaces/default"]) {
        if ((await getStatus({ ...address, path, ca, token })) !== 200) return undefined;
      }
      return true;
    });
  } catch (cause) {
    if (cause instanceof GivenUp) throw new Error(`Cannot start the API server: ${cause.message}`, { cause });
    throw new Error(
      `Cannot start the API server: ${(cause as Error).message}; ${logTail(stateDir, "kube-apiserver")}`,
      { cause },
    );
  }
}

function getStatus(from: ApiServerAddress & { path: string; ca: Buffer; token: string }): Promise<number> {
  return new Promise((resolve, reject) => {
    const { token, ...where } = from;
    const headers = { authorization: `Bearer ${token}` };
    const req = request({ ...where, headers, agent: false, timeout: 2000 }, (res) => {
      res.resume();
      resolve(res.statusCode ?? 0);
    });
    req.once("timeout", () => req.destroy(new Error("no answer in 2 s")));
    req.once("error", reject);
    req.end();
  });
}
