import type { Comparison, Reading } from "../comparison.ts";
import type { BenchContext, Scenario } from "../context.ts";
import { cpuMs, privateBytes } from "../process-usage.ts";
import { RawLoad, type RawResult } from "../raw-load.ts";
import { quantile } from "../statistics.ts";
import { startNoopWorld, type NoopWorld } from "../systems/noop-world.ts";

const functions = 200;
const environments = 50;
const connections = 1000;
/** Of what was measured to be the most. */
const share = 0.7;
const mebibyte = 1024 * 1024;
const subject = "at 70 % of the most";
const baseline = "at 70 %, first round";

/** Many clients of many functions: nothing fails, nobody waits much longer than others, nothing grows. */
export const manyConnections: Scenario = {
  summary: "1,000 connections, 200 functions, 50 environments: errors, p99 ÷ p50 at 70 % load, memory",
  async run(context) {
    const world = await startNoopWorld(context, {
      routers: 1,
      environments,
      functions,
      functionsWithPods: environments,
    });
    const load = new RawLoad(targetsOf(world), connections);
    try {
      return [await measure(context, world, load)];
    } finally {
      load.close();
      await world.end();
    }
  },
};

/** Of the functions that have an environment; the others are known and not called. */
function targetsOf(world: NoopWorld) {
  const names = world.routers[0]?.there.functionNames.slice(0, environments) ?? [];
  return names.map((name) => world.target(0, name));
}

async function measure(context: BenchContext, world: NoopWorld, load: RawLoad): Promise<Comparison> {
  const { rounds, roundMs, warmUpMs, draw, progress } = context;
  const pid = world.routers[0]?.pid ?? 0;
  progress(`Many connections: the most in ${warmUpMs} ms, then ${rounds} rounds of ${roundMs} ms …`);
  await load.closed(warmUpMs);
  const most = withoutErrors(await load.closed(Math.max(warmUpMs, roundMs)));
  const callsPerSecond = (share * most.latenciesMs.length * 1000) / most.elapsedMs;
  let errors = 0;
  const read = async (): Promise<Reading> => {
    const before = cpuMs([pid]);
    const result = await load.open({ callsPerSecond, durationMs: roundMs, draw });
    errors += result.errors.length;
    const [p50, p99] = [quantile(result.latenciesMs, 0.5), quantile(result.latenciesMs, 0.99)];
    return {
      "p50 ms": p50,
      "p99 ms": p99,
      "p99 ÷ p50": p99 / p50,
      "CPU ms/call": (cpuMs([pid]) - before) / result.latenciesMs.length,
      "unshared MiB": privateBytes(pid) / mebibyte,
    };
  };
  // Of the first round, memory still grows to what the load needs.
  const first = await read();
  const measured: Record<string, Reading>[] = [];
  for (let round = 0; round < rounds; round += 1) measured.push({ [subject]: await read(), [baseline]: first });
  const notes = [
    `errors: ${errors}`,
    `the most: ${Math.round((most.latenciesMs.length * 1000) / most.elapsedMs)} calls/s with all connections busy; then ${Math.round(callsPerSecond)} calls/s at random moments, whether or not those before are answered`,
    `${connections} connections, ${functions} functions, of which the ${environments} that have an environment are called: one environment each`,
    "wanted: no error, p99 ÷ p50 at most 3, memory as after the first round",
  ];
  const metrics = ["p50 ms", "p99 ms", "p99 ÷ p50", "CPU ms/call", "unshared MiB"];
  return { title: "many connections", subject, baselines: [baseline], metrics, rounds: measured, notes };
}

function withoutErrors(result: RawResult): RawResult {
  if (result.errors.length === 0) return result;
  throw new Error(`Cannot measure many connections: ${result.errors[0] ?? ""}`);
}
