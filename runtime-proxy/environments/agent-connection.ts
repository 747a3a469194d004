import { connect, type Socket } from "node:net";
import { AnswerReader, type AnswerFields, type AnswerSink } from "../../lib/http/answer-reader.ts";
import type { Clock } from "../../lib/clock.ts";

/** Hears how one exchange goes; `onEnd` or `onError` comes last, once. */
export interface ExchangeHandler {
  /** The request goes onto a connection: before, nothing can have been started. */
  onSent(): void;
  onHead(control: ExchangeControl, status: number, headers: AnswerFields): void;
  onData(control: ExchangeControl, chunk: Buffer): void;
  onEnd(trailers: AnswerFields): void;
  onError(error: Error): void;
}

export interface ExchangeControl {
  pause(): void;
  resume(): void;
  /** Cuts the connection: the error is the exchange's end. */
  abort(error: Error): void;
}

export interface Exchange {
  /** Request line and headers with their empty line; latin1. */
  readonly head: string;
  readonly body: Uint8Array;
  /** Longest wait for the answer's head, ms, and longest silence after it. */
  readonly headMs: number;
  readonly silenceMs: number;
  readonly handler: ExchangeHandler;
}

export interface AgentConnectionOptions {
  readonly host: string;
  readonly port: number;
  /** Longest dial. */
  readonly dialMs: number;
  readonly clock: Clock;
  /** It is open no more. */
  readonly onClose: () => void;
}

/** Nobody answered the dial in time. */
export class DialTimeoutError extends Error {
  override readonly name = "DialTimeoutError";
}

/** Not even the head of an answer in the time that it may take. */
export class AnswerTimeoutError extends Error {
  override readonly name = "AnswerTimeoutError";
}

/** The connection broke before the kernel had taken all of the request. */
export class UnsentError extends Error {
  override readonly name = "UnsentError";
}

/** Headers, and trailers with the error of a stream that failed. */
const longestHeadBytes = 512 * 1024;
const probeAfterMs = 30_000;
/** A connection that is not used for so long is closed: there may be thousands, most of them at rest. */
const idleMs = 30_000;
const mostCopiedBytes = 32 * 1024;

/** One connection to one agent: one exchange at a time, for which a general HTTP client would take twice the time. */
export class AgentConnection implements AnswerSink, ExchangeControl {
  readonly #options: AgentConnectionOptions;
  readonly #socket: Socket;
  readonly #reader = new AnswerReader(longestHeadBytes);
  readonly #cancelDial: () => void;
  #exchange: Exchange | undefined;
  /** When the running exchange is overdue, monotonic. */
  #dueMs = Infinity;
  #hasHead = false;
  #isConnected = false;
  /** The rest of a large request waits for room at the kernel, which takes a small one at once, or refuses it. */
  #isSending = false;
  /** Takes no other exchange. */
  #isLast = false;
  #isClosed = false;

  constructor(options: AgentConnectionOptions) {
    const { host, port, dialMs, clock } = options;
    this.#options = options;
    const socket = connect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: probeAfterMs });
    this.#socket = socket;
    const dialTimeout = (): void =>
      this.abort(new DialTimeoutError(`Cannot dial ${host}:${port}: no answer in ${dialMs} ms`));
    this.#cancelDial = clock.schedule(dialMs, dialTimeout);
    socket.setTimeout(idleMs, () => this.#closeIfIdle());
    socket.once("connect", () => this.#connected());
    socket.on("data", (chunk) => this.#read(chunk));
    socket.on("end", () => this.#broke(new Error("The agent has closed the connection")));
    socket.on("error", (error) => this.#broke(error));
    socket.on("close", () => this.abort(new Error("The connection was closed")));
  }

  /** Another exchange may begin. */
  get isFree(): boolean {
    return this.#exchange === undefined && !this.#isLast && !this.#isClosed;
  }

  send(exchange: Exchange): void {
    this.#exchange = exchange;
    this.#hasHead = false;
    this.#dueMs = Infinity;
    if (this.#isConnected) this.#write(exchange);
  }

  /** Ends an exchange that takes too long. */
  checkTime(nowMs: number): void {
    if (nowMs < this.#dueMs) return;
    if (this.#hasHead) this.abort(new Error("The answer does not go on"));
    else this.abort(new AnswerTimeoutError("No answer in the time that the longest run may take"));
  }

  /** After the running exchange. */
  closeSoon(): void {
    this.#isLast = true;
    this.#closeIfIdle();
  }

  close(): void {
    this.abort(new Error("The router ends"));
  }

  pause(): void {
    this.#socket.pause();
    // Whoever does not take it holds it up, and not the agent.
    this.#dueMs = Infinity;
  }

  resume(): void {
    if (this.#exchange !== undefined && this.#hasHead) this.#waitFor(this.#exchange.silenceMs);
    this.#socket.resume();
  }

  abort(error: Error): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    this.#dueMs = Infinity;
    this.#cancelDial();
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#socket.destroy();
      this.#options.onClose();
    }
    exchange?.handler.onError(error);
  }

  /** What the kernel took and could not deliver shows in other errors than that of a write, and may have arrived. */
  #broke(error: NodeJS.ErrnoException): void {
    const isUnsent = this.#isSending || error.syscall === "write";
    this.abort(isUnsent ? new UnsentError(`Cannot send all of the call: ${error.message}`, { cause: error }) : error);
  }

  head(status: number, headers: AnswerFields): void {
    this.#hasHead = true;
    this.#exchange?.handler.onHead(this, status, headers);
  }

  data(chunk: Buffer): void {
    this.#exchange?.handler.onData(this, chunk);
  }

  end(trailers: AnswerFields, isLast: boolean): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    this.#dueMs = Infinity;
    // Whoever paused it has all of its answer, or wants no more of it.
    this.#socket.resume();
    // An answer before the end of its request: what is left of that would be read as the next one.
    if (isLast || this.#isLast || this.#socket.writableLength > 0) this.closeSoon();
    exchange?.handler.onEnd(trailers);
  }

  #connected(): void {
    this.#isConnected = true;
    this.#cancelDial();
    if (this.#exchange !== undefined) this.#write(this.#exchange);
  }

  #write(exchange: Exchange): void {
    const { head, body, headMs, handler } = exchange;
    const socket = this.#socket;
    this.#waitFor(headMs);
    handler.onSent();
    if (body.length > mostCopiedBytes) {
      socket.cork();
      socket.write(head, "latin1");
      this.#isSending = true;
      socket.write(body, (error) => {
        if (error === undefined || error === null) this.#isSending = false;
      });
      socket.uncork();
      return;
    }
    // In one piece, and one system call.
    const bytes = Buffer.allocUnsafe(head.length + body.length);
    bytes.set(body, bytes.write(head, 0, "latin1"));
    socket.write(bytes);
  }

  #read(chunk: Buffer): void {
    if (this.#exchange === undefined) {
      this.abort(new Error("The agent has answered what nobody asked"));
      return;
    }
    if (this.#hasHead) this.#waitFor(this.#exchange.silenceMs);
    try {
      this.#reader.push(chunk, this);
    } catch (error) {
      this.abort(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #waitFor(ms: number): void {
    this.#dueMs = this.#options.clock.monotonicMs() + ms;
  }

  #closeIfIdle(): void {
    if (this.#exchange === undefined) this.abort(new Error("The connection is not needed any more"));
  }
}
