/** `node bench/main.ts [scenario…]`: measures side by side, prints ratios, writes everything to .cache/bench/<date>.json. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { summarize } from "./comparison.ts";
import { joinCpuGroup } from "./cpu-group.ts";
import type { BenchContext, Scenario } from "./context.ts";
import { describeMachine, niceValue } from "./machine.ts";
import { hasOwnNetwork, runAgainInOwnNetwork } from "./own-network.ts";
import { ProcessGroup } from "./process-group.ts";
import { formatReport } from "./report.ts";
import { agentCall } from "./scenarios/agent-call.ts";
import { agentMemory } from "./scenarios/agent-memory.ts";
import { agentRent } from "./scenarios/agent-rent.ts";
import { answerMemory } from "./scenarios/answer-memory.ts";
import { burst } from "./scenarios/burst.ts";
import { coldCall } from "./scenarios/cold-call.ts";
import { firstChunk } from "./scenarios/first-chunk.ts";
import { hopCall } from "./scenarios/hop-call.ts";
import { manyConnections } from "./scenarios/many-connections.ts";
import { ownerChange } from "./scenarios/owner-change.ts";
import { ownerDecision } from "./scenarios/owner-decision.ts";
import { packageMemory } from "./scenarios/package-memory.ts";
import { routerThroughput } from "./scenarios/router-throughput.ts";
import { scaleKwok } from "./scenarios/scale-kwok.ts";
import { scrape } from "./scenarios/scrape.ts";
import { secondEnvironment } from "./scenarios/second-environment.ts";
import { telemetryCall } from "./scenarios/telemetry-call.ts";
import { traceDayScenario } from "./scenarios/trace-day.ts";
import { unpack } from "./scenarios/unpack.ts";
import { urlCall } from "./scenarios/url-call.ts";
import { versionsScale } from "./scenarios/versions-scale.ts";
import { warmCall } from "./scenarios/warm-call.ts";
import { seededRandom } from "./seeded-random.ts";

const scenarios: Readonly<Record<string, Scenario>> = {
  "warm-call": warmCall,
  "hop-call": hopCall,
  "router-throughput": routerThroughput,
  "owner-decision": ownerDecision,
  "owner-change": ownerChange,
  "many-connections": manyConnections,
  "cold-call": coldCall,
  burst,
  "url-call": urlCall,
  "agent-call": agentCall,
  "agent-rent": agentRent,
  "agent-memory": agentMemory,
  "answer-memory": answerMemory,
  "trace-day": traceDayScenario,
  "telemetry-call": telemetryCall,
  "first-chunk": firstChunk,
  unpack,
  "package-memory": packageMemory,
  scrape,
  "second-environment": secondEnvironment,
  "versions-scale": versionsScale,
  "scale-kwok": scaleKwok,
};
/** On a cluster with an installation, which KUBELAMBDA_BENCH_CLUSTER=1 says is there. */
const onCluster: ReadonlySet<string> = new Set(["cold-call", "burst"]);
/** Without names: what needs a cluster only where there is one, and what wants a network of its own not at all. */
const usual = Object.keys(scenarios).filter(
  (name) =>
    (process.env["KUBELAMBDA_BENCH_CLUSTER"] === "1" || !onCluster.has(name)) && scenarios[name]?.prepare === undefined,
);
const cacheFolder = fileURLToPath(new URL("../.cache/bench", import.meta.url));

const progress = (line: string): void => void process.stderr.write(`${line}\n`);
const options = readArguments(process.argv.slice(2));
await takeOwnNetwork(options.names);
const processes = new ProcessGroup();
const folder = await mkdtemp(join(tmpdir(), "kl-bench-"));
const leaveCpuGroup = joinCpuGroup();
process.on("exit", () => {
  processes.kill();
  leaveCpuGroup?.();
});
for (const [signal, status] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)
  process.once(signal, () => process.exit(status));
try {
  await runAll(options);
} finally {
  await rm(folder, { recursive: true, force: true });
}

/** Where its scenarios want it, the whole run goes on in a network of its own and this process ends with its status. */
async function takeOwnNetwork(names: readonly string[]): Promise<void> {
  const prepares = names.flatMap((name) => scenarios[name]?.prepare ?? []);
  if (prepares.length < names.length || hasOwnNetwork()) return;
  for (const prepare of prepares) await prepare({ cacheFolder, progress });
  const status = await runAgainInOwnNetwork();
  if (status !== undefined) process.exit(status);
}

interface BenchArguments {
  readonly names: readonly string[];
  readonly rounds: number;
  readonly roundMs: number;
  readonly warmUpMs: number;
  readonly connections: readonly number[];
  readonly seed: number;
}

async function runAll({ names, seed, ...sizes }: BenchArguments): Promise<void> {
  const machine = { ...describeMachine(), nice: niceValue(), hasOwnCpuGroup: leaveCpuGroup !== undefined };
  const draw = seededRandom(seed);
  const context: BenchContext = { ...sizes, processes, draw, folder, cacheFolder, progress };
  const results: unknown[] = [];
  if (leaveCpuGroup === undefined)
    progress("No CPU cgroup of its own (root?): sessions may get unequal shares of the CPU");
  process.stdout.write(`${JSON.stringify(machine)}\nseed ${seed}\n`);
  for (const name of names) {
    for (const comparison of (await scenarios[name]?.run(context)) ?? []) {
      const summary = summarize(comparison, draw);
      process.stdout.write(`\n${formatReport(comparison, summary)}\n`);
      results.push({ ...comparison, summary });
    }
  }
  const file = join(cacheFolder, `${new Date().toISOString().replaceAll(":", "-")}.json`);
  await mkdir(cacheFolder, { recursive: true });
  await writeFile(file, JSON.stringify({ machine, seed, ...sizes, results }, null, 2));
  process.stdout.write(`\n${file}\n`);
}

function readArguments(args: string[]): BenchArguments {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        rounds: { type: "string", default: "10" },
        seconds: { type: "string", default: "2" },
        connections: { type: "string", default: "1,10,50" },
        "warm-up": { type: "string", default: "15" },
        seed: { type: "string", default: "1" },
      },
    });
    const unknown = positionals.find((name) => !(name in scenarios));
    if (unknown !== undefined) throw new Error(`Cannot run scenario "${unknown}": no such scenario`);
    return {
      names: positionals.length === 0 ? usual : positionals,
      rounds: within("--rounds", values.rounds, 1, 1000),
      roundMs: within("--seconds", values.seconds, 0.1, 60) * 1000,
      warmUpMs: within("--warm-up", values["warm-up"], 0, 600) * 1000,
      connections: values.connections.split(",").map((text) => within("--connections", text, 1, 200)),
      seed: within("--seed", values.seed, 0, 2 ** 32 - 1),
    };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${usage()}`);
    process.exit(2);
  }
}

function within(name: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (text.trim() !== "" && value >= min && value <= max) return value;
  throw new Error(`Cannot use ${name} ${text}: want a number from ${min} to ${max}`);
}

function usage(): string {
  const lines = Object.entries(scenarios).map(([name, { summary }]) => `  ${name.padEnd(20)}${summary}`);
  return `usage: node bench/main.ts [scenario…] [--rounds 10] [--seconds 2] [--warm-up 15] [--connections 1,10,50] [--seed 1]\n${lines.join("\n")}\n`;
}
