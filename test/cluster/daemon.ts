import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { lastLines } from "./run.ts";
import { waitUntil } from "./wait-until.ts";

export interface DaemonSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Where a daemon's process id and log are. */
export interface DaemonPlace {
  readonly stateDir: string;
  /** True: it lives on without us. False: the kernel kills it when we end, however we end. */
  readonly outlivesUs: boolean;
}

/** A process is known by its id and the moment it began: ids come again. */
interface ProcessMark {
  readonly pid: number;
  readonly startTicks: string;
}

/** Starts a program that keeps running; its output is appended to `<stateDir>/logs/<name>.log`. */
export function startDaemon(spec: DaemonSpec, place: DaemonPlace): ChildProcess {
  const logFile = daemonLog(place.stateDir, spec.name);
  mkdirSync(dirname(logFile), { recursive: true });
  mkdirSync(join(place.stateDir, "pids"), { recursive: true });
  const log = openSync(logFile, "a");
  const [command, args] = place.outlivesUs
    ? [spec.command, spec.args]
    : ["setpriv", ["--pdeathsig", "KILL", spec.command, ...spec.args]];
  const child = spawn(command, args, {
    cwd: place.stateDir,
    env: { ...process.env, ...spec.env },
    stdio: ["ignore", log, log],
    detached: place.outlivesUs,
  });
  closeSync(log);
  if (child.pid === undefined) {
    child.once("error", () => undefined);
    throw new Error(`Cannot start ${spec.name}: "${command}" cannot be executed`);
  }
  if (place.outlivesUs) child.unref();
  const mark: ProcessMark = { pid: child.pid, startTicks: readStat(child.pid)?.startTicks ?? "" };
  writeFileSync(markFile(place.stateDir, spec.name), JSON.stringify(mark));
  return child;
}

export function isDaemonAlive(stateDir: string, name: string): boolean {
  return livingPid(stateDir, name) !== undefined;
}

/** Asks the daemon to end, kills it after the grace, ms, and waits until it is gone. */
export async function stopDaemon(stateDir: string, name: string, graceMs: number): Promise<void> {
  signalDaemon(stateDir, name, graceMs > 0 ? "SIGTERM" : "SIGKILL");
  const isGone = (): true | undefined => (isDaemonAlive(stateDir, name) ? undefined : true);
  try {
    await waitUntil({ what: `the end of ${name}`, timeoutMs: graceMs, everyMs: 20 }, isGone);
  } catch {
    signalDaemon(stateDir, name, "SIGKILL");
    await waitUntil({ what: `the end of ${name} after SIGKILL`, timeoutMs: 10_000, everyMs: 20 }, isGone);
  }
  rmSync(markFile(stateDir, name), { force: true });
}

/** SIGSTOP, or SIGCONT after it; nothing where the daemon does not run. */
export function pauseDaemon(stateDir: string, name: string): void {
  signalDaemon(stateDir, name, "SIGSTOP");
}
export function resumeDaemon(stateDir: string, name: string): void {
  signalDaemon(stateDir, name, "SIGCONT");
}

export function daemonLog(stateDir: string, name: string): string {
  return join(stateDir, "logs", `${name}.log`);
}

/** The end of a daemon's log, for an error message. */
export function logTail(stateDir: string, name: string): string {
  const file = daemonLog(stateDir, name);
  return existsSync(file)
    ? `last lines of ${file}:\n${lastLines(readFileSync(file, "utf8"), 15)}`
    : `no log at ${file}`;
}

function signalDaemon(stateDir: string, name: string, signal: NodeJS.Signals): void {
  const pid = livingPid(stateDir, name);
  if (pid === undefined) return;
  try {
    process.kill(pid, signal);
  } catch (error) {
    // It ended between the look and the signal.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** The first thread may be a zombie while others of a killed process still end, and hold its ports and files. */
function hasEnded(pid: number, state: string): boolean {
  if (state !== "Z" && state !== "X") return false;
  try {
    return readdirSync(`/proc/${pid}/task`).length <= 1;
  } catch {
    return true;
  }
}

function livingPid(stateDir: string, name: string): number | undefined {
  const file = markFile(stateDir, name);
  if (!existsSync(file)) return undefined;
  const mark = JSON.parse(readFileSync(file, "utf8")) as ProcessMark;
  const stat = readStat(mark.pid);
  if (stat === undefined || stat.startTicks !== mark.startTicks) return undefined;
  return hasEnded(mark.pid, stat.state) ? undefined : mark.pid;
}

/** Source: proc(5), /proc/<pid>/stat, fields 3 and 22; the second field is in brackets and may hold spaces. */
function readStat(pid: number): { state: string; startTicks: string } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return { state: fields[0] ?? "", startTicks: fields[19] ?? "" };
  } catch {
    return undefined;
  }
}

function markFile(stateDir: string, name: string): string {
  return join(stateDir, "pids", `${name}.json`);
}
