/** Pipes for a process's output. Node itself would give it sockets, which nothing can open again as /dev/stdout, and which cannot be read to the last byte on demand. */
import { execFileSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from "node:fs";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const readBytes = 64 * 1024;
/** The most a pipe can hold: the bound of what one drain reads. Source: pipe(7), pipe-max-size. */
const maxPipeBytes = 1024 * 1024;
const openDeadlineMs = 10_000;

export interface PipePair {
  readonly read: number;
  readonly write: number;
}

/** That many pipes; our ends do not block, theirs do. */
export function openPipePairs(count: number): readonly PipePair[] {
  const folder = mkdtempSync(join(tmpdir(), ".kubelambda-"));
  try {
    const paths = Array.from({ length: count }, (_, index) => join(folder, String(index)));
    execFileSync("mkfifo", ["-m", "600", ...paths], { timeout: openDeadlineMs });
    return paths.map(openPair);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function openPair(path: string): PipePair {
  const read = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  return { read, write: openSync(path, constants.O_WRONLY) };
}

export function closePair({ read, write }: PipePair): void {
  closeSync(read);
  closeSync(write);
}

/** The end that we read: passes on bytes as they come, and on demand everything that is there. */
export class OutputPipe {
  readonly #fd: number;
  readonly #onBytes: (bytes: Buffer) => void;
  readonly #onEnd: () => void;
  #hasEnded = false;
  readonly #socket: Socket;
  readonly #buffer = Buffer.allocUnsafe(readBytes);

  /** `onBytes` must use or copy what it gets before it returns: the buffer is used again. `onEnd` is called once, after the last bytes. */
  constructor(fd: number, onBytes: (bytes: Buffer) => void, onEnd: () => void) {
    this.#fd = fd;
    this.#onBytes = onBytes;
    this.#onEnd = onEnd;
    const callback = (length: number, buffer: Uint8Array): boolean => {
      onBytes(Buffer.from(buffer.buffer, buffer.byteOffset, length));
      return true;
    };
    this.#socket = new Socket({ fd, readable: true, writable: false, onread: { buffer: this.#buffer, callback } });
    this.#socket.on("error", () => this.close());
    this.#socket.on("close", () => this.#end());
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Passes on what has been written until now, and at most a pipe's worth of what is written meanwhile. */
  drain(): void {
    for (let left = maxPipeBytes; left > 0 && this.isOpen;) {
      const length = this.#readNow();
      if (length === 0) return;
      left -= length;
      this.#onBytes(this.#buffer.subarray(0, length));
    }
  }

  close(): void {
    this.#socket.destroy();
    this.#end();
  }

  #end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#onEnd();
  }

  /** 0: nothing there, or ended; the socket sees which. */
  #readNow(): number {
    try {
      return readSync(this.#fd, this.#buffer);
    } catch {
      return 0;
    }
  }
}
