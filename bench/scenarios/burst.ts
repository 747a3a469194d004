import type { Pod } from "../../operator/pod.ts";
import type { Comparison, Reading } from "../comparison.ts";
import type { BenchContext, Scenario } from "../context.ts";
import { quantile } from "../statistics.ts";
import { likePod } from "../systems/bare-pod.ts";
import { Home, homeHost } from "../systems/home.ts";
import { Installed } from "../systems/installed.ts";
import { eachAtOnce } from "../at-once.ts";
import { numberOf } from "../number-of.ts";

type Created = Awaited<ReturnType<Installed["addFunction"]>>;

const subject = "burst";
const baseline = "bare pods like them";
const alone = "one call";
const namespace = "default";
const callLimitMs = 300_000;
const atOnce = 8;
const answerText = '{"greeting":"Hello, Ada"}';

/** Cold calls that come all together; KUBELAMBDA_BENCH_FUNCTIONS and KUBELAMBDA_BENCH_CALLS make it smaller. */
export const burst: Scenario = {
  summary:
    "100 cold calls of 50 functions at one moment, against as many bare pods of the same containers and volumes, and one call; needs an installation (KUBELAMBDA_BENCH_CLUSTER=1)",
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
  const home = new Home();
  const host = homeHost(installed.cluster.kind);
  const homeAddress = { host, port: await home.listen(host) };
  const one = (prefix: string): Promise<Reading> =>
    withFunctions(installed, prefix, 1, (functions) => callAll(installed, functions, 1));
  try {
    // What is there once at a node, as images, is not a cold call's.
    const model = await modelOf(installed);
    for (let round = 0; round < context.rounds; round += 1) {
      context.progress(`Burst: ${round + 1} of ${context.rounds} …`);
      const single = await one(`bench-alone-${round}`);
      const bare = await startAll(installed, home, sizes.calls, (name) =>
        likePod({ name, namespace, model, home: homeAddress }),
      );
      const together = await withFunctions(installed, `bench-burst-${round}`, sizes.functions, async (functions) => {
        const reading = await callAll(installed, functions, sizes.calls);
        // What follows, their end, may take longer.
        context.progress(
          `Burst: ${sizes.calls} calls answered, the last after ${Math.round(reading["last ms"] ?? 0)} ms`,
        );
        return reading;
      });
      rounds.push({ [subject]: together, [baseline]: bare, [alone]: single });
    }
  } finally {
    await home.close();
  }
  return {
    ...{ title: "burst of cold calls", subject, baselines: [baseline, alone], rounds },
    metrics: ["p50 ms", "p90 ms", "last ms", "environments", "calls/s"],
    notes: [
      `${sizes.calls} calls of ${sizes.functions} functions at one moment, none with an environment`,
      `"${baseline}": so many pods made at one moment with an environment's containers and volumes and nothing of ours in them, until each has called home`,
      `"${alone}": perhaps in a pod of the pool`,
      "a call takes the first environment of its function that comes: there may be fewer than calls",
    ],
  };
}

/** An environment to copy. */
async function modelOf(installed: Installed): Promise<Pod> {
  let model: Pod | undefined;
  await withFunctions(installed, "bench-burst-first", 1, async (functions) => {
    const reading = await callAll(installed, functions, 1);
    [model] = await installed.environmentsOf(functions[0]?.metadata.uid ?? "");
    return reading;
  });
  if (model === undefined) throw new Error("Cannot measure a burst: a function answered and has no environment");
  return model;
}

/** So many pods at one moment, until each has called home. */
async function startAll(
  installed: Installed,
  home: Home,
  count: number,
  podOf: (name: string) => Pod,
): Promise<Reading> {
  const names = Array.from({ length: count }, (_, i) => `bench-burst-bare-${i}`);
  const startedMs = performance.now();
  try {
    const arrivals = await Promise.all(
      names.map(async (name) => {
        const heard = home.heard(name, callLimitMs);
        await installed.addPod(podOf(name));
        return await heard;
      }),
    );
    return readingOf(
      arrivals.map((atMs) => atMs - startedMs),
      count,
    );
  } finally {
    await eachAtOnce(names, atOnce, (name) => installed.removePod(name));
  }
}

function readingOf(times: readonly number[], environments: number): Reading {
  const lastMs = Math.max(...times);
  return {
    "p50 ms": quantile(times, 0.5),
    "p90 ms": quantile(times, 0.9),
    "last ms": lastMs,
    environments,
    "calls/s": (times.length * 1000) / lastMs,
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
  const times = await Promise.all(
    Array.from({ length: calls }, (_, i) => callOnce(installed, functions[i % functions.length]?.metadata.name ?? "")),
  );
  const environments = await Promise.all(functions.map(({ metadata }) => installed.environmentsOf(metadata.uid)));
  return readingOf(times, environments.flat().length);
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
