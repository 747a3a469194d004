/** The processes that the agent asked for, and the end of everything that came of them. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { closeSync, readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import type { ProcessExit, SignalProcess, StartProcess } from "../crds/wire/supervisor.ts";
import { forkExecError, type Launch, lookPath, prepareLaunch } from "./supervisor-launch.ts";
import { AgentNonsenseError } from "./supervisor-messages.ts";
import { closePair, openPipePairs, OutputPipe } from "./supervisor-pipes.ts";
import { RecordReader } from "./supervisor-records.ts";
import { Census, lastProcessId, markName, readMemory, seeProcesses } from "./supervisor-reach.ts";
import { wordOfSignal } from "./supervisor-words.ts";

interface Supervised {
  readonly number: number;
  readonly pid: number;
  isRunning: boolean;
  readonly pipes: readonly OutputPipe[];
}

/** 1 stdout, 2 stderr, 3 telemetry. */
export type OutputStream = 1 | 2 | 3;

export interface ProcessListener {
  /** `bytes` are used again after the call. */
  readonly onOutput: (process: number, stream: OutputStream, bytes: Buffer) => void;
  /** Text of the telemetry stream for the log. */
  readonly onText: (bytes: Buffer) => void;
  readonly onExit: (exit: ProcessExit) => void;
}

/** Less than what the agent waits for an answer to a reset. */
const killDeadlineMs = 8_000;
const lookAgainMs = 2;
/** A process that forks and leaves can slip through one look at all processes; hardly through so many on end. */
const quietLooksWanted = 12;
const wholeLook = 4;
/** Looks at most so often for new processes before those that are stopped are killed. */
const stopRounds = 50;

export class SupervisedProcesses {
  readonly #ownEnv: NodeJS.ProcessEnv;
  readonly #listener: ProcessListener;
  readonly #mark = randomUUID();
  readonly #byNumber = new Map<number, Supervised>();
  #isPaused = false;
  #peakBytes = 0;

  constructor(ownEnv: NodeJS.ProcessEnv, listener: ProcessListener) {
    this.#ownEnv = ownEnv;
    this.#listener = listener;
  }

