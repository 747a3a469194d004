/** The agent's end of the supervisor protocol, for tests: sends what a test says and keeps all that comes back. */
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type DirectoryListing,
  frameKinds,
  type Hello,
  type Flushed,
  type MemoryReading,
  type ProcessExit,
  type ProcessStarted,
  type SignalProcess,
  type StartProcess,
} from "../../crds/wire/supervisor.ts";
import { encodeFrame, type Frame, FrameReader } from "../../lib/frames.ts";

/** How to start an implementation; the socket's path reaches it as KUBELAMBDA_SOCKET. */
export interface SupervisorCommand {
  readonly command: string;
  readonly args: readonly string[];
}

export interface SupervisorEnd {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}

const waitDeadlineMs = 15_000;

export class SupervisorAgent {
  readonly frames: Frame[] = [];
  readonly hello: Promise<Hello>;
  readonly ended: Promise<SupervisorEnd>;
  readonly child: ChildProcess;
  connections = 0;
  #socket: Socket | undefined;
  readonly #server: Server;
  readonly #folder: string;
  readonly #stdout: Buffer[] = [];
  readonly #stderr: Buffer[] = [];
  readonly #output = new Map<string, Buffer[]>();
  readonly #waiting = new Set<() => void>();
  #nextFlush = 1;
  #nextList = 1;

