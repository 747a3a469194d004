import { writeSync } from "node:fs";
import { Writable } from "node:stream";
import type { Clock } from "./clock.ts";
import { limitErrors } from "./limit-errors.ts";
import { createLogger, type Logger, type LoggerOptions } from "./logger.ts";
import { LineWriter, writeToStdout } from "./line-writer.ts";

export interface ProcessLogOptions extends Pick<LoggerOptions, "process" | "level"> {
  /** Writes the access log too: then no line gets into another. */
  readonly output: LineWriter;
  readonly clock: Clock;
}

/** Most bytes of lines that wait to be written, and of one line. */
const mostBytes = 1024 * 1024;
const longestLineBytes = 64 * 1024;

/** A logger that keeps a bounded number of lines for whoever reads slowly: what is beyond it is dropped, and a later line says how many. */
export function openProcessLog({ output, clock, ...options }: ProcessLogOptions): Logger {
  let dropped = 0;
  const lines = output.open({
    ...{ mostBytes, longestLineBytes },
    onLine: (result, count) => {
      if (result === "dropped") dropped += count;
      else tellDropped();
    },
    onRest: () => {
      limited.tellLeftOut();
      tellDropped();
    },
  });
  const stream = new Writable({
    decodeStrings: false,
    write: (chunk: string, _encoding, done) => {
      lines.line(inAscii(chunk));
      done();
    },
  });
  const log = createLogger({ ...options, stream });
  const tellDropped = (): void => {
    if (dropped === 0) return;
    const count = dropped;
    dropped = 0;
    log.warn("Log lines dropped: they are too long, or not read as fast as they come", { dropped: count });
  };
  const limited = limitErrors(log, clock);
  return limited.log;
}

/** In JSON it is the same text. */
function inAscii(text: string): string {
  return text.replace(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

const retryMs = 20;
const mostRetries = 50;

/** This process's standard output: what waits when the process ends, however it ends, is written then. */
export function openOutput(clock: Clock): LineWriter {
  const output = new LineWriter({ write: writeToStdout, clock });
  writeRestAtExit(output);
  return output;
}

/** Node.js itself waits for what `write` has been given. */
function writeRestAtExit(output: LineWriter): void {
  process.once("exit", () => {
    const bytes = output.takeRest();
    for (let at = 0, retries = 0; at < bytes.length && retries < mostRetries;) {
      try {
        at += writeSync(1, bytes, at);
        retries = 0;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EAGAIN") return;
        retries += 1;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, retryMs);
      }
    }
  });
}
