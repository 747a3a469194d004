/** Load over bare sockets: a client that costs a fraction of what stands under test, so that it does not stand in its way. */
import { connect, type Socket } from "node:net";

export interface RawTarget {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
  /** Every answer's body, with status 200. */
  readonly answer: string;
}

export interface RawResult {
  /** Of a call that had to wait for a connection: from its due time on. */
  readonly latenciesMs: Float64Array;
  readonly elapsedMs: number;
  /** For how long an open loop did not run, and sent nothing of what was due in that time. */
  readonly stoodStillMs: number;
  /** The first of them, in words; a call that fails is counted as one and its connection opened anew. */
  readonly errors: readonly string[];
}

export interface OpenLoop {
  readonly callsPerSecond: number;
  readonly durationMs: number;
  /** A number in [0, 1). */
  readonly draw: () => number;
}

const answerLimitMs = 30_000;
const keptErrors = 20;
const tickMs = 1;
/** A tick that is later than this is the generator's own delay (its collector, another process on its core): all that was due would come at once. */
const mostLateMs = 4;
const headEnd = Buffer.from("\r\n\r\n");

/** Kept connections, each with one call at a time. The targets take turns; with several ports each connection keeps to one. */
export class RawLoad {
  readonly #targets: readonly RawTarget[];
  readonly #requests: readonly Buffer[];
  readonly #lines: readonly Line[];

  constructor(targets: readonly RawTarget[], connections: number) {
    this.#targets = targets;
    this.#requests = targets.map(encode);
    const ports = [...new Set(targets.map(({ port }) => port))];
    const byPort = ports.map((port) => targets.flatMap((target, i) => (target.port === port ? [i] : [])));
    this.#lines = Array.from({ length: connections }, (_, i) => new Line(byPort[i % byPort.length] ?? [], i));
  }

  /** Each connection calls again as soon as it has its answer. */
  async closed(durationMs: number): Promise<RawResult> {
    const record = new Recording();
    const untilMs = performance.now() + durationMs;
    const loop = async (line: Line): Promise<void> => {
      while (performance.now() < untilMs) await this.#call(line, performance.now(), record);
    };
    await Promise.all(this.#lines.map(loop));
    return record.result();
  }

  /**
   * Calls come at random moments (Poisson), whether or not those before have their answer. What was due while this process itself did not
   * run is left out: it would be a burst that no client has sent.
   */
  async open({ callsPerSecond, durationMs, draw }: OpenLoop): Promise<RawResult> {
    const record = new Recording();
    const free = [...this.#lines];
    const due: number[] = [];
    const running = new Set<Promise<void>>();
    const startedMs = performance.now();
    const begin = (): void => {
      for (let line = free.at(-1); line !== undefined && due.length > 0; line = free.at(-1)) {
        free.pop();
        const own = line;
        const call = this.#call(own, due.shift() ?? 0, record).then(() => {
          running.delete(call);
          free.unshift(own);
          begin();
        });
        running.add(call);
      }
    };
    let [nextMs, lastMs] = [startedMs, startedMs];
    while (performance.now() - startedMs < durationMs) {
      const nowMs = performance.now();
      const lateMs = nowMs - lastMs - tickMs;
      lastMs = nowMs;
      if (lateMs > mostLateMs) {
        record.stoodStillMs += lateMs;
        nextMs = nowMs;
      }
      for (; nextMs <= nowMs; nextMs -= (Math.log(1 - draw()) * 1000) / callsPerSecond) due.push(nowMs);
      begin();
      await new Promise((resolve) => setTimeout(resolve, tickMs));
    }
    while (running.size > 0) await Promise.all(running);
    return record.result();
  }

  close(): void {
    for (const line of this.#lines) line.close();
  }

  async #call(line: Line, dueMs: number, record: Recording): Promise<void> {
    const index = line.nextTarget();
    const [target, request] = [this.#targets[index], this.#requests[index]];
    if (target === undefined || request === undefined) throw new RangeError("Cannot generate load: no target");
    const problem = await line.call(target, request);
    record.add(performance.now() - dueMs, problem);
  }
}

function encode({ host, port, path, headers = {}, body }: RawTarget): Buffer {
  const all = { host: `${host}:${port}`, "content-type": "application/json", ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(
    `POST ${path} HTTP/1.1\r\n${lines.join("")}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

class Recording {
  stoodStillMs = 0;
  readonly #latenciesMs: number[] = [];
  readonly #errors: string[] = [];
  readonly #startedMs = performance.now();

  add(latencyMs: number, problem: string | undefined): void {
    if (problem === undefined) this.#latenciesMs.push(latencyMs);
    else if (this.#errors.length < keptErrors) this.#errors.push(problem);
  }

  result(): RawResult {
    return {
      latenciesMs: Float64Array.from(this.#latenciesMs),
      elapsedMs: performance.now() - this.#startedMs,
      stoodStillMs: this.stoodStillMs,
      errors: this.#errors,
    };
  }
}

/** One connection, to one place. */
class Line {
  readonly #targets: readonly number[];
  #turn: number;
  #socket: Socket | undefined;
  #held: Buffer = Buffer.alloc(0);
  #answer = "";
  #settle: ((problem: string | undefined) => void) | undefined;

  /** `targets`: indexes, all of one port; `start`: with which of them it begins. */
  constructor(targets: readonly number[], start: number) {
    this.#targets = targets;
    this.#turn = start;
  }

  nextTarget(): number {
    this.#turn += 1;
    return this.#targets[this.#turn % this.#targets.length] ?? 0;
  }

  /** Settles with what is wrong, undefined when nothing is. */
  call({ host, port, answer }: RawTarget, request: Buffer): Promise<string | undefined> {
    this.#socket ??= this.#open(host, port);
    this.#answer = answer;
    return new Promise((resolve) => {
      this.#settle = resolve;
      this.#socket?.write(request);
    });
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
    this.#held = Buffer.alloc(0);
  }

  #open(host: string, port: number): Socket {
    const socket = connect({ host, port, noDelay: true });
    socket.setTimeout(answerLimitMs, () => this.#fail(socket, `no answer in ${answerLimitMs} ms`));
    socket.on("data", (chunk) => this.#read(socket, chunk));
    socket.on("error", (error) => this.#fail(socket, error.message));
    socket.on("close", () => this.#fail(socket, "the connection was closed"));
    return socket;
  }

  #read(socket: Socket, chunk: Buffer): void {
    this.#held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const end = this.#held.indexOf(headEnd);
    if (end < 0) return;
    const head = this.#held.toString("latin1", 0, end);
    const length = Number(/content-length: *(\d+)/i.exec(head)?.[1]);
    if (this.#held.length < end + headEnd.length + length) return;
    const body = this.#held.toString("utf8", end + headEnd.length);
    this.#held = Buffer.alloc(0);
    if (head.startsWith("HTTP/1.1 200 ") && body === this.#answer) this.#finish(undefined);
    else this.#fail(socket, `answered "${head.slice(0, 40)} … ${body.slice(0, 300)}", right is 200 "${this.#answer}"`);
  }

  #fail(socket: Socket, problem: string): void {
    if (this.#socket === socket) {
      this.close();
      this.#finish(problem);
    } else socket.destroy();
  }

  #finish(problem: string | undefined): void {
    const settle = this.#settle;
    this.#settle = undefined;
    settle?.(problem);
  }
}
