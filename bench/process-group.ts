import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { descendants } from "./process-usage.ts";

export interface ProcessOptions {
  readonly argv: readonly string[];
  /** Everything the process gets; default: PATH alone, so that all start alike. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Longest wait for the first line, ms; default 20,000. */
  readonly readyLimitMs?: number;
}

export interface BenchProcess {
  readonly pid: number;
  /** The first line it prints, parsed; rejects when it ends before, or does not print one in time. Later lines are read and dropped. */
  readonly ready: <T>() => Promise<T>;
  /** SIGTERM, and after some seconds SIGKILL to it and to all that it started. */
  readonly end: () => Promise<void>;
}

const endLimitMs = 5000;
const keptErrorBytes = 4096;

/** Starts processes and knows all that still run, so that none outlives the benchmark. */
export class ProcessGroup {
  readonly #running = new Set<ChildProcess>();

  /** What `reads` is false for writes to /dev/null: its lines are work of its own, which the reader's should not add to. */
  async start({ argv, env, cwd, readyLimitMs = 20_000 }: ProcessOptions, reads = false): Promise<BenchProcess> {
    const [command = "", ...args] = profiled(argv);
    const child = spawn(command, args, {
      cwd,
      env: env ?? { PATH: process.env["PATH"] ?? "" },
      stdio: ["ignore", reads ? "pipe" : "ignore", "pipe"],
    });
    const errorText = keepEnd(child);
    const firstLine = reads ? readFirstLine(child, readyLimitMs, () => `${argv.join(" ")}: ${errorText()}`) : undefined;
    await once(child, "spawn");
    this.#running.add(child);
    child.once("exit", () => this.#running.delete(child));
    return {
      pid: child.pid as number,
      ready: async <T>() => JSON.parse((await firstLine) ?? "null") as T,
      end: () => endProcess(child),
    };
  }

  /** At once, for when there is no time left. */
  kill(): void {
    for (const child of this.#running) killWithDescendants(child);
  }
}

/** With KUBELAMBDA_BENCH_PROFILE every Node.js process that ends by itself leaves a CPU profile in that folder. */
function profiled([command = "", ...args]: readonly string[]): readonly string[] {
  const folder = process.env["KUBELAMBDA_BENCH_PROFILE"];
  const all = [command, ...args];
  const at = all.indexOf(process.execPath);
  if (folder === undefined || at < 0) return all;
  return all.toSpliced(at + 1, 0, "--cpu-prof", `--cpu-prof-dir=${folder}`);
}

function keepEnd(child: ChildProcess): () => string {
  let text = "";
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => (text = (text + chunk).slice(-keptErrorBytes)));
  return () => text;
}

function readFirstLine(child: ChildProcess, readyLimitMs: number, describe: () => string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const timer = setTimeout(() => reject(new Error(`Cannot wait longer for ${describe()}`)), readyLimitMs);
  if (child.stdout !== null) createInterface({ input: child.stdout }).on("line", resolve);
  child.once("close", (status) => reject(new Error(`Cannot use process, it ended with ${status}: ${describe()}`)));
  // Who never asks for the line hears of the end in another way.
  promise.catch(() => undefined).finally(() => clearTimeout(timer));
  return promise;
}

async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  const started = descendants(child.pid as number);
  const timer = setTimeout(() => killWithDescendants(child), endLimitMs);
  child.kill("SIGTERM");
  await ended;
  clearTimeout(timer);
  for (const pid of started) killIfAlive(pid);
}

function killWithDescendants(child: ChildProcess): void {
  if (child.pid === undefined) return;
  for (const pid of [...descendants(child.pid), child.pid]) killIfAlive(pid);
}

function killIfAlive(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}
