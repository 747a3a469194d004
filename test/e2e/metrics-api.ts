/** As prometheus-adapter or KEDA would: the routers' own metric of how many are in use as `external.metrics.k8s.io`, for a HorizontalPodAutoscaler. */
import { installNamespace } from "./fixture.ts";
import { servingPort, startServingPod, tlsFolder } from "./serving-pod.ts";
import type { Space } from "./space.ts";

const name = "metrics-api";
const apiService = "v1beta1.external.metrics.k8s.io";
const family = "kubelambda_provisioned_concurrent_executions_max";

function sourceOf(routers: readonly string[]): string {
  return `
const { createServer } = require("node:https");
const { readFileSync } = require("node:fs");
const tls = { cert: readFileSync("${tlsFolder}/tls.crt"), key: readFileSync("${tlsFolder}/tls.key") };
const resources = { kind: "APIResourceList", apiVersion: "v1", groupVersion: "external.metrics.k8s.io/v1beta1", resources: [] };
const read = async (resource) => {
  let most = 0;
  for (const router of ${JSON.stringify(routers)}) {
    const text = await (await fetch("http://" + router + ":9090/metrics")).text();
    for (const line of text.split("\\n"))
      if (line.startsWith("${family}{") && line.includes('resource="' + resource + '"')) most = Math.max(most, Number(line.split(" ")[1]));
  }
  return most;
};
createServer(tls, async (request, response) => {
  const url = new URL(request.url, "https://x");
  response.setHeader("content-type", "application/json");
  if (!url.pathname.endsWith("/${family}")) return response.end(JSON.stringify(resources));
  const [, resource = ""] = /^resource=(.*)$/.exec(url.searchParams.get("labelSelector") ?? "") ?? [];
  const value = Math.round((await read(resource.replace("_", ":"))) * 1000) + "m";
  const item = { metricName: "${family}", metricLabels: {}, timestamp: new Date().toISOString(), value };
  response.end(JSON.stringify({ kind: "ExternalMetricValueList", apiVersion: "external.metrics.k8s.io/v1beta1", metadata: {}, items: [item] }));
}).listen(${servingPort});
`;
}

/** Resolves once the API server serves it; returns how to end that. A label's value has no colon, so the resource is \`name_alias\`. */
export async function startMetricsApi(space: Space): Promise<() => Promise<void>> {
  await space.system.kubectl(["label", "namespace", space.name, "kubelambda.dev/metrics=reader", "--overwrite"]);
  const selected = ["-n", installNamespace, "get", "pods", "-l", "app.kubernetes.io/component=router"];
  const addresses = await space.system.kubectl([...selected, "-o", "jsonpath={.items[*].status.podIP}"]);
  const caBundle = await startServingPod(space, { name, source: sourceOf(addresses.split(" ")) });
  await space.apply({
    apiVersion: "apiregistration.k8s.io/v1",
    kind: "APIService",
    metadata: { name: apiService },
    spec: {
      group: "external.metrics.k8s.io",
      version: "v1beta1",
      service: { name, namespace: space.name, port: 443 },
      caBundle,
      groupPriorityMinimum: 100,
      versionPriority: 100,
    },
  });
  // A namespace does not end while an API that is registered does not answer.
  const end = async (): Promise<void> => {
    await space.kubectl("delete", "apiservice", apiService, "--ignore-not-found");
  };
  try {
    // What did not answer at first is asked again after half a minute.
    const available = ["wait", "--for=condition=Available", `apiservice/${apiService}`, "--timeout=90s"];
    await space.system.kubectl(available, { timeoutMs: 100_000 });
  } catch (cause) {
    const asked = space.kubectl("get", "apiservice", apiService, "-o", "jsonpath={.status}");
    const status = await asked.catch((error: unknown) => String(error));
    await end();
    throw new Error(`Cannot serve ${apiService}: ${status}`, { cause });
  }
  return end;
}

/** For spec.metrics of a HorizontalPodAutoscaler: as many as are in use, divided by the share of each that shall be. */
export function inUseMetric(resource: string, share: string): object {
  const metric = { name: family, selector: { matchLabels: { resource: resource.replace(":", "_") } } };
  return { type: "External", external: { metric, target: { type: "AverageValue", averageValue: share } } };
}
