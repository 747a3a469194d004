/** Traefik in a pod: an ingress controller of the classes "traefik" and "nginx", and a gateway. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { waitUntil } from "../cluster/wait-until.ts";
import { progress } from "../e2e/fixture.ts";
import type { Space } from "../e2e/space.ts";
import { applyAll, manifestsOf, type Manifest } from "./manifests.ts";
import { loadProgram, moduleOf, traefik } from "./programs.ts";

/** Ports in the pod. A Gateway's listener has to name that of an entry point. */
export const ports = { web: 8000, websecure: 8443, edge: 8100, edgesecure: 8143, ping: 8080 } as const;

export interface Traefik {
  /** Of its pod: routers hear from it. */
  readonly podAddress: string;
  /** Of the Services in front of it, which take ports 80 and 443. */
  readonly ingressAddress: string;
  readonly gatewayAddress: string;
  /** Its definitions and roles, which belong to no namespace. */
  readonly clusterWide: readonly Manifest[];
}

const name = "traefik";
const labels = { app: name };
const rbac = "rbac.authorization.k8s.io";

/** Resolves once it is ready, in the space's namespace, with the roles that its documentation gives it. */
export async function startTraefik(space: Space): Promise<Traefik> {
  const image = await loadProgram(space.system, traefik, progress);
  const clusterWide = await clusterWideOf(space);
  await applyAll(space.system, clusterWide);
  await space.apply(
    { apiVersion: "v1", kind: "ServiceAccount", metadata: { name } },
    service("ingress", { 80: ports.web, 443: ports.websecure }),
    service("edge", { 80: ports.edge, 443: ports.edgesecure }),
    deployment(image),
  );
  await space.kubectl("rollout", "status", `deployment/${name}`, "--timeout=50s");
  const addressOf = async (kind: string, ...rest: readonly string[]): Promise<string> => {
    return await space.kubectl("get", kind, ...rest);
  };
  return {
    podAddress: await addressOf("pods", "-l", `app=${name}`, "-o", "jsonpath={.items[0].status.podIP}"),
    ingressAddress: await addressOf("service", "ingress", "-o", "jsonpath={.spec.clusterIP}"),
    gatewayAddress: await addressOf("service", "edge", "-o", "jsonpath={.spec.clusterIP}"),
    clusterWide,
  };
}

/** Definitions of the Gateway API in the version that this Traefik is for, classes, and Traefik's roles for its service account. */
async function clusterWideOf(space: Space): Promise<readonly Manifest[]> {
  const definitions = join(await moduleOf(traefik, "sigs.k8s.io/gateway-api"), "config", "crd", "standard");
  const documented = join(await moduleOf(traefik, "github.com/traefik/traefik/v3"), "docs/content/reference");
  const roles = manifestsOf(
    join(documented, "dynamic-configuration/kubernetes-crd-rbac.yml"),
    join(documented, "dynamic-configuration/kubernetes-gateway-rbac.yml"),
    join(documented, "dynamic-configuration/kubernetes-ingress-nginx-rbac.yml"),
  ).filter(({ kind }) => kind === "ClusterRole");
  const bindings = roles.map(({ metadata }) => ({
    apiVersion: `${rbac}/v1`,
    kind: "ClusterRoleBinding",
    metadata: { name: metadata.name },
    roleRef: { apiGroup: rbac, kind: "ClusterRole", name: metadata.name },
    subjects: [{ kind: "ServiceAccount", name, namespace: space.name }],
  }));
  const ingressClass = (className: string, controller: string): Manifest => ({
    ...{ apiVersion: "networking.k8s.io/v1", kind: "IngressClass", metadata: { name: className } },
    spec: { controller },
  });
  const files = readdirSync(definitions).filter((file) => file.startsWith("gateway."));
  const crds = manifestsOf(...files.map((file) => join(definitions, file)));
  await applyAll(space.system, crds);
  const established = ["wait", "--for=condition=Established", "--timeout=50s"];
  await space.system.kubectl([...established, ...crds.flatMap(crdName)]);
  return [
    ...crds,
    ...roles,
    ...bindings,
    ingressClass("nginx", "k8s.io/ingress-nginx"),
    ingressClass("traefik", "traefik.io/ingress-controller"),
    {
      ...{ apiVersion: "gateway.networking.k8s.io/v1", kind: "GatewayClass", metadata: { name } },
      spec: { controllerName: "traefik.io/gateway-controller" },
    },
  ];
}

