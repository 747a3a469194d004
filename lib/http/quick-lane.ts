/**
 * A lane beside node:http for the calls that come again and again: a head that can be read in one way only, a body of a known length, an
 * answer in one piece. Of what a call costs in node:http, most is for all the other forms of HTTP. Whatever is not of this form goes to
 * node:http with its connection, for good.
 */
import type { Server } from "node:http";
import type { Socket } from "node:net";
import type { Clock } from "../clock.ts";
import { QuickCall, type QuickAnswer, type QuickConnection } from "./quick-call.ts";
import { parseSimpleHead, simpleHeadBytes, type SimpleHead } from "./simple-request.ts";
import { cutOff } from "./stalled-client.ts";

export interface QuickLaneOptions {
  /** Whether calls of this kind are served here. */
  readonly takes: (head: SimpleHead) => boolean;
  /** Answers the call sooner or later. */
  readonly serve: (call: QuickCall) => void;
  readonly clock: Clock;
  /** Longest wait for a connection's first bytes, for a body, between two calls, and for an answer to be taken, ms; 0: none. */
  readonly firstBytesMs: number;
  readonly bodyMs: number;
  readonly idleMs: number;
  readonly answerMs: number;
  /** Longest time in which nothing of an answer is taken, ms; 0: only the others count. Needs an `idleMs`. */
  readonly stallMs: number;
  /** Who has closed its half is still answered. */
  readonly allowsHalfOpen: boolean;
}

const noBytes = Buffer.alloc(0);
const mostCopiedBytes = 32 * 1024;

/** Takes over the connections of a server of node:http. */
export class QuickLane {
  readonly #connections = new Set<Connection>();

  constructor(server: Server, event: "connection" | "secureConnection", options: QuickLaneOptions) {
    const [usual] = server.listeners(event) as ((socket: Socket) => void)[];
    if (usual === undefined) throw new TypeError(`Cannot take over connections: nobody listens to "${event}"`);
    server.off(event, usual);
    server.on(event, (socket: Socket) => {
      const connection = new Connection(socket, options, {
        toOthers: () => usual.call(server, socket),
        onBroken: (code) => server.emit("clientError", Object.assign(new Error(code), { code }), socket),
        onEnd: () => this.#connections.delete(connection),
      });
      this.#connections.add(connection);
    });
  }

