import { cpus } from "node:os";
import type { Comparison, Reading } from "../comparison.ts";
import type { BenchContext, Scenario } from "../context.ts";
import { cpuMs, privateBytes } from "../process-usage.ts";
import { RawLoad } from "../raw-load.ts";
import { quantile } from "../statistics.ts";
import { startBareProxyTo } from "../systems/bare.ts";
import { event, eventAnswer, startNoopWorld } from "../systems/noop-world.ts";
import { keepOn } from "../systems/pinned.ts";

const functions = 200;
const environments = 50;
const connections = 1000;
/** Of the most there can be. */
const share = 0.7;
const mebibyte = 1024 * 1024;
const subject = "router";
const baselines = ["router, first round", "bare proxy"] as const;

/** What the functions are like, and so whose 70 % the load is. */
interface Functions {
  readonly title: string;
  /** Of one call, ms. */
  readonly runMs: number;
  /** Functions that have environments, as many each. */
  readonly called: number;
}

const kinds: readonly Functions[] = [
  { title: "many connections, functions that take no time", runMs: 0, called: environments },
  { title: "many connections, functions that take 20 ms", runMs: 20, called: 10 },
];

/** Many clients of many functions: nothing fails, nobody waits much longer than others, nothing grows. */
export const manyConnections: Scenario = {
  summary: "1,000 connections, 200 functions, 50 environments: errors, p99 ÷ p50 at 70 % load, memory",
  async run(context) {
    const comparisons: Comparison[] = [];
    for (const kind of kinds) comparisons.push(await compare(context, kind));
    return comparisons;
  },
};

async function compare(context: BenchContext, kind: Functions): Promise<Comparison> {
  const hasCores = cpus().length > 1;
  // What is under test has core 0 for itself: what drives it and what is behind it would make calls wait for a core.
  const ends: (() => Promise<void> | void)[] = [hasCores ? keepOn([1]) : () => undefined];
  try {
    const pins = hasCores ? { coreOf: () => 0, core: 1 } : {};
    const counts = { routers: 1, environments, functions, functionsWithPods: kind.called };
    const world = await startNoopWorld(context, { ...counts, ...pins, runMs: kind.runMs });
    ends.push(() => world.end());
    const bare = await startBareProxyTo(context.processes, world.environmentsPort, hasCores ? 0 : undefined);
    ends.push(() => bare.end());
    // Of the functions those that have an environment; the others are known and not called.
    const names = world.routers[0]?.there.functionNames.slice(0, kind.called) ?? [];
    const targets = names.map((name) => world.target(0, name));
    const { host, port } = bare;
    const bareTargets = [{ host, port, path: "/", body: event, answer: eventAnswer }];
    const router = new Loaded(context, world.routers[0]?.pid ?? 0, new RawLoad(targets, connections));
    const proxy = new Loaded(context, bare.pid, new RawLoad(bareTargets, connections));
    ends.push(
      () => router.close(),
      () => proxy.close(),
    );
    return await measure(context, { kind, router, proxy });
  } finally {
    for (const end of ends.reverse()) await end();
  }
}

interface Measured {
  readonly kind: Functions;
  readonly router: Loaded;
  readonly proxy: Loaded;
}

async function measure(context: BenchContext, { kind, router, proxy }: Measured): Promise<Comparison> {
  const { rounds, roundMs, warmUpMs, progress } = context;
  const { title, runMs, called } = kind;
  progress(`${title}: the most of each in ${warmUpMs} ms, then ${rounds} rounds of 2 × ${roundMs} ms …`);
  for (const loaded of [router, proxy]) await loaded.findMost();
  // Functions that take their time are what is full first.
  if (runMs > 0) for (const loaded of [router, proxy]) loaded.mostPerSecond = (environments * 1000) / runMs;
  // Of the first round, memory still grows to what the load needs.
  const first = await router.read();
  const measured: Record<string, Reading>[] = [];
  for (let round = 0; round < rounds; round += 1)
    measured.push({ [subject]: await router.read(), [baselines[0]]: first, [baselines[1]]: await proxy.read() });
  const most =
    runMs > 0
      ? `the most that ${environments} environments can: ${router.told()}`
      : `the most with all connections busy: router ${router.told()}, bare proxy ${proxy.told()}`;
  const notes = [
    `errors: ${router.errors}, bare proxy ${proxy.errors}`,
    `${most}; then ${share * 100} % of that at random moments, whether or not those before are answered`,
    `the generator, which shares its core with the environments, did not run for ${router.stoodStill()} and ${proxy.stoodStill()} of the time, and sent nothing then`,
    `${connections} connections, ${functions} functions, of which the ${called} that have environments are called: ${environments / called} each; the bare proxy has all calls go to the same process, as many at once as come`,
    "wanted: no error, p99 ÷ p50 at most 3, memory as after the first round",
  ];
  const metrics = ["p50 ms", "p99 ms", "p99 ÷ p50", "CPU ms/call", "unshared MiB"];
  return { title, subject, baselines, metrics, rounds: measured, notes };
}

/** One that is under test, and its load. */
class Loaded {
  readonly #context: BenchContext;
  readonly #pid: number;
  readonly #load: RawLoad;
  #stoodStillMs = 0;
  #readMs = 0;
  errors = 0;
  mostPerSecond = 0;

  constructor(context: BenchContext, pid: number, load: RawLoad) {
    this.#context = context;
    this.#pid = pid;
    this.#load = load;
  }

  async findMost(): Promise<void> {
    const { warmUpMs, roundMs } = this.#context;
    await this.#load.closed(warmUpMs);
    const { latenciesMs, elapsedMs, errors } = await this.#load.closed(Math.max(warmUpMs, roundMs));
    if (errors.length > 0) throw new Error(`Cannot measure many connections: ${errors[0] ?? ""}`);
    this.mostPerSecond = (latenciesMs.length * 1000) / elapsedMs;
  }

  async read(): Promise<Reading> {
    const { roundMs, draw } = this.#context;
    const before = cpuMs([this.#pid]);
    const callsPerSecond = share * this.mostPerSecond;
    const { latenciesMs, ...result } = await this.#load.open({ callsPerSecond, durationMs: roundMs, draw });
    this.errors += result.errors.length;
    this.#stoodStillMs += result.stoodStillMs;
    this.#readMs += result.elapsedMs;
    const [p50, p99] = [quantile(latenciesMs, 0.5), quantile(latenciesMs, 0.99)];
    return {
      "p50 ms": p50,
      "p99 ms": p99,
      "p99 ÷ p50": p99 / p50,
      "CPU ms/call": (cpuMs([this.#pid]) - before) / latenciesMs.length,
      "unshared MiB": privateBytes(this.#pid) / mebibyte,
    };
  }

  told(): string {
    return `${Math.round(this.mostPerSecond)} calls/s`;
  }

  stoodStill(): string {
    return `${((100 * this.#stoodStillMs) / this.#readMs).toFixed(1)} %`;
  }

  close(): void {
    this.#load.close();
  }
}
