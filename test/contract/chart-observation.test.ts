/** What the chart's values of traces, the access log, top and waiting calls become, as the router reads it. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { parseEnvironment } from "../../lib/config.ts";
import { routerConfigSchema, type RouterConfig } from "../../runtime-proxy/router-config.ts";
import { repositoryRoot } from "../cluster/paths.ts";
import { run } from "../cluster/run.ts";
import { prepareTools, tool } from "../cluster/tools.ts";

interface Deployment {
  readonly spec?: {
    readonly template?: {
      readonly spec: { readonly containers: readonly { readonly env: readonly { name: string; value?: string }[] }[] };
    };
  };
}

describe("the chart's values of what is observed", function () {
  this.timeout(60_000);
  before(async () => {
    await prepareTools((line) => void process.stderr.write(`    ${line}\n`));
  });

  async function template(...set: readonly string[]): Promise<string> {
    const args = ["template", "kl", join(repositoryRoot, "charts/kubelambda"), "--show-only", "templates/router.yaml"];
    return await run(tool("helm"), [...args, ...set.flatMap((value) => ["--set", value])], { timeoutMs: 30_000 });
  }

  /** The environment that the router's container gets, through the schema that the process reads it by. */
  async function configOf(...set: readonly string[]): Promise<RouterConfig> {
    const documents = parseAllDocuments(await template(...set)).map((document) => document.toJS() as Deployment | null);
    const containers = documents.flatMap((document) => document?.spec?.template?.spec.containers ?? []);
    const env = Object.fromEntries((containers[0]?.env ?? []).map(({ name, value }) => [name, value]));
    const parsed = parseEnvironment(routerConfigSchema, {
      ...env,
      KUBELAMBDA_POD_UID: "uid",
      KUBELAMBDA_NAMESPACE: "kubelambda",
    });
    assert.ok(parsed.ok, JSON.stringify(parsed));
    return parsed.value;
  }

  it("by default: neither spans nor an access log, and top on its port", async () => {
    const config = await configOf();
    assert.deepEqual(
      [config.KUBELAMBDA_OTLP_ENDPOINT, config.KUBELAMBDA_ACCESS_LOG, config.KUBELAMBDA_TOP_PORT],
      [undefined, "none", 8202],
    );
  });

  it("as set, with the ratio as a number or as the text that --set makes of it", async () => {
    const config = await configOf(
      "tracing.endpoint=http://collector:4318",
      "tracing.samplingRatio=0.05",
      "router.accessLog.mode=sampled",
      "router.accessLog.sampleRatio=1",
      "router.top.enabled=false",
    );
    assert.deepEqual(
      [config.KUBELAMBDA_OTLP_ENDPOINT, config.KUBELAMBDA_TRACE_SAMPLING_RATIO, config.KUBELAMBDA_ACCESS_LOG],
      ["http://collector:4318", 0.05, "sampled"],
    );
    assert.deepEqual([config.KUBELAMBDA_ACCESS_LOG_RATIO, config.KUBELAMBDA_TOP_PORT], [1, undefined]);
  });

  it("router.waitingCalls is how many calls of a version wait", async () => {
    assert.equal((await configOf()).KUBELAMBDA_WAITING_CALLS, 1000);
    assert.equal((await configOf("router.waitingCalls=1000000")).KUBELAMBDA_WAITING_CALLS, 1_000_000);
    await assert.rejects(template("router.waitingCalls=-1"), /waitingCalls.*minimum: got -1, want 0/);
  });

  it("are refused with what would be right", async () => {
    await assert.rejects(template("router.accessLog.mode=off"), /must be one of 'none', 'all', 'sampled'/);
    await assert.rejects(template("tracing.samplingRatio=2"), /samplingRatio.*maximum: got 2, want 1/);
    await assert.rejects(template("tracing.endpoint=collector:4318"), /endpoint.*does not match pattern/);
  });
});