  /** Some body has begun and is not here whole. */
  get isReadingBody(): boolean {
    for (const connection of this.#connections) if (connection.isReadingBody) return true;
    return false;
  }

  /** Those on which no call runs. */
  closeIdle(): void {
    for (const connection of this.#connections) connection.closeIfIdle();
  }

  closeAll(): void {
    for (const { socket } of this.#connections) socket.destroy();
  }
}

interface ConnectionHooks {
  readonly toOthers: () => void;
  /** Codes of node:http's errors. */
  readonly onBroken: (code: string) => void;
  /** It is none of the lane's any more. */
  readonly onEnd: () => void;
}

class Connection implements QuickConnection {
  readonly socket: Socket;
  hasEnded = false;
  readonly #options: QuickLaneOptions;
  readonly #hooks: ConnectionHooks;
  #call: QuickCall | undefined;
  /** What came while a call ran: it waits, unread, and so does all that follows. */
  #held: Buffer = noBytes;
  #cancelTimer: (() => void) | undefined;

  constructor(socket: Socket, options: QuickLaneOptions, hooks: ConnectionHooks) {
    this.socket = socket;
    this.#options = options;
    this.#hooks = hooks;
    socket.on("data", this.#onData).on("end", this.#onEnd).on("close", this.#onClose).on("error", this.#onError);
    if (options.idleMs > 0) socket.setTimeout(options.idleMs).on("timeout", this.#onIdle);
    this.#limit(options.firstBytesMs, () => this.#hooks.onBroken("ERR_HTTP_REQUEST_TIMEOUT"));
  }

  get isReadingBody(): boolean {
    return this.#call?.isBodyComplete === false;
  }

  closeIfIdle(): void {
    if (this.#call !== undefined) return;
    // Its client may still be taking the last answer.
    this.#hearNoMore();
    this.socket.destroySoon();
  }

  resume(): void {
    if (this.#held.length === 0) this.socket.resume();
  }

  send(answer: QuickAnswer, isLast: boolean, onTaken: (() => void) | undefined): void {
    const { socket } = this;
    this.#unlimit();
    this.#call = undefined;
    if (socket.destroyed || !socket.writable) {
      onTaken?.();
      return;
    }
    write(socket, answer, onTaken && onceTaken(socket, onTaken));
    const isLate = socket.writableNeedDrain;
    if (isLast || this.hasEnded) {
      this.#hearNoMore();
      socket.destroySoon();
    }
    if (isLate) this.#awaitTaking();
    else this.#hearOn();
  }

  /** Nothing is read until all of the answer is taken: else those of the next calls would pile up behind it. */
  #awaitTaking(): void {
    const { socket } = this;
    const { stallMs, idleMs } = this.#options;
    this.#limitAnswer();
    // Begins anew with every part that is taken.
    if (stallMs > 0) socket.setTimeout(stallMs);
    socket.pause();
    socket.once("drain", () => {
      if (stallMs > 0) socket.setTimeout(idleMs);
      this.#hearOn();
    });
  }

  #hearOn(): void {
    // Also where nobody wanted the rest of a body: what follows it is the next call.
    this.socket.resume();
    if (this.#held.length === 0) return;
    const held = this.#held;
    this.#held = noBytes;
    this.#begin(held);
  }

  readonly #onData = (chunk: Buffer): void => {
    const call = this.#call;
    if (call === undefined) this.#begin(chunk);
    else if (call.isBodyComplete) this.#hold(chunk);
    else this.#goOn(call, chunk);
  };

  #goOn(call: QuickCall, chunk: Buffer): void {
    const { rest, isWanted } = call.take(chunk);
    if (call.isBodyComplete) this.#unlimit();
    if (rest.length > 0) this.#hold(rest);
    else if (!isWanted) this.socket.pause();
  }

  #hold(bytes: Buffer): void {
    this.#held = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    this.socket.pause();
  }

  #begin(chunk: Buffer): void {
    this.#unlimit();
    const { takes, serve, bodyMs } = this.#options;
    const headBytes = simpleHeadBytes(chunk);
    const head = headBytes < 0 ? undefined : parseSimpleHead(chunk.toString("latin1", 0, headBytes - 2));
    if (head === undefined || !takes(head) || chunk.length > headBytes + head.contentLength) {
      this.#leaveTo(chunk);
      return;
    }
    const call = new QuickCall(this, head, chunk.subarray(headBytes));
    this.#call = call;
    if (call.whole === undefined) this.#limit(bodyMs, () => this.#breakOff("ERR_HTTP_REQUEST_TIMEOUT"));
    serve(call);
  }

  /** With its bytes, as if nobody had read them. */
  #leaveTo(bytes: Buffer): void {
    const { socket } = this;
    socket.off("data", this.#onData).off("end", this.#onEnd).off("close", this.#onClose).off("error", this.#onError);
    if (this.#options.idleMs > 0) socket.setTimeout(0).off("timeout", this.#onIdle);
    this.#hooks.onEnd();
    // Else the bytes would go to nobody, and nothing would say to the next reader that there are some.
    socket.pause();
    socket.unshift(bytes);
    this.#hooks.toOthers();
    socket.resume();
  }

  /** What comes now is no request: the rest of a body must never be read as one. */
  #hearNoMore(): void {
    this.#held = noBytes;
    this.socket.off("data", this.#onData).resume();
  }

  #breakOff(code: string): void {
    const call = this.#call;
    this.#call = undefined;
    this.#hearNoMore();
    this.#hooks.onBroken(code);
    call?.leave();
  }

  readonly #onEnd = (): void => {
    this.hasEnded = true;
    if (this.isReadingBody) this.#breakOff("HPE_INVALID_EOF_STATE");
    else if (this.#call === undefined || !this.#options.allowsHalfOpen) this.socket.end();
  };

  readonly #onClose = (): void => {
    this.#unlimit();
    this.#hooks.onEnd();
    const call = this.#call;
    this.#call = undefined;
    call?.leave();
  };

  /** Told by the end that follows. */
  readonly #onError = (): void => undefined;

  readonly #onIdle = (): void => {
    if (this.#call === undefined) cutOff(this.socket);
  };

  #limitAnswer(): void {
    const { answerMs, clock } = this.#options;
    if (answerMs === 0) return;
    const cancel = clock.schedule(answerMs, () => this.socket.destroy());
    this.socket.once("drain", cancel).once("close", cancel);
  }

  #limit(ms: number, call: () => void): void {
    this.#unlimit();
    if (ms > 0) this.#cancelTimer = this.#options.clock.schedule(ms, call);
  }

  #unlimit(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }
}

/** To be told that a write has ended: calls then, or when the connection ends, whichever is first. A short answer may wait too, without a "drain" to come. */
function onceTaken(socket: Socket, call: () => void): () => void {
  let isTaken = false;
  const taken = (): void => {
    if (isTaken) return;
    isTaken = true;
    socket.off("close", taken);
    call();
  };
  socket.on("close", taken);
  return taken;
}

/** In one piece, and one system call, unless that would copy much. */
function write(socket: Socket, { head, chunks, bytes }: QuickAnswer, onWritten: (() => void) | undefined): void {
  if (bytes > mostCopiedBytes) {
    socket.cork();
    socket.write(head, "latin1");
    for (const [at, chunk] of chunks.entries()) socket.write(chunk, at === chunks.length - 1 ? onWritten : undefined);
    socket.uncork();
    return;
  }
  const answer = Buffer.allocUnsafe(head.length + bytes);
  let at = answer.write(head, 0, "latin1");
  for (const chunk of chunks) {
    answer.set(chunk, at);
    at += chunk.length;
  }
  socket.write(answer, onWritten);
}
