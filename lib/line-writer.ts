import { write } from "node:fs";
import type { Clock } from "./clock.ts";

/** What the kernel writes to a pipe in one piece, so that no other line gets into it. Source: pipe(7), PIPE_BUF. */
export const LONGEST_LINE_BYTES = 4096;

export interface LineWriterOptions {
  /** Writes some bytes and says how many, as fs.write does. */
  readonly write: (bytes: Buffer, done: (error: NodeJS.ErrnoException | null, written: number) => void) => void;
  readonly clock: Clock;
}

export interface LineSourceOptions {
  /** Most bytes of this source that wait; lines beyond are dropped. Default 1 MiB. */
  readonly mostBytes?: number;
  /** Longer ones are dropped. Default LONGEST_LINE_BYTES. */
  readonly longestLineBytes?: number;
  readonly onLine: (result: "written" | "dropped", count: number) => void;
  /** The rest is about to be taken, and there is room again: for what has to be said last. */
  readonly onRest?: () => void;
}

/** Whose lines these are: each source has its own room, so that one which writes much costs another none of its lines. */
export interface LineSource {
  /** A whole line with its line break, ASCII. */
  line(text: string): void;
}

interface Line {
  readonly text: string;
  readonly of: Source;
}

/** After whoever reads has not kept up. */
const retryMs = 20;

/** To this process's standard output, which others read as fast as they like: `process.stdout` would wait, or keep all that they do not read. */
export const writeToStdout: LineWriterOptions["write"] = (bytes, done) => write(1, bytes, 0, bytes.length, null, done);

/** Writes lines in order, one write under way at a time. What cannot be written soon is bounded, and what is beyond it is dropped and counted. */
export class LineWriter {
  readonly #options: LineWriterOptions;
  readonly #idle = new Set<() => void>();
  readonly #sources: Source[] = [];
  #lines: Line[] = [];
  /** What is to be written next, and is not being written. */
  #rest: Buffer | undefined;
  #isWriting = false;

  constructor(options: LineWriterOptions) {
    this.#options = options;
  }

  open(options: LineSourceOptions): LineSource {
    const of = new Source(options);
    this.#sources.push(of);
    return {
      line: (text) => {
        if (of.takes(text)) this.#add(text, of);
      },
    };
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

  /** What waits and has not been given to `write`: for who writes it himself, as a process that ends must. */
  takeRest(): Buffer {
    const lines = this.#takeLines();
    for (const source of this.#sources) source.beforeRest();
    const rest = Buffer.concat([this.#rest ?? Buffer.alloc(0), lines, this.#takeLines()]);
    this.#rest = undefined;
    return rest;
  }

  #takeLines(): Buffer {
    const lines = this.#lines.splice(0);
    for (const { text, of } of lines) of.taken(text);
    return Buffer.from(lines.map(({ text }) => text).join(""), "latin1");
  }

  #add(text: string, of: Source): void {
    this.#lines.push({ text, of });
    if (this.#isWriting) return;
    this.#isWriting = true;
    // After the current turn: calls that end together are written together.
    setImmediate(() => this.#next());
  }

  /** Whole lines of at most LONGEST_LINE_BYTES together, or one that is longer. */
  #next(): void {
    if (this.#lines.length === 0) {
      this.#isWriting = false;
      for (const done of this.#idle) done();
      return;
    }
    let count = 0;
    let bytes = 0;
    for (const { text } of this.#lines) {
      if (count > 0 && bytes + text.length > LONGEST_LINE_BYTES) break;
      bytes += text.length;
      count += 1;
    }
    const lines = this.#lines.splice(0, count);
    const piece = Buffer.from(lines.map(({ text }) => text).join(""), "latin1");
    this.#write(piece, (result) => {
      for (const [of, its] of Map.groupBy(lines, (line) => line.of)) of.done(its, result);
    });
  }

  #write(piece: Buffer, onEnd: (result: "written" | "dropped") => void): void {
    const { write: writeBytes, clock } = this.#options;
    writeBytes(piece, (error, written) => {
      if (error?.code === "EAGAIN") {
        this.#rest = piece;
        clock.schedule(retryMs, () => {
          const isTaken = this.#rest === undefined;
          this.#rest = undefined;
          if (isTaken) this.#next();
          else this.#write(piece, onEnd);
        });
        return;
      }
      if (error === null && written < piece.length) {
        this.#write(piece.subarray(written), onEnd);
        return;
      }
      onEnd(error === null ? "written" : "dropped");
      this.#next();
    });
  }
}

class Source {
  readonly #options: LineSourceOptions;
  #waitingBytes = 0;

  constructor(options: LineSourceOptions) {
    this.#options = options;
  }

  takes({ length }: string): boolean {
    const { mostBytes = 1024 * 1024, longestLineBytes = LONGEST_LINE_BYTES, onLine } = this.#options;
    if (this.#waitingBytes + length <= mostBytes && length <= longestLineBytes) {
      this.#waitingBytes += length;
      return true;
    }
    onLine("dropped", 1);
    return false;
  }

  /** It waits no more. */
  taken({ length }: string): void {
    this.#waitingBytes -= length;
  }

  beforeRest(): void {
    this.#options.onRest?.();
  }

  done(lines: readonly Line[], result: "written" | "dropped"): void {
    for (const { text } of lines) this.taken(text);
    this.#options.onLine(result, lines.length);
  }
}
