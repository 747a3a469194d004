import { LineSplitter } from "../domain/line-splitter.ts";
import type { OutputSource } from "../domain/platform-event.ts";
import { FramedLogReader, type FramedRecord } from "../domain/telemetry-frames.ts";

export interface OutputLine {
  readonly type: OutputSource["kind"];
  /** Good only while it is taken. */
  readonly bytes: Uint8Array;
  /** Milliseconds since 1970, as a runtime client says. */
  readonly timestampMs?: number;
  /** Of stream 3: not among the bytes of the other two. */
  readonly isFramed: boolean;
}

interface Stream {
  readonly source: OutputSource;
  readonly lines: LineSplitter;
}

interface FramedStream {
  readonly kind: OutputSource["kind"];
  readonly frames: FramedLogReader;
}

/** Longest record, bytes; CloudWatch Logs cut events there. */
export const maxLineBytes = 256 * 1024;

/** Lines out of the output of all processes, each stream for itself. */
export class OutputLines {
  readonly #take: (line: OutputLine) => void;
  readonly #streams = new Map<string, Stream>();
  readonly #framed = new Map<string, FramedStream>();

  constructor(take: (line: OutputLine) => void) {
    this.#take = take;
  }

  push(source: OutputSource, stream: 1 | 2, bytes: Uint8Array): void {
    const key = `${stream} ${keyOf(source)}`;
    const known = this.#streams.get(key);
    const { lines } = known ?? { lines: new LineSplitter(maxLineBytes) };
    if (known === undefined) this.#streams.set(key, { source, lines });
    lines.push(bytes, (line) => this.#take({ type: source.kind, bytes: line, isFramed: false }));
  }

  pushFramed(source: OutputSource, bytes: Uint8Array): void {
    const key = keyOf(source);
    const known = this.#framed.get(key);
    const { frames } = known ?? { frames: new FramedLogReader(maxLineBytes) };
    if (known === undefined) this.#framed.set(key, { kind: source.kind, frames });
    frames.push(bytes, (record) => this.#takeFramed(source.kind, record));
  }

  /** What is unfinished counts as a line, but for frames, whose end is known; `of` absent: of all. */
  flush(of?: OutputSource): void {
    for (const { source, lines } of this.#streams.values()) {
      if (of === undefined || keyOf(of) === keyOf(source)) {
        lines.flush((line) => this.#take({ type: source.kind, bytes: line, isFramed: false }));
      }
    }
  }

  /** Processes are gone: frames too end where they are. */
  end(): void {
    this.flush();
    for (const { kind, frames } of this.#framed.values()) frames.flush((record) => this.#takeFramed(kind, record));
    this.#streams.clear();
    this.#framed.clear();
  }

  #takeFramed(type: OutputSource["kind"], { bytes, timestampUs }: FramedRecord): void {
    const timestamp = timestampUs === undefined ? {} : { timestampMs: Math.floor(timestampUs / 1000) };
    this.#take({ type, bytes, isFramed: true, ...timestamp });
  }
}

function keyOf(source: OutputSource): string {
  return source.kind === "function" ? "function" : `extension ${source.name}`;
}
