import type { Socket } from "node:net";
import {
  frameKinds,
  type DirectoryListing,
  type Flushed,
  type Hello,
  type MemoryReading,
  type ProcessExit,
  type ProcessStarted,
  type SignalProcess,
  type StartProcess,
} from "../crds/wire/supervisor.ts";
import { ChurningMap } from "../lib/churning-map.ts";
import type { Clock } from "../lib/clock.ts";
import { encodeFrame, FrameReader, type Frame } from "../lib/frames.ts";

/** What the agent is told unasked. */
export interface SupervisorEvents {
  /** Bytes that a process and its children wrote, already copied to the container's log. */
  readonly onOutput: (bytes: Uint8Array, process: number, stream: 1 | 2 | 3) => void;
  readonly onExit: (exit: ProcessExit) => void;
  /** The connection, and with it the container, is gone. Called once, also after `end`. */
  readonly onLost: (reason: string) => void;
}

const helloLimitMs = 10_000;
const answerLimitMs = 10_000;
/** What only a log line waits for must not hold up a call for long. */
const flushLimitMs = 1_000;
/** Longest that a line waits which nobody waits for: between two calls that follow each other it goes out with the next one's START. */
const heldMs = 5;
/** A supervisor that takes nothing off its socket is as good as gone. */
const maxQueuedBytes = 8 * 1024 * 1024;
const outputHeadBytes = 5;

interface Flush {
  readonly id: number;
  readonly resolve: (reading: MemoryReading) => void;
  /** Monotonic. */
  readonly untilMs: number;
}

const noMemory: MemoryReading = { peakBytes: 0, currentBytes: 0 };

/** The agent's end of the socket to one container's supervisor. Source: crds/wire/supervisor.ts. */
export class SupervisorClient {
  readonly #socket: Socket;
  readonly #events: SupervisorEvents;
  readonly #clock: Clock;
  readonly #reader = new FrameReader();
  readonly #hello = Promise.withResolvers<Hello>();
  readonly #starts = new Map<number, (started: ProcessStarted) => void>();
  readonly #flushes = new ChurningMap<Flush>();
  #isFlushTimed = false;
  readonly #lists = new Map<number, (entries: DirectoryListing["entries"]) => void>();
  readonly #lost = rejectLater();
  #resets: (() => void)[] = [];
  #lastFlush = 0;
  #lastList = 0;
  #isLost = false;
  /** Frames that go out with the next one, at the latest after `heldMs`. */
  #held: Buffer[] = [];
  #isHeldTimed = false;

  constructor(socket: Socket, events: SupervisorEvents, clock: Clock) {
    this.#socket = socket;
    this.#events = events;
    this.#clock = clock;
    this.#hello.promise.catch(() => undefined);
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("error", (error) => this.#lose(error.message));
    socket.on("close", () => this.#lose("the connection has ended"));
  }

  /** The supervisor's first frame; rejects when it does not come in 10 s or speaks another protocol. */
  async hello(): Promise<Hello> {
    return await this.#inTime("hello", helloLimitMs, this.#hello.promise);
  }

  /** Rejects when the supervisor is gone or does not answer; that a process cannot be started is an answer. */
  async start(process: StartProcess): Promise<ProcessStarted> {
    const { promise, resolve } = Promise.withResolvers<ProcessStarted>();
    this.#starts.set(process.process, resolve);
    this.#send(frameKinds.start, process);
    return await this.#inTime("start", answerLimitMs, promise);
  }

  /** Every process of the container is gone and its output delivered when this settles; a supervisor that cannot do so is cut off. */
  async reset(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#resets.push(() => resolve(undefined));
    this.#send(frameKinds.reset, {});
    await this.#inTime("reset", answerLimitMs, promise);
  }

  /** Settles when all that the processes have written until now was given to `onOutput`; after 1 s without an answer with zeros. */
  async flush(): Promise<MemoryReading> {
    const id = ++this.#lastFlush;
    const { promise, resolve } = Promise.withResolvers<MemoryReading>();
    this.#flushes.set(id, { id, resolve, untilMs: this.#clock.monotonicMs() + flushLimitMs });
    this.#timeFlushes(flushLimitMs);
    this.#send(frameKinds.flush, { id });
    return await promise;
  }

  /** One timer for all of them: each call has one, and takes moments. */
  #timeFlushes(afterMs: number): void {
    if (this.#isFlushTimed) return;
    this.#isFlushTimed = true;
    this.#clock.schedule(afterMs, () => {
      this.#isFlushTimed = false;
      this.#endOverdueFlushes();
    });
  }

