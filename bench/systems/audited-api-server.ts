/** A real API server without nodes that writes down every request but its own, and what the control plane needs beside it. */
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import { kindDefinitions } from "../../crds/kinds.ts";
import { kubeconfigAccess } from "../../lib/kubernetes/api-server-access.ts";
import { ApiServerClient } from "../../lib/kubernetes/api-server-client.ts";
import type { KubernetesObject } from "../../lib/kubernetes/object.ts";
import { startControlPlane, type ControlPlane } from "../../test/cluster/control-plane.ts";
import { waitUntil } from "../../test/cluster/wait-until.ts";

export interface AuditedApiServer {
  readonly host: string;
  readonly port: string;
  /** Folder as the kubelet gives it to a pod, of who may do everything. */
  readonly serviceAccountDir: string;
  /** Path, of the same user. */
  readonly kubeconfig: string;
  readonly client: ApiServerClient;
  /** Verb and resource of each request that came within so long, e.g. "watch functions". */
  requestsDuring(ms: number): Promise<readonly string[]>;
  stop(): Promise<void>;
}

interface AuditEvent {
  readonly verb: string;
  readonly objectRef?: { readonly resource?: string; readonly subresource?: string };
  readonly requestURI: string;
}

interface Kubeconfig {
  readonly clusters: readonly [{ readonly cluster: { readonly "certificate-authority-data": string } }];
  readonly users: readonly [{ readonly user: { readonly token: string } }];
}

const servedLimitMs = 20_000;

export interface AuditOptions {
  /** False: nothing is written down, for a line a request takes time. */
  readonly writesDown?: boolean;
  /** More flags and variables of kube-apiserver. */
  readonly apiServerArgs?: readonly string[];
  readonly apiServerEnv?: Readonly<Record<string, string>>;
}

/** With the kinds and the namespace "kubelambda"; `folder` takes the audit log. */
export async function startAuditedApiServer(
  folder: string,
  { writesDown = true, apiServerArgs = [], apiServerEnv = {} }: AuditOptions = {},
): Promise<AuditedApiServer> {
  const [log, policy] = [join(folder, "audit.log"), join(folder, "audit-policy.json")];
  const rules = [
    { level: "None", users: ["system:apiserver", "system:anonymous"] },
    // Who is asked how it is asks nothing.
    { level: "None", nonResourceURLs: ["/readyz*", "/livez*", "/healthz*"] },
    { level: "Metadata" },
  ];
  const omitStages = ["RequestReceived"];
  writeFileSync(policy, JSON.stringify({ apiVersion: "audit.k8s.io/v1", kind: "Policy", omitStages, rules }));
  const audit = [`--audit-log-path=${log}`, `--audit-policy-file=${policy}`, "--audit-log-maxsize=2000"];
  const plane = await startControlPlane({
    apiServerArgs: [...apiServerArgs, ...(writesDown ? audit : [])],
    apiServerEnv,
  });
  const client = new ApiServerClient({
    access: await kubeconfigAccess(plane.kubeconfig),
    kinds: kindDefinitions.map((kind) => ({ ...kind, namespaced: true })),
  });
  const stop = async (): Promise<void> => {
    await client.close();
    await plane.stop();
  };
  try {
    await createKinds(client);
    const serviceAccountDir = createServiceAccountDir(plane, folder);
    const { hostname: host, port } = new URL(plane.server);
    return {
      ...{ host, port, serviceAccountDir, kubeconfig: plane.kubeconfig, client, stop },
      requestsDuring: (ms) => requestsDuring(log, ms),
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function createKinds(client: ApiServerClient): Promise<void> {
  await client.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: "kubelambda" } });
  for (const { plural } of kindDefinitions) {
    const text = readFileSync(new URL(`../../crds/${plural}.yaml`, import.meta.url), "utf8");
    await client.create(parse(text) as KubernetesObject);
  }
  for (const kind of kindDefinitions) {
    await waitUntil({ what: `${kind.kind} to be served`, timeoutMs: servedLimitMs }, async () =>
      client.list({ ...kind, namespaced: true }).catch(() => undefined),
    );
  }
}

/** The kubeconfig's user, given as to a pod. */
function createServiceAccountDir({ kubeconfig }: ControlPlane, folder: string): string {
  const { clusters, users } = JSON.parse(readFileSync(kubeconfig, "utf8")) as Kubeconfig;
  const dir = join(folder, "service-account");
  mkdirSync(dir);
  writeFileSync(join(dir, "token"), users[0].user.token);
  writeFileSync(join(dir, "namespace"), "kubelambda");
  writeFileSync(join(dir, "ca.crt"), Buffer.from(clusters[0].cluster["certificate-authority-data"], "base64"));
  return dir;
}

/** Of a watch the log tells its begin and its end. */
async function requestsDuring(log: string, ms: number): Promise<readonly string[]> {
  const from = statSync(log).size;
  await new Promise((resolve) => setTimeout(resolve, ms));
  const file = await open(log);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(statSync(log).size - from), 0, null, from);
    const lines = buffer.subarray(0, bytesRead).toString("utf8").split("\n").filter(Boolean);
    return lines.map((line) => describe(JSON.parse(line) as AuditEvent));
  } finally {
    await file.close();
  }
}

function describe({ verb, objectRef, requestURI }: AuditEvent): string {
  const { resource, subresource } = objectRef ?? {};
  const what = resource ?? new URL(requestURI, "http://localhost").pathname;
  return `${verb} ${subresource === undefined ? what : `${what}/${subresource}`}`;
}