function crdName({ kind, metadata }: Manifest): readonly string[] {
  return kind === "CustomResourceDefinition" ? [`crd/${metadata.name}`] : [];
}

function service(serviceName: string, targets: Readonly<Record<number, number>>): object {
  const entries = Object.entries(targets);
  const spec = {
    selector: labels,
    ports: entries.map(([port, targetPort]) => ({ name: `p${port}`, port: Number(port), targetPort })),
  };
  return { apiVersion: "v1", kind: "Service", metadata: { name: serviceName }, spec };
}

/** Timeouts and limits are Traefik's defaults. Ingresses are served on the ports of their own Service, the gateway on others. */
const args = [
  `--entryPoints.web.address=:${ports.web}`,
  "--entryPoints.web.asDefault=true",
  `--entryPoints.websecure.address=:${ports.websecure}`,
  "--entryPoints.websecure.asDefault=true",
  "--entryPoints.websecure.http.tls=true",
  `--entryPoints.edge.address=:${ports.edge}`,
  `--entryPoints.edgesecure.address=:${ports.edgesecure}`,
  `--entryPoints.traefik.address=:${ports.ping}`,
  "--providers.kubernetesIngress.ingressClass=traefik",
  "--providers.kubernetesIngressNGINX.httpEntryPoint=web",
  "--providers.kubernetesIngressNGINX.httpsEntryPoint=websecure",
  "--providers.kubernetesGateway=true",
  "--ping=true",
  "--accesslog=true",
  "--global.checkNewVersion=false",
  "--global.sendAnonymousUsage=false",
];

function deployment(image: string): object {
  const container = {
    ...{ name, image, args, imagePullPolicy: "IfNotPresent" },
    securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ["ALL"] } },
    readinessProbe: { httpGet: { path: "/ping", port: ports.ping }, periodSeconds: 1 },
    volumeMounts: [{ name: "tmp", mountPath: "/tmp" }],
  };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name },
    spec: {
      replicas: 1,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          serviceAccountName: name,
          terminationGracePeriodSeconds: 1,
          securityContext: { runAsNonRoot: true, runAsUser: 65_532, seccompProfile: { type: "RuntimeDefault" } },
          containers: [container],
          volumes: [{ name: "tmp", emptyDir: {} }],
        },
      },
    },
  };
}

/** A Gateway of one listener with TLS that takes routes of all namespaces; resolves once Traefik has taken it. */
export async function openGateway(space: Space, secretName: string): Promise<void> {
  const listener = {
    ...{ name: "https", protocol: "HTTPS", port: ports.edgesecure },
    tls: { mode: "Terminate", certificateRefs: [{ name: secretName }] },
    allowedRoutes: { namespaces: { from: "All" } },
  };
  await space.apply({
    apiVersion: "gateway.networking.k8s.io/v1",
    kind: "Gateway",
    metadata: { name: "edge" },
    spec: { gatewayClassName: name, listeners: [listener] },
  });
  await space.kubectl("wait", "--for=condition=Programmed", "gateway/edge", "--timeout=50s");
}

/** Waits for the probe at most a minute; in vain: throws with what Traefik has printed. */
export async function untilRouted(space: Space, what: string, probe: () => Promise<true | undefined>): Promise<void> {
  try {
    await waitUntil({ what, timeoutMs: 60_000, everyMs: 500 }, probe);
  } catch (cause) {
    const log = await space.kubectl("logs", `deployment/${name}`, "--tail=30");
    throw new Error(`Cannot reach ${what}; Traefik says:\n${log}`, { cause });
  }
}
