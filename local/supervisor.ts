/** The supervisor of local mode: speaks the protocol of crds/wire/supervisor.ts as the Go one does, so that local mode needs no Go. */
import { once } from "node:events";
import { createConnection, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import type { Writable } from "node:stream";
import {
  type DirectoryListing,
  type Flushed,
  frameKinds,
  type Hello,
  MAX_OUTPUT_BYTES,
  type ProcessStarted,
} from "../crds/wire/supervisor.ts";
import { encodeFrame, type Frame, FrameReader } from "../lib/frames.ts";
import { StartError } from "./supervisor-launch.ts";
import { listDirectory } from "./supervisor-list.ts";
import {
  AgentNonsenseError,
  parseFlush,
  parseList,
  parseObject,
  parseSignal,
  parseStart,
} from "./supervisor-messages.ts";
import { type OutputStream, SupervisedProcesses } from "./supervisor-processes.ts";

export interface SupervisorOptions {
  /** What processes inherit, less KUBERNETES_*, KUBELAMBDA_* and HOME. */
  readonly env: NodeJS.ProcessEnv;
  /** Where all output is copied to. */
  readonly stdout: Writable;
  /** Longest wait for the agent to listen, ms; default 30,000. */
  readonly connectTimeoutMs?: number;
}

const outputHeadBytes = 5;
const lineEnd = Buffer.from("\n");

/** Serves the agent until it says end (resolves) or is gone or talks nonsense (rejects). No process is left either way. */
export async function runSupervisor(socketPath: string, options: SupervisorOptions): Promise<void> {
  const socket = await connect(socketPath, options.connectTimeoutMs ?? 30_000);
  const supervisor = new LocalSupervisor(socket, options);
  try {
    await supervisor.serve();
  } finally {
    await supervisor.close();
  }
}

class LocalSupervisor {
  readonly #socket: Socket;
  readonly #stdout: Writable;
  readonly #processes: SupervisedProcesses;
  /** After output that does not end its line. */
  #isMidLine = false;

  constructor(socket: Socket, { env, stdout }: SupervisorOptions) {
    this.#socket = socket;
    this.#stdout = stdout;
    this.#processes = new SupervisedProcesses(env, {
      onOutput: (process, stream, bytes) => this.#output(process, stream, bytes),
      onText: (bytes) => this.#copy(bytes),
      onExit: (exit) => this.#send(frameKinds.exit, exit),
    });
    // What a broken connection means is seen where it is read.
    socket.on("error", () => undefined);
    for (const writable of [socket, stdout]) writable.on("drain", () => this.#catchUp());
  }

  async serve(): Promise<void> {
    this.#send(frameKinds.hello, { protocol: 1, cgroup: "none" } satisfies Hello);
    const reader = new FrameReader();
    try {
      for await (const chunk of this.#socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        for (const frame of reader.push(chunk)) {
          if (frame.kind === frameKinds.end) return;
          await this.#obey(frame);
          await this.#agentReads();
        }
      }
    } catch (error) {
      if (!isConnectionError(error)) throw error;
    }
    throw new Error("the agent closed the connection");
  }

  /** Kills everything, gives the agent what is left for it. */
  async close(): Promise<void> {
    try {
      await this.#processes.killAll();
    } finally {
      this.#socket.destroySoon();
    }
  }

  async #obey({ kind, payload }: Frame): Promise<void> {
    switch (kind) {
      case frameKinds.start:
        return this.#start(payload);
      case frameKinds.signal: {
        this.#processes.signal(parseSignal(payload));
        return;
      }
      case frameKinds.reset:
        parseObject(kind, payload);
        await this.#processes.killAll();
        this.#send(frameKinds.done, {});
        return;
      case frameKinds.write: {
        if (this.#isMidLine) this.#copy(lineEnd);
        this.#copy(Buffer.from(payload));
        return;
      }
      case frameKinds.flush: {
        const { id } = parseFlush(payload);
        this.#processes.drain();
        this.#send(frameKinds.flush, { id, ...this.#processes.memory() } satisfies Flushed);
        return;
      }
      case frameKinds.list: {
        const { id, path } = parseList(payload);
        this.#send(frameKinds.list, { id, entries: listDirectory(path) } satisfies DirectoryListing);
        return;
      }
      case frameKinds.stop:
        parseObject(kind, payload);
        await this.#processes.stopAll();
        return;
      case frameKinds.goOn:
        parseObject(kind, payload);
        this.#processes.continueAll();
        return;
      default:
        throw new AgentNonsenseError(`the agent sent a frame of unknown kind '${kind}'`);
    }
  }

  async #start(payload: Buffer): Promise<void> {
    const request = parseStart(payload);
    const { process } = request;
    try {
      await this.#processes.start(request, (pid) =>
        this.#send(frameKinds.process, { process, pid } satisfies ProcessStarted),
      );
    } catch (error) {
      if (!(error instanceof StartError)) throw error;
      const { code, message } = error;
      this.#send(frameKinds.process, { process, error: { code, message } } satisfies ProcessStarted);
    }
  }

  #output(process: number, stream: OutputStream, bytes: Buffer): void {
    for (let offset = 0; offset < bytes.length; offset += MAX_OUTPUT_BYTES) {
      const part = bytes.subarray(offset, offset + MAX_OUTPUT_BYTES);
      const payload = Buffer.allocUnsafe(outputHeadBytes + part.length);
      payload.writeUInt8(stream, 0);
      payload.writeUInt32BE(process, 1);
      part.copy(payload, outputHeadBytes);
      if (stream !== 3) this.#copy(payload.subarray(outputHeadBytes));
      this.#send(frameKinds.output, payload);
    }
  }

  /** Keeps `bytes`: nobody may write to them afterwards. */
  #copy(bytes: Buffer): void {
    const last = bytes.at(-1);
    if (last !== undefined) this.#isMidLine = last !== lineEnd[0];
    if (bytes.length > 0 && this.#stdout.writable && !this.#stdout.write(bytes)) this.#processes.pause();
  }

  #send(kind: string, payload: Buffer | object): void {
    if (this.#socket.writable && !this.#socket.write(encodeFrame(kind, payload))) this.#processes.pause();
  }

  #catchUp(): void {
    if (!this.#socket.writableNeedDrain && !this.#stdout.writableNeedDrain) this.#processes.resume();
  }

  /** An agent that reads nothing is not listened to either: what waits for it stays bounded. */
  async #agentReads(): Promise<void> {
    if (!this.#socket.writableNeedDrain || this.#socket.destroyed) return;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const done = (): void => resolve(undefined);
    this.#socket.once("drain", done).once("close", done);
    await promise;
    this.#socket.off("drain", done).off("close", done);
  }
}

