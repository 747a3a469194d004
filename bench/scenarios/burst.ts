import type { Comparison, Reading } from "../comparison.ts";
import type { BenchContext, Scenario } from "../context.ts";
import { quantile } from "../statistics.ts";
import { Installed } from "../systems/installed.ts";
import { eachAtOnce } from "../at-once.ts";
import { numberOf } from "../number-of.ts";

type Created = Awaited<ReturnType<Installed["addFunction"]>>;

const subject = "burst";
const baseline = "one after another";
const callLimitMs = 300_000;
const atOnce = 8;
const answerText = '{"greeting":"Hello, Ada"}';

/** Cold calls that come all together; KUBELAMBDA_BENCH_FUNCTIONS and KUBELAMBDA_BENCH_CALLS make it smaller. */
export const burst: Scenario = {
  summary:
    "100 cold calls of 50 functions at one moment, against one after another; needs an installation (KUBELAMBDA_BENCH_CLUSTER=1)",
  async run(context) {
    if (process.env["KUBELAMBDA_BENCH_CLUSTER"] !== "1") {
      throw new Error(
        "Cannot run scenario burst: set KUBELAMBDA_BENCH_CLUSTER=1 once kubelambda is installed on the cluster",
      );
    }
    const functions = numberOf("KUBELAMBDA_BENCH_FUNCTIONS", 50);
    const calls = numberOf("KUBELAMBDA_BENCH_CALLS", 2 * functions);
    return [await measure(context, await Installed.find(context.progress), { functions, calls })];
  },
};

interface Sizes {
  readonly functions: number;
  readonly calls: number;
}

async function measure(context: BenchContext, installed: Installed, sizes: Sizes): Promise<Comparison> {
  const rounds: Record<string, Reading>[] = [];
  // What is there once at a node, as images, is not a cold call's.
  await withFunctions(installed, "bench-burst-first", 1, (names) => callAll(installed, names, 1));
  for (let round = 0; round < context.rounds; round += 1) {
    context.progress(`Burst: ${round + 1} of ${context.rounds} …`);
    const alone = await withFunctions(installed, `bench-alone-${round}`, 1, (names) => callAll(installed, names, 1));
    const together = await withFunctions(installed, `bench-burst-${round}`, sizes.functions, (names) =>
      callAll(installed, names, sizes.calls),
    );
    rounds.push({ [subject]: together, [baseline]: alone });
  }
  return {
    ...{ title: "burst of cold calls", subject, baselines: [baseline], rounds },
    metrics: ["p50 ms", "p90 ms", "last ms", "environments", "calls/s"],
    notes: [
      `${sizes.calls} calls of ${sizes.functions} functions at one moment, none with an environment, against one such call`,
      "a call takes the first environment of its function that comes: there may be fewer than calls",
    ],
  };
}

async function withFunctions(
  installed: Installed,
  prefix: string,
  count: number,
  act: (functions: readonly Created[]) => Promise<Reading>,
): Promise<Reading> {
  const created: Created[] = [];
  try {
    const names = Array.from({ length: count }, (_, i) => `${prefix}-${i}`);
    await eachAtOnce(names, atOnce, async (name) => void created.push(await installed.addFunction(name)));
    return await act(created);
  } finally {
    await eachAtOnce(created, atOnce, (each) => installed.removeFunction(each));
  }
}

/** The functions take turns. */
async function callAll(installed: Installed, functions: readonly Created[], calls: number): Promise<Reading> {
  const startedMs = performance.now();
  const times = await Promise.all(
    Array.from({ length: calls }, (_, i) => callOnce(installed, functions[i % functions.length]?.metadata.name ?? "")),
  );
  const elapsedMs = performance.now() - startedMs;
  const environments = await Promise.all(functions.map(({ metadata }) => installed.environmentsOf(metadata.uid)));
  return {
    "p50 ms": quantile(times, 0.5),
    "p90 ms": quantile(times, 0.9),
    "last ms": Math.max(...times),
    environments: environments.flat().length,
    "calls/s": (calls * 1000) / elapsedMs,
  };
}

async function callOnce({ routerUrl, authorization }: Installed, name: string): Promise<number> {
  const startedMs = performance.now();
  const answer = await fetch(`${routerUrl}/2015-03-31/functions/${name}/invocations`, {
    method: "POST",
    headers: { authorization },
    body: '{"name":"Ada"}',
    signal: AbortSignal.timeout(callLimitMs),
  });
  const text = await answer.text();
  if (text !== answerText) throw new Error(`Cannot measure a burst: "${name}" answered ${answer.status} "${text}"`);
  return performance.now() - startedMs;
}
