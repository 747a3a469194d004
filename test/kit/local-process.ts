/** `kubelambda local` as a user starts it: a process on a folder of its own. */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "../../lib/free-ports.ts";

const commandLine = new URL("../../operator/cli/main.ts", import.meta.url).pathname;
const startWithinMs = 60_000;

export class LocalProcess {
  readonly folder = mkdtempSync(join(tmpdir(), "local-test-"));
  readonly #arguments: readonly string[];
  #child: ChildProcess | undefined;
  #port = 0;
  output = "";

  constructor(...args: readonly string[]) {
    this.#arguments = args;
  }

  write(file: string, content: string): void {
    writeFileSync(join(this.folder, file), content);
  }

  /** Until local mode shows these functions as ready; without any, until it shows one. */
  async start(...functions: readonly string[]): Promise<void> {
    [this.#port = 0] = await freePorts(1);
    const args = [commandLine, "local", this.folder, "--port", String(this.#port), ...this.#arguments];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => (this.output += chunk.toString()));
    const shown = ["FUNCTION", ...functions.map((name) => `/functions/${name}/invocations`)];
    await this.until(() => shown.every((text) => this.output.includes(text)) || hasEnded(child), startWithinMs);
    if (hasEnded(child)) throw new Error(`Local mode ended at once; it said:\n${this.output}`);
  }

  async invoke(
    name: string,
    event: unknown,
  ): Promise<{ readonly status: number; readonly functionError: string | null; readonly body: string }> {
    const url = `http://127.0.0.1:${this.#port}/2015-03-31/functions/${name}/invocations`;
    const response = await fetch(url, {
      method: "POST",
      body: JSON.stringify(event),
      signal: AbortSignal.timeout(30_000),
    });
    return {
      status: response.status,
      functionError: response.headers.get("x-amz-function-error"),
      body: await response.text(),
    };
  }

  async until(isTrue: () => boolean | Promise<boolean>, withinMs = 15_000): Promise<void> {
    const deadline = Date.now() + withinMs;
    while (!(await isTrue())) {
      if (Date.now() > deadline) throw new Error(`Not so within ${withinMs} ms; local mode said:\n${this.output}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Pids of all that it has started, directly or not. */
  async descendants(): Promise<number[]> {
    return this.#child?.pid === undefined ? [] : await descendants(this.#child.pid);
  }

  /** Memory of the main process. */
  async residentBytes(): Promise<number> {
    const status = await readFile(`/proc/${this.#child?.pid ?? "self"}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? Number.NaN) * 1024;
  }

  /** Ctrl-C; answers with the exit status and the processes that outlived it by 5 s: one that was killed takes a moment to be gone. */
  async stop(): Promise<{ readonly status: number | null; readonly left: readonly string[] }> {
    const child = this.#child;
    if (child?.pid === undefined) return { status: null, left: [] };
    const before = await descendants(child.pid);
    const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
    child.kill("SIGINT");
    const status = hasEnded(child) ? child.exitCode : await ended;
    let left = await living(before);
    for (const deadline = Date.now() + 5000; left.length > 0 && Date.now() < deadline; left = await living(before)) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    rmSync(this.folder, { recursive: true, force: true });
    return { status, left };
  }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

/** The lines of proc(5), `stat`, of those that still run. */
async function living(pids: readonly number[]): Promise<string[]> {
  const stats = pids.map((pid) => readFile(`/proc/${pid}/stat`, "utf8").catch(() => ""));
  return (await Promise.all(stats)).filter((stat) => stat !== "" && !/\) Z /.test(stat));
}

/** Pids of all that a process has started, directly or not. */
async function descendants(root: number): Promise<number[]> {
  const parents = new Map<number, number>();
  for (const name of await readdir("/proc")) {
    const stat = /^\d+$/.test(name) ? await readFile(`/proc/${name}/stat`, "utf8").catch(() => "") : "";
    const parent = /\) \S (\d+)/.exec(stat)?.[1];
    if (parent !== undefined) parents.set(Number(name), Number(parent));
  }
  const isBelow = (pid: number): boolean => {
    const parent = parents.get(pid);
    return parent !== undefined && (parent === root || isBelow(parent));
  };
  return [...parents.keys()].filter(isBelow);
}
