import assert from "node:assert/strict";
import { waitUntil } from "../cluster/wait-until.ts";
import { chart, installNamespace, release, system, type System } from "./fixture.ts";

interface Workload {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: { readonly replicas: number };
  readonly status: { readonly readyReplicas?: number; readonly updatedReplicas?: number };
}

interface ContainerStatuses {
  readonly metadata: { readonly name: string };
  readonly status: { readonly containerStatuses?: readonly { readonly name: string; readonly restartCount: number }[] };
}

describe("the chart on a real cluster", () => {
  let installed: System;
  before(async () => {
    installed = await system();
  });

  it("passes helm lint, also with the values of this installation", async () => {
    const { helm, values } = installed;
    await helm(["lint", "--strict", chart]);
    await helm(["lint", "--strict", chart, "--values", "-"], { input: JSON.stringify(values) });
  });

  it("renders objects that the API server takes, for the whole cluster and for one namespace", async () => {
    const { helm, kubectl } = installed;
    const renderings = [
      { namespace: installNamespace, settings: [] },
      { namespace: "default", settings: ["--set", "watchNamespace=default"] },
      { namespace: "default", settings: ["--set", "packages.storage.ephemeral=true"] },
      {
        namespace: "default",
        settings: ["--set", "ingress.enabled=true,ingress.host=lambda.example.org,functionUrls.domain=example.org"],
      },
      {
        namespace: "default",
        settings: ["--set", "router.tls.secretName=cert", "--set", "router.tls.plainHTTP=false"],
      },
      { namespace: "default", settings: ["--set", "auth.mode=none", "--set", "router.tls.secretName=cert"] },
    ];
    for (const { namespace, settings } of renderings) {
      const input = await helm(["template", "other", chart, "--namespace", namespace, ...settings]);
      const apply = ["apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict"];
      const output = await kubectl([...apply, "-n", namespace, "-f", "-"], { input });
      assert.match(output, /deployment\.apps\/other-router serverside-applied/);
    }
  });

  const badValues: Record<string, { set: string; names: RegExp }> = {
    "a region that is none": { set: "region=nowhere", names: /region/ },
    "a value that does not exist": { set: "replicas=3", names: /replicas/ },
    "a mode of authentication that there is not": { set: "auth.mode=off", names: /auth.*mode/ },
    "no router": { set: "router.replicas=0", names: /router.*replicas/ },
    "a runtime without an image": { set: "runtimes.go9\\.x.state=supported", names: /runtimes.*image/s },
    "a digest that is none": { set: "image.digest=latest", names: /digest/ },
  };
  for (const [what, { set, names }] of Object.entries(badValues)) {
    it(`refuses ${what} by its schema and names the value`, async () => {
      await assert.rejects(installed.helm(["template", release, chart, "--set", set]), names);
    });
  }

  it("has all replicas ready in a namespace where Pod Security is restricted, none of them restarted", async () => {
    const { kubectl } = installed;
    const of = ["-n", installNamespace, "-l", "app.kubernetes.io/name=kubelambda", "-o", "json"];
    const workloads = JSON.parse(await kubectl(["get", "deployments,statefulsets", ...of])) as { items: Workload[] };
    assert.deepEqual(workloads.items.map(({ kind, metadata, spec }) => [kind, metadata.name, spec.replicas]).sort(), [
      ["Deployment", "kubelambda-operator", 2],
      ["Deployment", "kubelambda-router", 2],
      ["StatefulSet", "kubelambda-packages", 1],
    ]);
    for (const { metadata, spec, status } of workloads.items) {
      assert.equal(status.readyReplicas, spec.replicas, metadata.name);
      assert.equal(status.updatedReplicas, spec.replicas, metadata.name);
    }
    const pods = JSON.parse(await kubectl(["get", "pods", ...of])) as { items: ContainerStatuses[] };
    for (const { metadata, status } of pods.items) {
      for (const { name, restartCount } of status.containerStatuses ?? []) {
        assert.equal(restartCount, 0, `${metadata.name} ${name}`);
      }
    }
  });

  it("has one operator that leads, and the operator's Service leads to it", async () => {
    const { kubectl } = installed;
    const names = "jsonpath={.items[*].metadata.name}";
    const leaders = ["get", "pods", "-n", installNamespace, "-l", "kubelambda.dev/leader=true", "-o", names];
    const leader = await waitUntil({ what: "one operator to lead", timeoutMs: 40_000, everyMs: 500 }, async () => {
      const found = (await kubectl(leaders)).split(" ").filter((name) => name !== "");
      return found.length === 1 ? found[0] : undefined;
    });
    const target = "jsonpath={.items[*].endpoints[*].targetRef.name}";
    const selector = ["-l", `kubernetes.io/service-name=${release}-operator`];
    await waitUntil({ what: `the Service to lead to ${leader}`, timeoutMs: 20_000, everyMs: 250 }, async () => {
      const found = await kubectl(["get", "endpointslices", "-n", installNamespace, ...selector, "-o", target]);
      return found === leader ? true : undefined;
    });
  });

  it("can be installed again over itself and stays up", async () => {
    const path = "jsonpath={.items[*].metadata.uid}";
    const uids = ["get", "pods", "-n", installNamespace, "-l", "app.kubernetes.io/component=router", "-o", path];
    const before = await installed.kubectl(uids);
    await installed.install();
    assert.equal(await installed.kubectl(uids), before, "nothing changed, so no pod was replaced");
  });

  it("brings a changed CustomResourceDefinition with helm upgrade", async () => {
    const { kubectl } = installed;
    const crd = "customresourcedefinition/functions.kubelambda.dev";
    const names = ["get", crd, "-o", "jsonpath={.spec.names.shortNames}"];
    // As an older chart would have left it.
    const older = JSON.stringify({ spec: { names: { shortNames: [] } } });
    await kubectl(["patch", crd, "--type=merge", "--field-manager=helm", "-p", older]);
    await installed.install();
    assert.equal(await kubectl(names), '["fn"]');
    await kubectl(["wait", "--for=condition=Established", crd, "--timeout=20s"]);
  });
});
