/** docs/provisioned-concurrency.md's HorizontalPodAutoscaler, by prometheus-adapter and Prometheus as their projects publish them. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { stringify } from "yaml";
import { progress } from "../e2e/fixture.ts";
import type { Space } from "../e2e/space.ts";
import { applyAll, deleteAll, manifestsOf, recipeOf, withImages, type Manifest } from "./manifests.ts";
import { monitoringNamespace, startPrometheus } from "./monitoring.ts";
import { loadProgram, moduleOf, prometheusAdapter } from "./programs.ts";
import { openShop, scaleOutAndIn } from "./shop.ts";

interface AdapterValues {
  readonly rules: { readonly external: readonly object[] };
}

const name = "prometheus-adapter";
const apiService = "v1beta1.external.metrics.k8s.io";
const rbac = "rbac.authorization.k8s.io";
/** Of the module's manifests those that are not for `metrics.k8s.io`, which the recipe has no rules for. */
const published = [
  "service-account.yaml",
  "cluster-role.yaml",
  "cluster-role-binding.yaml",
  "cluster-role-binding-delegator.yaml",
  "role-binding-auth-reader.yaml",
  "service.yaml",
  "deployment.yaml",
];

/** What its Helm chart adds where there are rules.external. Source: prometheus-adapter's Helm chart, templates/external-metrics-*.yaml. */
const forExternalMetrics: readonly Manifest[] = [
  {
    ...{ apiVersion: "apiregistration.k8s.io/v1", kind: "APIService", metadata: { name: apiService } },
    spec: {
      service: { name, namespace: monitoringNamespace },
      ...{ group: "external.metrics.k8s.io", version: "v1beta1", insecureSkipTLSVerify: true },
      ...{ groupPriorityMinimum: 100, versionPriority: 100 },
    },
  },
  {
    ...{ apiVersion: `${rbac}/v1`, kind: "ClusterRole", metadata: { name: `${name}-external-metrics` } },
    rules: [{ apiGroups: ["external.metrics.k8s.io"], resources: ["*"], verbs: ["list", "get", "watch"] }],
  },
  {
    ...{
      apiVersion: `${rbac}/v1`,
      kind: "ClusterRoleBinding",
      metadata: { name: `${name}-hpa-controller-external-metrics` },
    },
    roleRef: { apiGroup: rbac, kind: "ClusterRole", name: `${name}-external-metrics` },
    subjects: [{ kind: "ServiceAccount", name: "horizontal-pod-autoscaler", namespace: "kube-system" }],
  },
];

describe("prometheus-adapter and a HorizontalPodAutoscaler scale an alias", function () {
  this.timeout(360_000);
  let space: Space;
  let autoscaler: Manifest;
  /** How to undo what was made, in the order of its making. */
  const made: (() => Promise<unknown>)[] = [];

  before(async function () {
    this.timeout(45 * 60_000);
    const [values, manifest] = recipeOf("provisioned-concurrency.md", "# values of prometheus-adapter");
    assert.ok(manifest !== undefined);
    autoscaler = manifest;
    space = await openShop();
    made.push(() => space.close());
    const { system } = space;
    made.push(await startPrometheus(system));
    const manifests = await adapterManifests((values as unknown as AdapterValues).rules.external);
    made.push(() => deleteAll(system, manifests));
    await applyAll(system, manifests);
    const rollout = ["rollout", "status", `deployment/${name}`, "-n", monitoringNamespace, "--timeout=110s"];
    await system.kubectl(rollout, { timeoutMs: 120_000 });
    await system.kubectl(["wait", "--for=condition=Available", `apiservice/${apiService}`, "--timeout=90s"], {
      timeoutMs: 100_000,
    });
    made.push(() => space.kubectl("delete", "hpa", "--all"));
  });
  after(async () => {
    for (const undo of made.toReversed()) await undo();
  });

  async function adapterManifests(externalRules: readonly object[]): Promise<readonly Manifest[]> {
    const folder = join(await moduleOf(prometheusAdapter, "sigs.k8s.io/prometheus-adapter"), "deploy", "manifests");
    const image = await loadProgram(space.system, prometheusAdapter, progress);
    const images = { "registry.k8s.io/prometheus-adapter/prometheus-adapter": image };
    const files = published.map((file) => join(folder, file));
    return [
      {
        ...{
          apiVersion: "v1",
          kind: "ConfigMap",
          metadata: { name: "adapter-config", namespace: monitoringNamespace },
        },
        data: { "config.yaml": stringify({ externalRules }) },
      },
      ...withImages(manifestsOf(...files), images, 65_534).map(withPlainPrometheus),
      ...forExternalMetrics,
    ];
  }

  it("out under load, to what is needed, and in again without calls", async () => {
    await space.apply(autoscaler);
    // Kubernetes waits five minutes before it scales in.
    const behavior = { scaleDown: { stabilizationWindowSeconds: 5 } };
    await space.apply({ ...autoscaler, spec: { ...(autoscaler["spec"] as object), behavior } });
    await scaleOutAndIn(space, "prometheus-adapter");
  });
});

/** The Prometheus here has no TLS, and one replica is enough for a node of two cores. */
function withPlainPrometheus(manifest: Manifest): Manifest {
  if (manifest.kind !== "Deployment") return manifest;
  const text = JSON.stringify(manifest).replace(
    "https://prometheus.monitoring.svc:9090/",
    "http://prometheus.monitoring:9090/",
  );
  const copy = JSON.parse(text) as Manifest & { readonly spec: object };
  return { ...copy, spec: { ...copy.spec, replicas: 1 } };
}
