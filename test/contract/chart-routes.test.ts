/** What the chart makes of its values for function URLs: an Ingress, an HTTPRoute, and what operator and router are told. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseAllDocuments, stringify } from "yaml";
import { startControlPlane } from "../cluster/control-plane.ts";
import { goModuleFolder } from "../cluster/go-module.ts";
import { run } from "../cluster/run.ts";
import { prepareTools, tool } from "../cluster/tools.ts";
import { operatorConfigSchema } from "../../operator/operator-config.ts";
import { routerConfigSchema } from "../../runtime-proxy/router-config.ts";

interface Rendered {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly annotations?: Record<string, string> };
  readonly spec: Record<string, unknown>;
}

/** As on many clusters: the release channel "standard". */
const gatewayApi = "sigs.k8s.io/gateway-api@v1.4.0";
const chart = new URL("../../charts/kubelambda", import.meta.url).pathname;

describe("the chart's routes", function () {
  this.timeout(120_000);
  before(async function () {
    this.timeout(300_000);
    await prepareTools(() => undefined);
  });

  async function render(...settings: readonly string[]): Promise<readonly Rendered[]> {
    const set = settings.flatMap((setting) => ["--set", setting]);
    const output = await run(tool("helm"), ["template", "kl", chart, "--namespace", "faas", ...set], {
      timeoutMs: 60_000,
    });
    return parseAllDocuments(output).map((document) => document.toJS() as Rendered);
  }
  const find = (objects: readonly Rendered[], kind: string): Rendered | undefined =>
    objects.find((object) => object.kind === kind);

  /** Variables of a deployment's container. */
  function variables(objects: readonly Rendered[], name: string): Record<string, string> {
    const deployment = objects.find(({ kind, metadata }) => kind === "Deployment" && metadata.name === name);
    const { template } = deployment?.spec as {
      template: { spec: { containers: { env: { name: string; value?: string }[] }[] } };
    };
    return Object.fromEntries(template.spec.containers[0]?.env.map(({ name, value }) => [name, value ?? "x"]) ?? []);
  }
  async function told(
    ...settings: readonly string[]
  ): Promise<{ pattern: string; hostSuffix: string; proxies: string[] }> {
    const objects = await render(...settings);
    const operator = operatorConfigSchema.parse(variables(objects, "kl-operator"));
    const router = routerConfigSchema.parse(variables(objects, "kl-router"));
    return {
      pattern: operator.KUBELAMBDA_FUNCTION_URL,
      hostSuffix: router.KUBELAMBDA_FUNCTION_URL_HOST,
      proxies: router.KUBELAMBDA_TRUSTED_PROXIES,
    };
  }

  it("are not made unless asked for; URLs then lead to the Service, by path", async () => {
    const objects = await render();
    assert.deepEqual([find(objects, "Ingress"), find(objects, "HTTPRoute")], [undefined, undefined]);
    const { pattern, hostSuffix, proxies } = await told();
    assert.deepEqual([pattern, hostSuffix, proxies], ["http://kl-router.faas/lambda-url/{id}/", "", []]);
  });

  it("URLs say what the values say", async () => {
    assert.equal((await told("router.service.port=8080")).pattern, "http://kl-router.faas:8080/lambda-url/{id}/");
    const base = "functionUrls.baseURL=https://lambda.example.org";
    assert.equal((await told(base)).pattern, "https://lambda.example.org/lambda-url/{id}/");
    const { pattern, hostSuffix, proxies } = await told(
      "functionUrls.domain=example.org",
      "region=eu-west-1",
      "functionUrls.trustedProxies={10.0.0.0/8,2001:db8::/32}",
    );
    assert.equal(pattern, "https://{id}.lambda-url.eu-west-1.example.org/");
    assert.equal(hostSuffix, "lambda-url.eu-west-1.example.org");
    assert.deepEqual(proxies, ["10.0.0.0/8", "2001:db8::/32"]);
  });

  it("an Ingress has the API's host and the hosts of URLs, each with its certificate", async () => {
    const objects = await render(
      ...["ingress.enabled=true", "ingress.className=nginx", "ingress.host=lambda.example.org"],
      ...["functionUrls.domain=example.org", "ingress.annotations.a=b"],
      ...["ingress.tls.secretName=one", "ingress.tls.functionUrlsSecretName=all"],
    );
    const backend = { service: { name: "kl-router", port: { number: 80 } } };
    const http = { paths: [{ path: "/", pathType: "Prefix", backend }] };
    const urls = "*.lambda-url.us-east-1.example.org";
    const ingress = find(objects, "Ingress");
    assert.deepEqual(ingress?.metadata.annotations, { a: "b" });
    assert.deepEqual(ingress.spec, {
      ingressClassName: "nginx",
      tls: [
        { hosts: ["lambda.example.org"], secretName: "one" },
        { hosts: [urls], secretName: "all" },
      ],
      rules: [
        { host: "lambda.example.org", http },
        { host: urls, http },
      ],
    });
    const services = objects.filter(({ kind, metadata }) => kind === "Service" && metadata.name === "kl-router");
    assert.equal(services.length, 1);
  });

  it("an HTTPRoute has the same hosts", async () => {
    const objects = await render(
      ...["gateway.enabled=true", "gateway.parentRefs[0].name=edge", "gateway.requestTimeout=900s"],
      ...["functionUrls.domain=example.org", "gateway.host=lambda.example.org"],
    );
    const route = find(objects, "HTTPRoute");
    assert.equal(route?.apiVersion, "gateway.networking.k8s.io/v1");
    assert.deepEqual(route.spec, {
      parentRefs: [{ name: "edge" }],
      hostnames: ["lambda.example.org", "*.lambda-url.us-east-1.example.org"],
      rules: [{ backendRefs: [{ name: "kl-router", port: 80 }], timeouts: { request: "900s" } }],
    });
  });

  it("lead to the port that is there where the API is served over TLS alone, and so do URLs", async () => {
    const settings = ["router.tls.secretName=cert", "router.tls.plainHTTP=false"];
    const objects = await render(
      ...[...settings, "ingress.enabled=true", "ingress.host=lambda.example.org"],
      ...["gateway.enabled=true", "gateway.parentRefs[0].name=edge", "gateway.host=lambda.example.org"],
    );
    const service = objects.find(({ kind, metadata }) => kind === "Service" && metadata.name === "kl-router");
    assert.deepEqual(service?.spec["ports"], [{ name: "https", port: 443, targetPort: "invoke-tls" }]);
    assert.match(JSON.stringify(find(objects, "Ingress")?.spec), /"port":\{"number":443\}/);
    const rules = [{ backendRefs: [{ name: "kl-router", port: 443 }] }];
    assert.deepEqual(find(objects, "HTTPRoute")?.spec["rules"], rules);
    assert.equal((await told(...settings)).pattern, "https://kl-router.faas/lambda-url/{id}/");
  });

  it("a real API server takes both, the HTTPRoute by Gateway API's own definition, word by word", async () => {
    const objects = await render(
      ...["gateway.enabled=true", "gateway.parentRefs[0].name=edge", "gateway.requestTimeout=900s"],
      ...["gateway.host=lambda.example.org", "gateway.annotations.a=b"],
      ...["ingress.enabled=true", "ingress.host=lambda.example.org", "ingress.tls.secretName=one"],
    );
    const routes = ["Ingress", "HTTPRoute"].map((kind) => find(objects, kind));
    const definitions = join(await goModuleFolder(gatewayApi), "config", "crd", "standard");
    const folder = mkdtempSync(join(tmpdir(), "routes-"));
    const controlPlane = await startControlPlane();
    const kubectl = async (...args: readonly string[]): Promise<string> =>
      await run(tool("kubectl"), ["--kubeconfig", controlPlane.kubeconfig, ...args], { timeoutMs: 60_000 });
    try {
      await kubectl("create", "-f", join(definitions, "gateway.networking.k8s.io_httproutes.yaml"));
      const served = ["--for=condition=Established", "--timeout=30s"];
      await kubectl("wait", ...served, "crd/httproutes.gateway.networking.k8s.io");
      await kubectl("create", "namespace", "faas");
      const file = join(folder, "routes.yaml");
      writeFileSync(file, routes.map((route) => stringify(route)).join("---\n"));
      assert.equal(
        await kubectl("create", "--namespace", "faas", "--validate=strict", "-f", file),
        "ingress.networking.k8s.io/kl-router created\nhttproute.gateway.networking.k8s.io/kl-router created\n",
      );
    } finally {
      await controlPlane.stop();
      rmSync(folder, { recursive: true });
    }
  });

  it("each is made with one host alone", async () => {
    const ingress = find(await render("ingress.enabled=true", "ingress.host=lambda.example.org"), "Ingress");
    assert.deepEqual(
      (ingress?.spec["rules"] as { host: string }[]).map(({ host }) => host),
      ["lambda.example.org"],
    );
    assert.equal(ingress?.spec["tls"], undefined);
    const settings = ["gateway.enabled=true", "gateway.parentRefs[0].name=edge", "functionUrls.domain=example.org"];
    const route = find(await render(...settings), "HTTPRoute");
    assert.deepEqual(route?.spec["hostnames"], ["*.lambda-url.us-east-1.example.org"]);
  });

  const refused: Record<string, { settings: readonly string[]; names: RegExp }> = {
    "an Ingress without a host": {
      settings: ["ingress.enabled=true"],
      names: /ingress has no host: set ingress\.host/,
    },
    "a route without a gateway": {
      settings: ["gateway.enabled=true", "gateway.host=a.example.org"],
      names: /gateway has no parentRefs/,
    },
    "a base that is no URL": { settings: ["functionUrls.baseURL=example.org"], names: /baseURL/ },
    "an annotation of the Service that is no text": {
      settings: ["router.service.annotations.internal=true"],
      names: /annotations\/internal.*want string/,
    },
    "a node label that is no text": { settings: ["nodeSelector.gpu=true"], names: /nodeSelector\/gpu.*want string/ },
    "a proxy that is no address": { settings: ["functionUrls.trustedProxies={ingress}"], names: /trustedProxies/ },
  };
  for (const [what, { settings, names }] of Object.entries(refused)) {
    it(`are refused: ${what}`, async () => assert.rejects(render(...settings), names));
  }
});
