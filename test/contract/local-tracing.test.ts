/** A function that brings the OpenTelemetry SDK continues the trace that the router has begun, or taken over. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "mocha";
import { stringify } from "yaml";
import { LocalProcess } from "../kit/local-process.ts";
import { OtlpReceiver, type SeenSpan } from "../kit/otlp-receiver.ts";
import { tracedFunction } from "../kit/traced-function.ts";

describe("traces of a function with an OpenTelemetry SDK", function () {
  this.timeout(120_000);
  const receiver = new OtlpReceiver();
  let local: LocalProcess;

  before(async () => {
    await receiver.start();
    local = new LocalProcess("--otlp-endpoint", receiver.url);
    const spec = {
      ...{ runtime: "nodejs24.x", handler: "index.handler", timeout: 20, memorySize: 512 },
      environment: { variables: { COLLECTOR: receiver.url } },
      code: { files: { "index.js": await tracedFunction() } },
    };
    const metadata = { name: "traced" };
    local.write("traced.yaml", stringify({ apiVersion: "kubelambda.dev/v1alpha1", kind: "Function", metadata, spec }));
    await local.start("traced");
  });
  after(async () => {
    const { status, left } = await local.stop();
    await receiver.stop();
    assert.deepEqual([status, left], [0, []]);
  });

  it("its span is a child of the run, which is a child of the call; the first call shows how it came up", async () => {
    const { status, body } = await local.invoke("traced", {});
    assert.equal(status, 200, body);
    const [own] = await receiver.until(({ name }) => name === "handler", 1);
    const named = async (name: string): Promise<SeenSpan> => {
      const [span] = await receiver.until((seen) => seen.name === name && seen.traceId === own?.traceId, 1);
      assert.ok(span !== undefined);
      return span;
    };
    const [call, run, wait] = [await named("Invoke traced"), await named("traced"), await named("wait")];
    assert.equal(own?.parentSpanId, run.spanId);
    assert.equal((JSON.parse(body) as { parent: string }).parent, run.spanId);
    assert.equal(run.parentSpanId, call.spanId);
    assert.equal(call.parentSpanId, undefined);
    assert.equal(run.attributes["faas.coldstart"], true);
    for (const name of ["start", "fetch", "init"]) assert.equal((await named(name)).parentSpanId, wait.spanId);
  });
});
