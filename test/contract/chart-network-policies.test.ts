/** Who reaches our processes' ports by the chart's NetworkPolicies. */
import assert from "node:assert/strict";
import { parseAllDocuments } from "yaml";
import { join } from "node:path";
import { repositoryRoot } from "../cluster/paths.ts";
import { run } from "../cluster/run.ts";
import { prepareTools, tool } from "../cluster/tools.ts";

interface Policy {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly ingress?: readonly {
      readonly ports: readonly { readonly port: string }[];
      readonly from?: readonly object[];
    }[];
  };
}

const byDefault = [{ podSelector: {} }, { namespaceSelector: { matchLabels: { "kubelambda.dev/metrics": "reader" } } }];

describe("the chart's NetworkPolicies", function () {
  this.timeout(60_000);
  before(async () => {
    await prepareTools((line) => void process.stderr.write(`    ${line}\n`));
  });

  async function text(values: object, template: string): Promise<string> {
    const args = ["template", "kl", join(repositoryRoot, "charts/kubelambda"), "--values", "-"];
    const show = ["--show-only", `templates/${template}.yaml`];
    return await run(tool("helm"), [...args, ...show], { input: JSON.stringify(values), timeoutMs: 30_000 });
  }

  async function render(values: object = {}): Promise<readonly Policy[]> {
    const documents = parseAllDocuments(await text(values, "network-policies"));
    return documents.map((document) => document.toJS() as Policy);
  }

  /** By policy, the peers of each rule that opens the port; undefined: everybody. */
  function peersOf(
    port: string,
    policies: readonly Policy[],
  ): Record<string, readonly (readonly object[] | undefined)[]> {
    return Object.fromEntries(
      policies.map(({ metadata, spec }) => {
        const rules = (spec.ingress ?? []).filter(({ ports }) => ports.some((one) => one.port === port));
        return [metadata.name, rules.map(({ from }) => from)];
      }),
    );
  }
  const all = (peers: readonly (readonly object[] | undefined)[]): Record<string, unknown> =>
    Object.fromEntries(["router", "operator", "packages", "cache"].map((name) => [`kl-${name}`, peers]));

  it("metrics are for pods of the install namespace and for namespaces with the label, of every process", async () => {
    assert.deepEqual(peersOf("health", await render()), all([byDefault]));
  });

  it("metrics are for whoever is named instead, and for nobody where nobody is", async () => {
    const metricsFrom = [{ namespaceSelector: { matchLabels: { team: "platform" } } }];
    assert.deepEqual(peersOf("health", await render({ networkPolicy: { metricsFrom } })), all([metricsFrom]));
    assert.deepEqual(peersOf("health", await render({ networkPolicy: { metricsFrom: [] } })), all([]));
  });

  it("who may call is not who may read metrics", async () => {
    const invokeFrom = [{ podSelector: { matchLabels: { app: "gateway" } } }];
    const policies = await render({ networkPolicy: { invokeFrom } });
    assert.deepEqual(peersOf("invoke", policies)["kl-router"], [invokeFrom]);
    assert.deepEqual(peersOf("invoke", await render())["kl-router"], [undefined]);
    assert.deepEqual(peersOf("health", policies), all([byDefault]));
  });

  it("of a port that is switched off there is nothing to reach, whether or not they are enforced", async () => {
    const off = { packages: { push: { enabled: false } }, router: { top: { enabled: false } } };
    const without = await render(off);
    assert.deepEqual([peersOf("push", without)["kl-packages"], peersOf("top", without)["kl-router"]], [[], []]);
    assert.doesNotMatch(await text(off, "packages"), /8201|PUSH_PORT/);
    assert.doesNotMatch(await text(off, "router"), /8202|TOP_PORT/);
    assert.match(await text({}, "packages"), /KUBELAMBDA_PUSH_PORT, value: "8201"/);
  });

  it("refuse peers that are none", async () => {
    await assert.rejects(render({ networkPolicy: { metricsFrom: ["monitoring"] } }), /metricsFrom/);
  });
});
