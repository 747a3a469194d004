/** Limits and metrics of local mode, as its options and its terminal tell them. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "mocha";
import { stringify } from "yaml";
import { LocalProcess } from "../kit/local-process.ts";

const source = `export const handler = async ({ ms = 0 }) => {
  await new Promise((resolve) => setTimeout(resolve, ms));
  return "done";
};`;

describe("local mode's limits and metrics", function () {
  this.timeout(120_000);
  const local = new LocalProcess("--account-concurrency", "1");

  before(async () => {
    const spec = {
      runtime: "nodejs24.x",
      handler: "index.handler",
      timeout: 20,
      code: { files: { "index.mjs": source } },
    };
    const metadata = { name: "free" };
    local.write("free.yaml", stringify({ apiVersion: "kubelambda.dev/v1alpha1", kind: "Function", metadata, spec }));
    await local.start("free");
    await local.until(async () => (await local.invoke("free", {})).status === 200, 60_000);
  });
  after(async () => {
    const { status, left } = await local.stop();
    assert.deepEqual([status, left], [0, []]);
  });

  it("concurrency 5: a second call is beyond an account of one", async () => {
    const answers = await Promise.all([1, 2].map(() => local.invoke("free", { ms: 2000 })));
    const [ran, refused] = answers.toSorted((one, other) => one.status - other.status);
    assert.deepEqual([ran?.status, refused?.status], [200, 429]);
    assert.match(refused?.body ?? "", /"ConcurrentInvocationLimitExceeded"/);
  });

  it("metrics are where the terminal says, with the account's limit", async () => {
    const [, url] = /^Metrics are at (\S+)$/m.exec(local.output) ?? [];
    assert.ok(url !== undefined, local.output);
    const text = await (await fetch(url)).text();
    assert.match(text, /^kubelambda_account_concurrency_limit\{namespace="default"\} 1$/m);
    assert.match(text, /^kubelambda_invocations_total\{namespace="default",function="free",[^}]*\} [1-9]/m);
  });

  for (const [option, value] of [
    ["--account-concurrency", "many"],
    ["--metrics-port", "70000"],
  ] as const)
    it(`does not start with ${option} ${value}`, async () => {
      const wrong = new LocalProcess(option, value);
      await assert.rejects(wrong.start(), new RegExp(`Cannot .*"${value}".*: want 0 to`));
      await wrong.stop();
    });
});