const mayCome = new Set(["ENOENT", "ECONNREFUSED", "EAGAIN"]);

async function connect(path: string, timeoutMs: number): Promise<Socket> {
  const deadline = performance.now() + timeoutMs;
  for (let waitMs = 1; ; waitMs = Math.min(2 * waitMs, 25)) {
    const socket = createConnection({ path, allowHalfOpen: true });
    try {
      await once(socket, "connect");
      return socket;
    } catch (cause) {
      const code = (cause as NodeJS.ErrnoException).code ?? "";
      if (!mayCome.has(code) || performance.now() > deadline) {
        throw new Error(`Cannot connect to the agent at "${path}": ${code}`, { cause });
      }
      await pause(waitMs);
    }
  }
}

function isConnectionError(error: unknown): boolean {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return code !== undefined && ["ECONNRESET", "EPIPE", "ERR_STREAM_PREMATURE_CLOSE"].includes(code);
}

/** The process: status 0 when the agent said end, else 1 and one line on standard error. */
async function main(): Promise<void> {
  // The agent alone decides; a terminal's Ctrl-C reaches the whole group of local mode.
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const)
    process.on(signal, () => undefined);
  process.stdout.on("error", () => undefined);
  const socketPath = process.env["KUBELAMBDA_SOCKET"];
  try {
    if (socketPath === undefined) {
      throw new Error("Cannot find the agent: KUBELAMBDA_SOCKET is not set, right is the path of its socket");
    }
    await runSupervisor(socketPath, { env: process.env, stdout: process.stdout });
  } catch (error) {
    process.stderr.write(`supervisor: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}

if (import.meta.main) await main();
