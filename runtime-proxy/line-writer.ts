import { write } from "node:fs";
import type { Clock } from "../lib/clock.ts";
import { LONGEST_LINE_BYTES } from "./domain/access-line.ts";

export interface LineWriterOptions {
  /** Writes some bytes and says how many, as fs.write does. */
  readonly write: (bytes: Buffer, done: (error: NodeJS.ErrnoException | null, written: number) => void) => void;
  readonly clock: Clock;
  /** Most bytes that wait; lines beyond are dropped. Default 1 MiB. */
  readonly mostBytes?: number;
  readonly onLine: (result: "written" | "dropped", count: number) => void;
}

/** After whoever reads has not kept up. */
const retryMs = 20;

/** To this process's standard output, without holding up the event loop: `process.stdout` waits for whoever reads a pipe. */
export const writeToStdout: LineWriterOptions["write"] = (bytes, done) => write(1, bytes, 0, bytes.length, null, done);

/** Writes lines in order, one write under way at a time. What cannot be written soon is bounded, and what is beyond it is dropped and counted. */
export class LineWriter {
  readonly #options: LineWriterOptions;
  readonly #mostBytes: number;
  readonly #idle = new Set<() => void>();
  #lines: string[] = [];
  #waitingBytes = 0;
  #isWriting = false;

  constructor(options: LineWriterOptions) {
    this.#options = options;
    this.#mostBytes = options.mostBytes ?? 1024 * 1024;
  }

  /** A whole line with its line break, ASCII. */
  line(text: string): void {
    if (this.#waitingBytes + text.length > this.#mostBytes || text.length > LONGEST_LINE_BYTES) {
      this.#options.onLine("dropped", 1);
      return;
    }
    this.#waitingBytes += text.length;
    this.#lines.push(text);
    if (this.#isWriting) return;
    this.#isWriting = true;
    // After the current turn: calls that end together are written together.
    setImmediate(() => this.#next());
  }

  /** Settles when everything is written, at the latest after the deadline. */
  async flush(deadlineMs: number): Promise<void> {
    if (!this.#isWriting) return;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const done = (): void => resolve(undefined);
    this.#idle.add(done);
    const cancel = this.#options.clock.schedule(deadlineMs, done);
    await promise;
    cancel();
    this.#idle.delete(done);
  }

  #next(): void {
    const [first] = this.#lines;
    if (first === undefined) {
      this.#isWriting = false;
      for (const done of this.#idle) done();
      return;
    }
    let count = 0;
    let bytes = 0;
    for (const line of this.#lines) {
      if (bytes + line.length > LONGEST_LINE_BYTES) break;
      bytes += line.length;
      count += 1;
    }
    const piece = Buffer.from(this.#lines.splice(0, count).join(""), "latin1");
    this.#write(piece, count);
  }

  #write(piece: Buffer, lines: number): void {
    const { write: writeBytes, clock, onLine } = this.#options;
    writeBytes(piece, (error, written) => {
      if (error?.code === "EAGAIN") {
        clock.schedule(retryMs, () => this.#write(piece, lines));
        return;
      }
      if (error === null && written < piece.length) {
        this.#write(piece.subarray(written), lines);
        this.#waitingBytes -= written;
        return;
      }
      this.#waitingBytes -= piece.length;
      onLine(error === null ? "written" : "dropped", lines);
      this.#next();
    });
  }
}
