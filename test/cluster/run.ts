import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Longest run, ms; the program is killed after it. */
  readonly timeoutMs: number;
  readonly input?: string;
}

/** A program that ended with another status than 0, with the last lines that it wrote. */
export class RunError extends Error {
  readonly exitCode: number | null;
  readonly output: string;

  constructor(command: string, exitCode: number | null, output: string) {
    const ending = exitCode === null ? "it was killed or ran too long" : `it ended with status ${exitCode}`;
    super(`Cannot run "${command}": ${ending}\n${lastLines(output, 15)}`);
    this.name = "RunError";
    this.exitCode = exitCode;
    this.output = output;
  }
}

/** Runs a program to its end and answers with its standard output; anything but status 0 is a RunError. */
export async function run(command: string, args: readonly string[], options: RunOptions): Promise<string> {
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ["pipe", "pipe", "pipe"],
    timeout: options.timeoutMs,
    killSignal: "SIGKILL",
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", (cause) => reject(new Error(`Cannot start "${command}": ${cause.message}`, { cause })));
    child.once("close", (code) => resolve(code));
  });
  // A program that reads no input may have closed it already: its status tells what matters.
  child.stdin.on("error", () => undefined);
  child.stdin.end(options.input ?? "");
  const [exitCode, stdout, stderr] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
  if (exitCode !== 0) throw new RunError([command, ...args].join(" ").slice(0, 300), exitCode, stdout + stderr);
  return stdout;
}

export function lastLines(output: string, count: number): string {
  return output.trimEnd().split("\n").slice(-count).join("\n");
}
