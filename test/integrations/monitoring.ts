/** Prometheus in a pod that scrapes the routers as docs/metrics.md says, at http://prometheus.monitoring:9090. */
import { stringify } from "yaml";
import { installNamespace, progress, type System } from "../e2e/fixture.ts";
import { applyAll, deleteAll, recipeOf, type Manifest } from "./manifests.ts";
import { loadProgram, prometheus } from "./programs.ts";

export const monitoringNamespace = "monitoring";

const name = "prometheus";
const labels = { app: name };
const port = 9090;
const rbac = "rbac.authorization.k8s.io";

/** Resolves once it is ready; returns how to end that. */
export async function startPrometheus(system: System): Promise<() => Promise<void>> {
  const image = await loadProgram(system, prometheus, progress);
  const manifests = manifestsWith(image);
  await applyAll(system, manifests);
  const rollout = ["rollout", "status", `deployment/${name}`, "-n", monitoringNamespace, "--timeout=50s"];
  await system.kubectl(rollout);
  return async () => deleteAll(system, manifests);
}

function manifestsWith(image: string): readonly Manifest[] {
  const ours = { name, namespace: monitoringNamespace };
  const role = { name, namespace: installNamespace };
  const scraping = recipeOf("metrics.md", "scrape_configs:")[0];
  // The recipe leaves the interval open; with Prometheus' own minute a test would take many.
  const config = { global: { scrape_interval: "2s" }, ...scraping };
  return [
    {
      ...{ apiVersion: "v1", kind: "Namespace" },
      metadata: { name: monitoringNamespace, labels: { "kubelambda.dev/metrics": "reader" } },
    },
    { apiVersion: "v1", kind: "ServiceAccount", metadata: ours },
    {
      ...{ apiVersion: `${rbac}/v1`, kind: "Role", metadata: role },
      rules: [{ apiGroups: [""], resources: ["pods"], verbs: ["get", "list", "watch"] }],
    },
    {
      ...{ apiVersion: `${rbac}/v1`, kind: "RoleBinding", metadata: role },
      roleRef: { apiGroup: rbac, kind: "Role", name },
      subjects: [{ kind: "ServiceAccount", ...ours }],
    },
    { apiVersion: "v1", kind: "ConfigMap", metadata: ours, data: { "prometheus.yml": stringify(config) } },
    { apiVersion: "v1", kind: "Service", metadata: ours, spec: { selector: labels, ports: [{ port }] } },
    { apiVersion: "apps/v1", kind: "Deployment", metadata: ours, spec: deployment(image) },
  ];
}

function deployment(image: string): object {
  const container = {
    ...{ name, image, imagePullPolicy: "IfNotPresent" },
    args: ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/data"],
    readinessProbe: { httpGet: { path: "/-/ready", port }, periodSeconds: 1 },
    volumeMounts: [
      { name: "config", mountPath: "/etc/prometheus" },
      { name: "data", mountPath: "/data" },
    ],
  };
  const volumes = [
    { name: "config", configMap: { name } },
    { name: "data", emptyDir: {} },
  ];
  const securityContext = { runAsNonRoot: true, runAsUser: 65_534, fsGroup: 65_534 };
  const spec = { serviceAccountName: name, securityContext, containers: [container], volumes };
  return { replicas: 1, selector: { matchLabels: labels }, template: { metadata: { labels }, spec } };
}
