/** What the chart's values of environments become, as the operator reads them. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { operatorConfigSchema, type OperatorConfig } from "../../operator/operator-config.ts";
import { repositoryRoot } from "../cluster/paths.ts";
import { run } from "../cluster/run.ts";
import { prepareTools, tool } from "../cluster/tools.ts";

interface Deployment {
  readonly kind: string;
  readonly spec: {
    readonly template: { readonly spec: { readonly containers: readonly { readonly env: readonly Variable[] }[] } };
  };
}

interface Variable {
  readonly name: string;
  readonly value?: string;
}

describe("the chart's values of environments", function () {
  this.timeout(60_000);
  before(async () => {
    await prepareTools((line) => void process.stderr.write(`    ${line}\n`));
  });

  async function configOf(environments: object = {}): Promise<OperatorConfig> {
    const args = ["template", "kl", join(repositoryRoot, "charts/kubelambda"), "--values", "-"];
    const show = ["--show-only", "templates/operator.yaml"];
    const input = JSON.stringify({ environments });
    const text = await run(tool("helm"), [...args, ...show], { input, timeoutMs: 30_000 });
    const objects = parseAllDocuments(text).map((document) => document.toJS() as Deployment);
    const env = objects.find(({ kind }) => kind === "Deployment")?.spec.template.spec.containers[0]?.env ?? [];
    return operatorConfigSchema.parse(Object.fromEntries(env.map(({ name, value }) => [name, value ?? "x"])));
  }

  it("say how long an environment stays on a lost node", async () => {
    assert.equal((await configOf()).KUBELAMBDA_NODE_LOST_SECONDS, 30);
    assert.equal((await configOf({ nodeLostSeconds: 300 })).KUBELAMBDA_NODE_LOST_SECONDS, 300);
    await assert.rejects(configOf({ nodeLostSeconds: -1 }), /nodeLostSeconds/);
  });
});