  #endOverdueFlushes(): void {
    const nowMs = this.#clock.monotonicMs();
    let nextMs = Infinity;
    for (const flush of this.#flushes.values()) {
      if (flush.untilMs > nowMs) nextMs = Math.min(nextMs, flush.untilMs);
      else this.#flushes.take(flush.id)?.resolve(noMemory);
    }
    if (nextMs < Infinity) this.#timeFlushes(nextMs - nowMs);
  }

  /** What is directly in a directory; rejects when the supervisor is gone or does not answer. */
  async list(path: string): Promise<DirectoryListing["entries"]> {
    const id = ++this.#lastList;
    const { promise, resolve } = Promise.withResolvers<DirectoryListing["entries"]>();
    this.#lists.set(id, resolve);
    this.#send(frameKinds.list, { id, path });
    return await this.#inTime("list", answerLimitMs, promise);
  }

  signal(signal: SignalProcess): void {
    this.#send(frameKinds.signal, signal);
  }

  /** All processes of the container stand still, until `goOn`. */
  stop(): void {
    this.#send(frameKinds.stop, {});
  }

  goOn(): void {
    this.#send(frameKinds.goOn, {});
  }

  /** Puts the platform's own lines between what the processes write; `now`: before anything that a process is given next. */
  write(text: string, when: "now" | "soon" = "now"): void {
    if (when === "now") this.#send(frameKinds.write, text);
    else this.#sendSoon(frameKinds.write, text);
  }

  /** Ends the container with status 0. */
  end(): void {
    this.#send(frameKinds.end, {});
  }

  /** A frame that waits for nothing: each one on its own would be a system call, and wake the supervisor once more. */
  #sendSoon(kind: string, payload: string): void {
    if (this.#isLost) return;
    this.#held.push(encodeFrame(kind, payload));
    if (this.#isHeldTimed) return;
    // Not cancelled by what goes out before: a timer each call would cost more than one that finds nothing.
    this.#isHeldTimed = true;
    this.#clock.schedule(heldMs, () => {
      this.#isHeldTimed = false;
      this.#write();
    });
  }

  #send(kind: string, payload: string | object): void {
    if (this.#isLost) return;
    this.#held.push(encodeFrame(kind, payload));
    this.#write();
  }

  #write(): void {
    const [first, ...more] = this.#held;
    this.#held = [];
    if (first === undefined || this.#isLost) return;
    this.#socket.write(more.length === 0 ? first : Buffer.concat([first, ...more]));
    if (this.#socket.writableLength > maxQueuedBytes) this.#cut("the supervisor takes nothing off its socket");
  }

  #read(chunk: Buffer): void {
    try {
      for (const frame of this.#reader.push(chunk)) this.#take(frame);
    } catch (error) {
      this.#cut(`the supervisor sent what is no frame of ours: ${String(error)}`);
    }
  }

  #take({ kind, payload }: Frame): void {
    switch (kind) {
      case frameKinds.output:
        this.#takeOutput(payload);
        return;
      case frameKinds.exit:
        this.#events.onExit(parse(payload) as ProcessExit);
        return;
      case frameKinds.process:
        this.#takeStarted(parse(payload) as ProcessStarted);
        return;
      case frameKinds.flush:
        this.#takeFlushed(parse(payload) as Flushed);
        return;
      case frameKinds.list:
        this.#takeListing(parse(payload) as DirectoryListing);
        return;
      case frameKinds.done:
        this.#resets.shift()?.();
        return;
      case frameKinds.hello:
        this.#takeHello(parse(payload) as { protocol: number } & Omit<Hello, "protocol">);
        return;
      default:
        throw new Error(`unknown kind "${kind}"`);
    }
  }

  #takeOutput(payload: Buffer): void {
    const stream = payload.readUInt8(0);
    if (stream !== 1 && stream !== 2 && stream !== 3) throw new Error(`unknown stream ${stream}`);
    this.#events.onOutput(payload.subarray(outputHeadBytes), payload.readUInt32BE(1), stream);
  }

  #takeStarted(started: ProcessStarted): void {
    this.#starts.get(started.process)?.(started);
    this.#starts.delete(started.process);
  }

  #takeFlushed(flushed: Flushed): void {
    this.#flushes.take(flushed.id)?.resolve(flushed);
  }

  #takeListing({ id, entries }: DirectoryListing): void {
    this.#lists.get(id)?.(entries);
    this.#lists.delete(id);
  }

  #takeHello({ protocol, cgroup }: { readonly protocol: number; readonly cgroup: Hello["cgroup"] }): void {
    if (protocol !== 1) throw new Error(`protocol ${protocol}, right is 1`);
    this.#hello.resolve({ protocol, cgroup });
  }

  async #inTime<T>(action: string, limitMs: number, answer: Promise<T>): Promise<T> {
    const cancel = this.#clock.schedule(limitMs, () => this.#cut(`no answer to ${action} in ${limitMs} ms`));
    try {
      return await Promise.race([answer, this.#lost.promise]);
    } finally {
      cancel();
    }
  }

  #cut(reason: string): void {
    this.#lose(reason);
    this.#socket.destroy();
  }

  #lose(reason: string): void {
    if (this.#isLost) return;
    this.#isLost = true;
    for (const { resolve } of this.#flushes.takeAll()) resolve(noMemory);
    this.#lost.reject(new SupervisorLostError(reason));
    this.#events.onLost(reason);
  }
}

/** The container of a supervisor is gone. */
export class SupervisorLostError extends Error {
  constructor(reason: string) {
    super(`Cannot reach the supervisor: ${reason}`);
  }
}

function rejectLater(): PromiseWithResolvers<never> {
  const later = Promise.withResolvers<never>();
  later.promise.catch(() => undefined);
  return later;
}

function parse(payload: Buffer): unknown {
  return JSON.parse(payload.toString());
}