  /** Tells its process id before anything else of it. Throws StartError, AgentNonsenseError when the number is in use. */
  async start(request: StartProcess, onStarted: (pid: number) => void): Promise<void> {
    const { process: number, openFiles, telemetryFd } = request;
    if (this.#byNumber.has(number)) throw new AgentNonsenseError(`the agent used process number ${number} twice`);
    const launch = prepareLaunch(request, this.#ownEnv);
    const pairs = openPipePairs(telemetryFd === undefined ? 2 : 3);
    try {
      const stdio = descriptors(
        pairs.map(({ write }) => write),
        telemetryFd,
      );
      const child = await this.#spawn(launch, stdio, openFiles);
      pairs.forEach(({ write }) => closeSync(write));
      onStarted(child.pid);
      this.#watch(
        number,
        child,
        pairs.map(({ read }) => read),
      );
    } catch (error) {
      pairs.forEach(closePair);
      throw forkExecError(launch.path, error);
    }
  }

  /** To the group of a process that runs; one that has just ended is no mistake of the agent's. */
  signal({ process: number, signal }: SignalProcess): void {
    const supervised = this.#byNumber.get(number);
    if (supervised?.isRunning === true) kill(-supervised.pid, signal);
  }

  /** Passes on what all have written until now. */
  drain(): void {
    for (const { pipes } of this.#byNumber.values()) pipes.forEach((pipe) => pipe.drain());
    this.#forgetFinished();
  }

  /** Lets processes wait on full pipes. */
  pause(): void {
    this.#isPaused = true;
    for (const { pipes } of this.#byNumber.values()) pipes.forEach((pipe) => pipe.pause());
  }

  resume(): void {
    this.#isPaused = false;
    for (const { pipes } of this.#byNumber.values()) pipes.forEach((pipe) => pipe.resume());
  }

  /** Stops every process; who stopped itself before goes on with the others. */
  async stopAll(): Promise<void> {
    if (process.pid === 1) {
      kill(-1, "SIGSTOP");
      return;
    }
    const census = this.#census();
    const stopped = new Set<number>();
    await untilQuiet(() => !stopNew(census, stopped) && census.areStopped);
  }

  continueAll(): void {
    if (process.pid === 1) kill(-1, "SIGCONT");
    // One look is enough: what is stopped neither forks nor ends meanwhile.
    else for (const pid of this.#census().look()) kill(pid, "SIGCONT");
  }

  /** Resident memory: no cgroup is ours to read here. */
  memory(): { readonly currentBytes: number; readonly peakBytes: number } {
    const { currentBytes, peakBytes } = readMemory(this.#census().look());
    this.#peakBytes = Math.max(this.#peakBytes, peakBytes);
    return { currentBytes, peakBytes: this.#peakBytes };
  }

  /** Ends every process, reports ends and output. Throws when one outlives SIGKILL. */
  async killAll(): Promise<void> {
    const census = this.#census();
    const isQuiet = await untilQuiet(() => !killOnce(census) && !this.#isAnyRunning());
    if (!isQuiet) throw new Error("processes outlive SIGKILL: the kernel does not let them go");
    this.drain();
    for (const { pipes } of this.#byNumber.values()) pipes.forEach((pipe) => pipe.close());
    this.#forgetFinished();
  }

  async #spawn(
    { path, argv, env, workingDirectory }: Launch,
    stdio: readonly ("ignore" | number)[],
    openFiles: number | undefined,
  ): Promise<ChildProcess & { pid: number }> {
    const [argv0 = path, ...args] = argv;
    const marked = process.pid === 1 ? env : { ...env, [markName]: this.#mark };
    const options = { cwd: workingDirectory, env: marked, detached: true, stdio: [...stdio] };
    const limit = openFiles === undefined ? undefined : openFilesCommand(openFiles, this.#ownEnv);
    const child =
      limit === undefined
        ? spawn(path, args, { ...options, argv0 })
        : spawn(limit.command, [...limit.args, path, ...args], options);
    // Either event comes on the next turn, and both before the process's exit.
    await once(child, "spawn");
    return child as ChildProcess & { pid: number };
  }

  #watch(number: number, child: ChildProcess & { pid: number }, fds: readonly number[]): void {
    const pipes = fds.map((fd, index) => this.#openPipe(number, fd, (index + 1) as OutputStream));
    const supervised: Supervised = { number, pid: child.pid, isRunning: true, pipes };
    this.#byNumber.set(number, supervised);
    if (this.#isPaused) pipes.forEach((pipe) => pipe.pause());
    const exited = (status: number | null, signal: NodeJS.Signals | null): void => {
      if (!supervised.isRunning) return;
      supervised.isRunning = false;
      pipes.forEach((pipe) => pipe.drain());
      const how = signal === null ? { status: status ?? 0 } : { signal: wordOfSignal(signal) };
      this.#listener.onExit({ process: number, ...how, outOfMemory: false });
      this.#forgetFinished();
    };
    if (child.exitCode !== null || child.signalCode !== null) exited(child.exitCode, child.signalCode);
    else child.once("exit", exited);
  }

  #openPipe(process: number, fd: number, stream: OutputStream): OutputPipe {
    const { onOutput, onText } = this.#listener;
    const records = new RecordReader();
    const onBytes = (bytes: Buffer): void => {
      onOutput(process, stream, bytes);
      if (stream === 3) onText(records.take(bytes));
    };
    return new OutputPipe(fd, onBytes, () => onText(records.finish()));
  }

  #isAnyRunning(): boolean {
    return [...this.#byNumber.values()].some(({ isRunning }) => isRunning);
  }

  /** Lets go of processes that have ended and whose output has. */
  #forgetFinished(): void {
    for (const { number, isRunning, pipes } of this.#byNumber.values()) {
      if (!isRunning && pipes.every(({ isOpen }) => !isOpen)) this.#byNumber.delete(number);
    }
  }

  #census(): Census {
    return new Census(`${markName}=${this.#mark}`, process.pid);
  }
}

/** Looks until it was quiet often enough in a row; false when it was not in time. */
async function untilQuiet(look: () => boolean): Promise<boolean> {
  const deadline = performance.now() + killDeadlineMs;
  for (let quietLooks = 0; quietLooks < quietLooksWanted;) {
    const before = lastProcessId();
    // Where no process was made meanwhile, none was overlooked but one that was just changing its program.
    if (look()) quietLooks += before !== undefined && before === lastProcessId() ? wholeLook : 1;
    else quietLooks = 0;
    if (performance.now() > deadline) return false;
    await pause(lookAgainMs);
  }
  return true;
}

/** Whether there was anything to kill. */
function killOnce(census: Census): boolean {
  return process.pid === 1 ? killNamespace() : killOwn(census);
}

/** Alone in a process namespace one call reaches all, and none can fork out of it. */
function killNamespace(): boolean {
  kill(-1, "SIGKILL");
  return seeProcesses("", new Set([1])).some(({ isEnded }) => !isEnded);
}

/** All are stopped first, so that none forks on while others die. */
function killOwn(census: Census): boolean {
  const stopped = new Set<number>();
  stopNew(census, stopped);
  for (const pid of stopped) kill(pid, "SIGKILL");
  return stopped.size > 0;
}

/**
 * Stops until no new one is seen, since a stopped process makes none, and returns whether there was any. The known are stopped again: the
 * kernel lets a group go on whose last parent ends.
 */
function stopNew(census: Census, stopped: Set<number>): boolean {
  const before = stopped.size;
  for (let round = 0; round < stopRounds; round++) {
    const known = stopped.size;
    for (const pid of census.look((marked) => kill(marked, "SIGSTOP"))) {
      kill(pid, "SIGSTOP");
      stopped.add(pid);
    }
    if (stopped.size === known) break;
  }
  return stopped.size > before;
}

/** What the child holds by number: telemetry where it was asked for, and nothing between. */
function descriptors([stdout = -1, stderr = -1, telemetry]: readonly number[], telemetryFd = 0): ("ignore" | number)[] {
  const held = ["ignore" as const, stdout, stderr];
  if (telemetry === undefined) return held;
  return [...held, ...Array<"ignore">(telemetryFd - held.length).fill("ignore"), telemetry];
}

/** A command that sets RLIMIT_NOFILE and becomes the process: Node cannot. undefined where the machine has none; the limit is then the machine's. */
function openFilesCommand(
  openFiles: number,
  env: NodeJS.ProcessEnv,
): { readonly command: string; readonly args: readonly string[] } | undefined {
  if (process.platform !== "linux") return undefined;
  const command = lookPath("prlimit", env["PATH"] ?? "", "/");
  if (command === undefined) return undefined;
  const hard = /^Max open files\s+\d+\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
  const files = Math.min(openFiles, Number(hard ?? openFiles));
  return { command, args: [`--nofile=${files}:${files}`, "--"] };
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has gone by itself, or is another user's: either way there is nothing more to do about it.
  }
}
