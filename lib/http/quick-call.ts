/** One request and its answer on a connection of the quick lane. */
import type { Socket } from "node:net";
import { Readable } from "node:stream";
import type { SimpleHead } from "./simple-request.ts";

/** The client went away before its request was whole. */
const cutShort = "aborted";
const emptyBody = Buffer.alloc(0);

/** What the connection does for its call. */
export interface QuickConnection {
  readonly socket: Socket;
  /** The client sends nothing more. */
  readonly hasEnded: boolean;
  /** More of the body is wanted. */
  resume(): void;
  /** Takes a whole answer; nobody gets it when nobody is there to take it. `onTaken`: the kernel has all of it, or it is dropped. */
  send(answer: QuickAnswer, isLast: boolean, onTaken: (() => void) | undefined): void;
}

/** Ready to be sent. */
export interface QuickAnswer {
  /** Status line and headers with their empty line, latin1. */
  readonly head: string;
  readonly chunks: readonly Uint8Array[];
  /** Of all chunks. */
  readonly bytes: number;
}

export class QuickCall {
  readonly head: SimpleHead;
  /** All of the body, where it came with its head. */
  readonly whole: Buffer | undefined;
  readonly #connection: QuickConnection;
  #body: Readable | undefined;
  #bytesLeft: number;
  #isOver = false;
  #isGone = false;
  #onGone: (() => void) | undefined;
  #onTaken: (() => void) | undefined;

  /** `bytes`: what came of the body with its head, and nothing after it. */
  constructor(connection: QuickConnection, head: SimpleHead, bytes: Buffer) {
    this.#connection = connection;
    this.head = head;
    this.#bytesLeft = head.contentLength - bytes.length;
    this.whole = this.#bytesLeft === 0 ? bytes : undefined;
    if (this.whole === undefined) {
      this.#body = new Readable({ read: () => connection.resume() });
      // A listener comes when somebody reads it.
      this.#body.on("error", () => undefined);
      if (bytes.length > 0) this.#body.push(bytes);
    }
  }

  get socket(): Socket {
    return this.#connection.socket;
  }

  /** Reads to its end or fails when the client goes away. */
  get body(): Readable {
    return (this.#body ??= Readable.from(this.#ownBytes(), { objectMode: false }));
  }

  get isBodyComplete(): boolean {
    return this.#bytesLeft === 0;
  }

  /** No other call can follow: the rest of the body would be taken for it, or nothing comes any more. */
  get isLast(): boolean {
    return this.#bytesLeft > 0 || this.#connection.hasEnded;
  }

  /** The client has gone away before it had its answer. */
  get isGone(): boolean {
    return this.#isGone;
  }

  /** Has been answered, or never will be. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Calls when the client goes away before the answer; one listener, at once when it has gone. */
  onGone(call: () => void): void {
    if (this.#isGone) call();
    else this.#onGone = call;
  }

  /** Calls once the kernel has all of the answer, or nobody takes it any more; one listener, at once when the call is over. */
  whenTaken(call: () => void): void {
    if (this.#isOver) call();
    else this.#onTaken = call;
  }

  /** More of the body; returns what is behind its end. `isWanted` false: no more for now. */
  take(bytes: Buffer): { readonly rest: Buffer; readonly isWanted: boolean } {
    const own = bytes.length > this.#bytesLeft ? bytes.subarray(0, this.#bytesLeft) : bytes;
    this.#bytesLeft -= own.length;
    const isWanted = this.#body?.push(own) ?? true;
    if (this.#bytesLeft === 0) this.#body?.push(null);
    return { rest: bytes.subarray(own.length), isWanted };
  }

  /** Once. `isLast`: the connection ends with it, as its head says. */
  answer(answer: QuickAnswer, isLast: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#onGone = undefined;
    this.#connection.send(answer, isLast, this.#onTaken);
  }

  /** There is nobody any more to be answered. */
  leave(): void {
    if (this.#bytesLeft > 0) this.#body?.destroy(new Error(cutShort));
    if (this.#isOver) return;
    this.#isOver = true;
    this.#isGone = true;
    this.#onGone?.();
    this.#onTaken?.();
  }

  *#ownBytes(): Generator<Buffer> {
    const { whole = emptyBody } = this;
    if (whole.length > 0) yield whole;
  }
}
