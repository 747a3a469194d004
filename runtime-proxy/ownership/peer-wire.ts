import type { Duplex } from "node:stream";
import type { z } from "zod";
import type { Clock } from "../../lib/clock.ts";
import type { PeerMessage } from "./peer-messages.ts";

export interface PeerWireOptions<Message> {
  readonly socket: Duplex;
  readonly schema: z.ZodType<Message[]>;
  readonly clock: Clock;
  readonly onMessage: (message: Message) => void;
  /** Called once: nothing comes any more. */
  readonly onClosed: (reason: string) => void;
}

/** How often each end says that it is there, and after how long without a word the other one counts as gone. */
const sayEveryMs = 2000;
const silentAfterMs = 6000;
const longestLineBytes = 8 * 1024 * 1024;
/** A peer that takes nothing is as good as gone. */
const mostUnsentBytes = 64 * 1024 * 1024;
const newLine = 0x0a;

/** One standing connection between two routers: what is said in one turn of the event loop goes out as one line. */
export class PeerWire<Message> {
  readonly #options: PeerWireOptions<Message>;
  #outgoing: PeerMessage[] = [];
  #pieces: Buffer[] = [];
  #held = 0;
  #heardAtMs: number;
  #cancelSay: () => void = () => undefined;
  #isClosed = false;

  constructor(options: PeerWireOptions<Message>) {
    const { socket, clock } = options;
    this.#options = options;
    this.#heardAtMs = clock.monotonicMs();
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
    socket.on("error", (error) => this.close(String(error)));
    // A server's sockets stay half open: nothing would close them until the next write.
    socket.on("end", () => this.close("the other end has closed the connection"));
    socket.on("close", () => this.close("the other end has closed the connection"));
    this.#sayAgain();
  }

  send(message: PeerMessage): void {
    if (this.#isClosed) return;
    this.#outgoing.push(message);
    // All that this turn brings, from whichever connection, is one write.
    if (this.#outgoing.length === 1) setImmediate(() => this.#flush());
  }

  close(reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#cancelSay();
    this.#options.socket.destroy();
    this.#options.onClosed(reason);
  }

  #sayAgain(): void {
    const { clock } = this.#options;
    this.#cancelSay = clock.schedule(sayEveryMs, () => {
      if (clock.monotonicMs() - this.#heardAtMs > silentAfterMs) {
        this.close(`the other end has been silent for ${silentAfterMs} ms`);
        return;
      }
      this.send({ t: "here" });
      this.#sayAgain();
    });
  }

  #flush(): void {
    const messages = this.#outgoing;
    this.#outgoing = [];
    if (this.#isClosed) return;
    const { socket } = this.#options;
    socket.write(`${JSON.stringify(messages)}\n`);
    if (socket.writableLength > mostUnsentBytes) this.close("the other end takes nothing");
  }

  #take(chunk: Buffer): void {
    this.#heardAtMs = this.#options.clock.monotonicMs();
    let from = 0;
    for (let at = chunk.indexOf(newLine); at >= 0; at = chunk.indexOf(newLine, from)) {
      this.#pieces.push(chunk.subarray(from, at));
      from = at + 1;
      const line = this.#pieces.length === 1 ? this.#pieces[0] : Buffer.concat(this.#pieces);
      [this.#pieces, this.#held] = [[], 0];
      this.#read(line ?? chunk);
    }
    if (from >= chunk.length) return;
    this.#pieces.push(chunk.subarray(from));
    this.#held += chunk.length - from;
    if (this.#held > longestLineBytes) this.close(`the other end sent a line of more than ${longestLineBytes} bytes`);
  }

  #read(line: Buffer): void {
    if (this.#isClosed) return;
    try {
      for (const message of this.#options.schema.parse(JSON.parse(line.toString("utf8")))) {
        this.#options.onMessage(message);
      }
    } catch (error) {
      this.close(`the other end sent what makes no sense: ${String(error).slice(0, 500)}`);
    }
  }
}
