import assert from "node:assert/strict";
import { ManualClock } from "../test/kit/manual-clock.ts";
import type { FunctionFacts } from "./domain/function-facts.ts";
import { FunctionMetrics, type EndedCall } from "./function-metrics.ts";

const arnOf = (name: string): string => `arn:aws:lambda:us-east-1:000000000001:function:${name}`;

function facts(name: string, version = "$LATEST", namespace = "shop"): FunctionFacts {
  const state = "Active";
  return {
    uid: `${namespace}/${name}`,
    version,
    namespace,
    objectName: name,
    name,
    arn: arnOf(name),
    state,
    timeoutSeconds: 3,
  };
}

function ran(name: string, more: Partial<EndedCall> & { readonly durationMs?: number; readonly fails?: boolean } = {}) {
  const { durationMs = 1, fails = false, ...call } = more;
  const end = { type: "ran", isFunctionError: fails, durationMs } as const;
  return { facts: facts(name), invokedArn: arnOf(name), end, ...call };
}

describe("metrics of each function", () => {
  let clock: ManualClock;
  let metrics: FunctionMetrics;
  beforeEach(() => {
    clock = new ManualClock();
    metrics = new FunctionMetrics({ clock, maxSeries: 100 });
  });

  async function lines(pattern: RegExp): Promise<readonly string[]> {
    let text = "";
    for await (const piece of metrics.text()) text += piece;
    return text.split("\n").filter((line) => pattern.test(line));
  }

  it("count calls that ran, and errors among them", async () => {
    metrics.count(ran("pay"));
    metrics.count(ran("pay", { fails: true }));
    const labels = 'namespace="shop",function="pay",resource="pay",executed_version="$LATEST"';
    assert.deepEqual(await lines(/^kubelambda_(invocations|errors)_total/), [
      `kubelambda_invocations_total{${labels}} 2`,
      `kubelambda_errors_total{${labels}} 1`,
    ]);
  });

  it("concurrency 31: have both versions behind a weighted alias", async () => {
    for (const version of ["1", "1", "2"]) {
      metrics.count(ran("pay", { facts: facts("pay", version), invokedArn: `${arnOf("pay")}:live` }));
    }
    assert.deepEqual(await lines(/^kubelambda_invocations_total/), [
      'kubelambda_invocations_total{namespace="shop",function="pay",resource="pay:live",executed_version="1"} 2',
      'kubelambda_invocations_total{namespace="shop",function="pay",resource="pay:live",executed_version="2"} 1',
    ]);
  });

  it("concurrency 6, 32: count a throttled call as a throttle only", async () => {
    const end = { type: "throttled", reason: "ConcurrentInvocationLimitExceeded" } as const;
    metrics.count({ facts: facts("pay"), invokedArn: arnOf("pay"), end });
    const [throttles, ...others] = await lines(/^kubelambda_throttles_total/);
    assert.match(throttles ?? "", /,reason="ConcurrentInvocationLimitExceeded"} 1$/);
    assert.deepEqual(others, []);
    assert.match((await lines(/^kubelambda_invocations_total/))[0] ?? "", / 0$/);
    assert.match((await lines(/^kubelambda_duration_seconds_count/))[0] ?? "", / 0$/);
  });

  it("have a histogram of durations that adds up", async () => {
    for (const durationMs of [1, 5, 6, 600_000]) metrics.count(ran("pay", { durationMs }));
    const counts = (await lines(/^kubelambda_duration_seconds_bucket/)).map((line) => Number(line.split(" ").at(-1)));
    assert.deepEqual(counts, [2, 3, 3, 3, 3, 3, 3, 4]);
    assert.match((await lines(/^kubelambda_duration_seconds_sum/))[0] ?? "", / 600\.012$/);
  });

  it("forget a function that nobody has called for an hour", async () => {
    metrics.count(ran("old"));
    clock.advance(3_600_001);
    metrics.count(ran("new"));
    assert.deepEqual(
      (await lines(/^kubelambda_invocations_total/)).map((line) => /function="(\w+)"/.exec(line)?.[1]),
      ["new"],
    );
  });

  it("have a bound: calls beyond it are counted without a name", async () => {
    for (let n = 0; n < 150; n += 1) metrics.count(ran(`f${n}`));
    metrics.count(ran("f149"));
    const counted = await lines(/^kubelambda_invocations_total/);
    assert.equal(counted.length, 51);
    assert.equal(
      counted.at(-1),
      'kubelambda_invocations_total{namespace="",function="",resource="",executed_version=""} 101',
    );
  });

  it("of one namespace leave room for others, also what top shows", async () => {
    for (let n = 0; n < 150; n += 1) metrics.count(ran("many", { facts: facts("many", `${n}`, "loud") }));
    for (let n = 0; n < 150; n += 1) metrics.count(ran(`f${n}`, { facts: facts(`f${n}`, "1", "loud") }));
    const quiet = facts("pay", "1", "quiet");
    metrics.count(ran("pay", { facts: quiet }));
    assert.deepEqual(await lines(/^kubelambda_invocations_total.*quiet/), [
      'kubelambda_invocations_total{namespace="quiet",function="pay",resource="pay",executed_version="1"} 1',
    ]);
    assert.equal(metrics.recent.of(quiet.uid, clock.monotonicMs()).calls, 1);
  });

  it("find room again within a minute of when others have become old", async () => {
    for (let n = 0; n < 60; n += 1) metrics.count(ran(`old${n}`));
    clock.advance(3_600_001);
    metrics.count(ran("new"));
    assert.equal((await lines(/^kubelambda_invocations_total.*"new"/)).length, 1);
  });

  it("of 5,000 functions are less than 20 MB, in pieces between which other work goes on", async () => {
    metrics = new FunctionMetrics({ clock });
    for (let n = 0; n < 5000; n += 1) metrics.count(ran(`orders-service-function-${n}`));
    let turns = 0;
    let isOver = false;
    const turn = (): void => {
      turns += 1;
      if (!isOver) setImmediate(turn);
    };
    setImmediate(turn);
    let [pieces, bytes, longest] = [0, 0, 0];
    for await (const piece of metrics.text()) {
      pieces += 1;
      bytes += piece.length;
      longest = Math.max(longest, piece.length);
    }
    isOver = true;
    assert.ok(turns >= pieces / 2, `${turns} turns for ${pieces} pieces`);
    assert.ok(longest < 250_000, `${longest} bytes in one piece`);
    assert.ok(bytes < 20_000_000, `${bytes} bytes`);
  });
});
