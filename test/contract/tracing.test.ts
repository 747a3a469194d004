/** Spans of calls as a collector gets them, in what both headers say of a trace. */
import assert from "node:assert/strict";
import { invocationAnswerHeaders as told } from "../../crds/wire/environment.ts";
import { sleep, systemClock } from "../../lib/clock.ts";
import { OtlpReceiver, type SeenSpan } from "../kit/otlp-receiver.ts";
import { RouterWorld } from "../kit/router-world.ts";
import type { ScriptedAgent } from "../kit/scripted-agent.ts";

const traceId = "5759e988bd862e3fe1be46a994272793";
const root = "1-5759e988-bd862e3fe1be46a994272793";
const parent = "53995c3f42cd8ad8";

describe("traces", () => {
  const receiver = new OtlpReceiver();
  let world: RouterWorld;
  let agent: ScriptedAgent;

  before(async function () {
    this.timeout(120_000);
    await receiver.start();
    world = new RouterWorld();
    await world.startRouter({ KUBELAMBDA_OTLP_ENDPOINT: receiver.url });
    agent = await world.addEnvironment(await world.addFunction({ name: "traced" }));
  });
  after(async () => {
    await world.close();
    await receiver.stop();
  });
  beforeEach(() => {
    agent.calls.length = 0;
    receiver.spans.length = 0;
    agent.script = () => ({ body: "1", headers: { [told.durationMs]: "0.5" } });
  });

  const seenByFunction = (): string => String(agent.calls.at(-1)?.headers["x-amzn-trace-id"]);
  const ofRequest = (id: unknown) => (span: SeenSpan) => span.attributes["faas.invocation_id"] === id;

  async function traced(headers: Record<string, string>): Promise<{ call: SeenSpan; run: SeenSpan }> {
    const answer = await world.invoke("traced", "{}", headers);
    assert.equal(answer.status, 200);
    const spans = await receiver.until(ofRequest(answer.headers["x-amzn-requestid"]), 2);
    const call = spans.find(({ name }) => name === "Invoke traced");
    const run = spans.find(({ name }) => name === "traced");
    assert.ok(call !== undefined && run !== undefined);
    return { call, run };
  }

  it("continue the caller's, in X-Ray's header: the run is the function's parent, and nobody else's root", async () => {
    const { call, run } = await traced({ "x-amzn-trace-id": `Root=${root};Parent=${parent};Sampled=1` });
    assert.deepEqual([call.traceId, call.parentSpanId, call.kind], [traceId, parent, "SPAN_KIND_SERVER"]);
    assert.deepEqual([run.traceId, run.parentSpanId, run.kind], [traceId, call.spanId, "SPAN_KIND_SERVER"]);
    assert.match(seenByFunction(), new RegExp(`^Root=${root};Parent=${run.spanId};Sampled=1;`));
    assert.ok(run.fromMs >= call.fromMs && run.untilMs <= call.untilMs);
    assert.ok(Math.abs(run.untilMs - run.fromMs - 0.5) < 0.01);
  });

  it("continue the caller's, in W3C's header, as the same trace in X-Ray's words", async () => {
    const { call, run } = await traced({ traceparent: `00-${traceId}-${parent}-01` });
    assert.deepEqual([call.traceId, call.parentSpanId], [traceId, parent]);
    assert.match(seenByFunction(), new RegExp(`^Root=${root};Parent=${run.spanId};Sampled=1;`));
  });

  it("say whose call it was by the semantic conventions", async () => {
    const { call, run } = await traced({ traceparent: `00-${traceId}-${parent}-01` });
    assert.equal(call.resource["service.name"], "kubelambda-router");
    const arn = "arn:aws:lambda:us-east-1:";
    assert.deepEqual(
      ["service.name", "faas.name", "faas.version", "faas.instance", "cloud.region", "k8s.namespace.name"].map(
        (name) => run.resource[name],
      ),
      ["traced", "traced", "$LATEST", agent.podUid, "us-east-1", "default"],
    );
    assert.match(String(run.resource["cloud.resource_id"]), new RegExp(`^${arn}\\d{12}:function:traced$`));
    assert.equal(call.attributes["http.response.status_code"], 200);
    assert.equal(call.attributes["faas.trigger"], "other");
    assert.equal(run.attributes["faas.coldstart"], false);
  });

  it("go on in the event of a function URL, in both headers", async () => {
    const id = "0123456789abcdef0123456789abcdef";
    const web = await world.addFunction({
      name: "web",
      spec: { functionURLConfig: { authType: "NONE", invokeMode: "BUFFERED" } },
      status: { functionURL: `http://127.0.0.1/lambda-url/${id}/` },
    });
    const own = await world.addEnvironment(web);
    const headers = { traceparent: `00-${traceId}-${parent}-01` };
    const answer = await world.call(`/lambda-url/${id}/pay`, { method: "GET", headers });
    assert.equal(answer.status, 200, answer.body);
    const [call, run] = await receiver.until(ofRequest(answer.headers["x-amzn-requestid"]), 2);
    assert.deepEqual(
      [call?.name, call?.attributes["faas.trigger"], call?.parentSpanId],
      ["FunctionUrl web", "http", parent],
    );
    const event = JSON.parse(own.calls[0]?.event ?? "{}") as { headers: Record<string, string> };
    assert.equal(event.headers["traceparent"], `00-${traceId}-${run?.spanId}-01`);
    assert.match(event.headers["x-amzn-trace-id"] ?? "", new RegExp(`^Root=${root};Parent=${run?.spanId};Sampled=1`));
  });

  it("keep a decision not to sample, and write nothing of it", async () => {
    for (const headers of [
      { "x-amzn-trace-id": `Root=${root};Parent=${parent};Sampled=0` },
      { traceparent: `00-${traceId}-${parent}-00` },
    ]) {
      await world.invoke("traced", "{}", headers);
      assert.match(seenByFunction(), new RegExp(`^Root=${root};Parent=${parent};Sampled=0;`));
    }
    // Sent after them, in order: with it they would have come.
    await traced({ traceparent: `00-${traceId}-${parent}-01` });
    assert.equal(receiver.spans.filter(({ name }) => name === "Invoke traced").length, 1);
    assert.equal(receiver.spans.filter(({ name }) => name === "traced").length, 1);
  });

  it("tracingConfig: Active samples by itself, PassThrough does what the caller says", async () => {
    const active = await world.addFunction({ name: "active", spec: { tracingConfig: { mode: "Active" } } });
    const own = await world.addEnvironment(active);
    const { headers } = await world.invoke("active");
    await receiver.until(ofRequest(headers["x-amzn-requestid"]), 2);
    assert.match(String(own.calls[0]?.headers["x-amzn-trace-id"]), /;Sampled=1;/);
    await world.invoke("traced");
    assert.match(seenByFunction(), /;Sampled=0;/);
  });

  it("show a cold start as what it was: start, fetch and init within the wait", async () => {
    const cold = await world.addFunction({ name: "cold" });
    const answering = world.invoke("cold", "{}", { traceparent: `00-${traceId}-${parent}-01` });
    await world.reported(({ functions }) => functions.some(({ name, needed }) => name === "cold" && needed === 1));
    // The environment says that it needed 45 ms.
    await sleep(systemClock, 60);
    const fresh = await world.addPod(cold);
    const times = { initMs: "20", fetchMs: "10", startMs: "15", readyMs: "1", durationMs: "0.1" };
    const headers = Object.fromEntries(
      Object.entries(times).map(([name, ms]) => [told[name as keyof typeof told], ms]),
    );
    fresh.script = () => ({ body: "1", headers });
    await world.announce(fresh);
    const answer = await answering;
    const isOfCall = ofRequest(answer.headers["x-amzn-requestid"]);
    const [call] = await receiver.until((span) => isOfCall(span) && span.name === "Invoke cold", 1);
    const [wait] = await receiver.until((span) => span.parentSpanId === call?.spanId && span.name === "wait", 1);
    const phases = await receiver.until((span) => span.parentSpanId === wait?.spanId, 3);
    assert.deepEqual(
      phases.map(({ name, fromMs, untilMs }) => [name, Math.round(untilMs - fromMs)]),
      [
        ["start", 15],
        ["fetch", 10],
        ["init", 20],
      ],
    );
    const [run] = await receiver.until((span) => isOfCall(span) && span.name === "cold", 1);
    assert.equal(run?.attributes["faas.coldstart"], true);
    assert.ok(phases.every(({ fromMs, untilMs }) => fromMs >= (wait?.fromMs ?? 0) && untilMs <= (wait?.untilMs ?? 0)));
  });

  it("show an error of the function, and a refusal, as such", async () => {
    agent.script = () => ({ body: "{}", headers: { "x-amz-function-error": "Unhandled" } });
    const { call, run } = await traced({ traceparent: `00-${traceId}-${parent}-01` });
    assert.equal(call.status?.code, "STATUS_CODE_ERROR");
    assert.equal(run.status?.code, "STATUS_CODE_ERROR");
    assert.equal(run.attributes["error.type"], "function_error");
    await world.addFunction({ name: "off", spec: { reservedConcurrentExecutions: 0 } });
    const off = await world.invoke("off", "{}", { traceparent: `00-${traceId}-${parent}-01` });
    const [refused] = await receiver.until(ofRequest(off.headers["x-amzn-requestid"]), 1);
    assert.equal(refused?.attributes["http.response.status_code"], 429);
    assert.equal(refused.attributes["error.type"], "TooManyRequestsException");
    assert.notEqual(refused.status?.code, "STATUS_CODE_ERROR");
  });
});

describe("traces without a collector that takes them", () => {
  it("cost no call, and are counted", async () => {
    const world = new RouterWorld();
    try {
      const router = await world.startRouter({ KUBELAMBDA_OTLP_ENDPOINT: "http://127.0.0.1:9" });
      await world.addEnvironment(await world.addFunction({ name: "f" }));
      for (let call = 0; call < 20; call += 1)
        assert.equal((await world.invoke("f", "{}", { traceparent: `00-${traceId}-${parent}-01` })).status, 200);
      const metrics = await (await fetch(`http://127.0.0.1:${router.healthPort}/metrics`)).text();
      assert.match(metrics, /^# TYPE kubelambda_router_spans_total counter$/m);
    } finally {
      await world.close();
    }
  });
});