  constructor({ command, args }: SupervisorCommand, env: Readonly<Record<string, string>> = {}, socketMode = 0o700) {
    this.#folder = mkdtempSync(join(tmpdir(), "supervisor-"));
    const path = join(this.#folder, "agent.sock");
    this.#server = createServer((socket) => this.#accept(socket)).listen(path);
    chmodSync(this.#folder, socketMode);
    chmodSync(path, socketMode);
    this.child = spawn(command, args, {
      env: { PATH: process.env["PATH"] ?? "", HOME: "/home/supervisor", ...env, KUBELAMBDA_SOCKET: path },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.child.stdout?.on("data", (chunk: Buffer) => this.#keep(this.#stdout, chunk));
    this.child.stderr?.on("data", (chunk: Buffer) => this.#keep(this.#stderr, chunk));
    this.ended = new Promise((resolve) => {
      this.child.once("close", (status, signal) => resolve({ status, signal }));
    });
    this.hello = this.waitFor("hello", () => this.frames.find(({ kind }) => kind === frameKinds.hello)).then(
      (frame) => JSON.parse(frame.payload.toString()) as Hello,
    );
    // Who needs it awaits it; a test about a supervisor that never comes does not.
    this.hello.catch(() => undefined);
  }

  /** What the supervisor has written to its own standard output until now. */
  get stdout(): string {
    return Buffer.concat(this.#stdout).toString();
  }

  get stdoutBytes(): number {
    return countBytes(this.#stdout);
  }

  get stderr(): string {
    return Buffer.concat(this.#stderr).toString();
  }

  /** What a process has written until now, by its frames. */
  output(process: number, stream: 1 | 2 | 3 = 1): Buffer {
    return Buffer.concat(this.#output.get(`${process}/${stream}`) ?? []);
  }

  outputBytes(process: number, stream: 1 | 2 | 3 = 1): number {
    return countBytes(this.#output.get(`${process}/${stream}`) ?? []);
  }

  send(kind: string, payload: Buffer | object): void {
    this.sendRaw(encodeFrame(kind, payload));
  }

  sendRaw(bytes: Buffer): void {
    this.#socket?.write(bytes);
  }

  /** Stops and goes on reading what the supervisor sends. */
  pause(): void {
    this.#socket?.pause();
  }

  resume(): void {
    this.#socket?.resume();
  }

  /** Ends the connection as an agent does that dies. */
  disconnect(): void {
    this.#socket?.destroy();
  }

  async start(
    request: Omit<StartProcess, "env" | "workingDirectory"> & Partial<StartProcess>,
  ): Promise<ProcessStarted> {
    await this.hello;
    this.send(frameKinds.start, { env: {}, workingDirectory: "/", ...request });
    return this.#answer<ProcessStarted>(frameKinds.process, request.process);
  }

  /** Starts a process that has to start: `sh -c script` with `args` as $1…. */
  async startShell(process: number, script: string, rest: Partial<StartProcess> = {}): Promise<number> {
    const started = await this.start({ process, argv: ["sh", "-c", script], ...rest });
    if ("error" in started) throw new Error(`process ${process} did not start: ${started.error.message}`);
    return started.pid;
  }

  exited(process: number): Promise<ProcessExit> {
    return this.#answer<ProcessExit>(frameKinds.exit, process);
  }

  signal(process: number, signal: SignalProcess["signal"]): void {
    this.send(frameKinds.signal, { process, signal });
  }

  async flush(): Promise<MemoryReading> {
    const id = this.#nextFlush++;
    this.send(frameKinds.flush, { id });
    return await this.waitFor(`answer to flush ${id}`, () =>
      this.#parsed<Flushed>(frameKinds.flush).find((answer) => answer.id === id),
    );
  }

  async reset(): Promise<void> {
    const before = this.#parsed(frameKinds.done).length;
    this.send(frameKinds.reset, {});
    await this.waitFor("answer to reset", () => this.#parsed(frameKinds.done)[before]);
  }

  async list(path: string): Promise<DirectoryListing["entries"]> {
    await this.hello;
    const id = this.#nextList++;
    this.send(frameKinds.list, { id, path });
    const listing = await this.waitFor(`listing ${id}`, () =>
      this.#parsed<DirectoryListing>(frameKinds.list).find((answer) => answer.id === id),
    );
    return listing.entries;
  }

  /** Waits until `look` finds something in what has come; it looks again whenever something comes. */
  async waitFor<Found>(what: string, look: () => Found | undefined): Promise<Found> {
    const deadline = AbortSignal.timeout(waitDeadlineMs);
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      if (deadline.aborted)
        throw new Error(`Cannot see ${what}: ${waitDeadlineMs} ms are over. stderr: ${this.stderr}`);
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake);
          deadline.removeEventListener("abort", wake);
          resolve();
        };
        this.#waiting.add(wake);
        deadline.addEventListener("abort", wake);
      });
    }
  }

  /** Ends the supervisor by the connection's end and removes the socket. */
  async close(): Promise<void> {
    this.#server.close();
    this.#socket?.destroy();
    if (this.connections === 0) this.child.kill("SIGKILL");
    const kill = setTimeout(() => this.child.kill("SIGKILL"), waitDeadlineMs);
    await this.ended;
    clearTimeout(kill);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #accept(socket: Socket): void {
    this.connections += 1;
    this.#socket ??= socket;
    const reader = new FrameReader();
    socket.on("error", () => socket.destroy());
    socket.on("data", (chunk) => {
      for (const frame of reader.push(chunk)) this.#take(frame);
      this.#wake();
    });
  }

  #take(frame: Frame): void {
    if (frame.kind !== frameKinds.output) {
      this.frames.push(frame);
      return;
    }
    const key = `${frame.payload.readUInt32BE(1)}/${frame.payload.readUInt8(0)}`;
    const chunks = this.#output.get(key);
    if (chunks === undefined) this.#output.set(key, [frame.payload.subarray(5)]);
    else chunks.push(frame.payload.subarray(5));
  }

  #answer<Answer extends { process: number }>(kind: string, process: number): Promise<Answer> {
    return this.waitFor(`frame "${kind}" of process ${process}`, () =>
      this.#parsed<Answer>(kind).find((answer) => answer.process === process),
    );
  }

  #parsed<Payload>(kind: string): Payload[] {
    return this.frames
      .filter((frame) => frame.kind === kind)
      .map(({ payload }) => JSON.parse(payload.toString()) as Payload);
  }

  #keep(into: Buffer[], chunk: Buffer): void {
    into.push(chunk);
    this.#wake();
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }
}

function countBytes(chunks: readonly Buffer[]): number {
  return chunks.reduce((sum, { length }) => sum + length, 0);
}
