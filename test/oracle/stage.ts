/** Where the scripted processes get their orders: a Unix socket to which each connects as soon as it runs. */
import { EventEmitter, once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const actorProgram = fileURLToPath(new URL("actor.cjs", import.meta.url));

export type Pairs = readonly (readonly [string, string])[];

/** What an actor tells of an order: an HTTP answer, variables, or why there is none. Bodies are base64. */
export interface Told {
  readonly status?: number;
  readonly headers?: Pairs;
  readonly body?: string;
  readonly variables?: Readonly<Record<string, string>>;
  readonly error?: string;
}

/** One process of a role; its orders may overlap. */
export class Actor {
  readonly role: string;
  readonly pid: number;
  readonly heard: string[] = [];
  /** Settles when the process is gone. */
  readonly ended: Promise<void>;
  readonly #socket: Socket;
  readonly #waiting = new Map<number, (told: Told) => void>();
  #lastId = 0;

  constructor(socket: Socket, role: string, pid: number) {
    this.role = role;
    this.pid = pid;
    this.#socket = socket;
    this.ended = new Promise((resolve) => socket.once("close", () => resolve()));
    void this.ended.then(() => {
      for (const tell of this.#waiting.values()) tell({ error: "the process is gone" });
    });
  }

  /** Never rejects. */
  async order(order: string, details: object = {}): Promise<Told> {
    const id = (this.#lastId += 1);
    const { promise, resolve } = Promise.withResolvers<Told>();
    if (this.#socket.destroyed) return { error: "the process is gone" };
    this.#waiting.set(id, resolve);
    this.#socket.write(`${JSON.stringify({ id, order, ...details })}\n`);
    return await promise;
  }

  onLine(message: Told & { readonly id?: number; readonly heard?: string }): void {
    if (message.heard !== undefined) this.heard.push(message.heard);
    const { id, ...told } = message;
    if (id === undefined) return;
    this.#waiting.get(id)?.(told);
    this.#waiting.delete(id);
  }
}

export class Stage {
  readonly #server: Server;
  readonly #actors: Actor[] = [];
  readonly #arrivals = new EventEmitter();
  readonly #folder: string;
  readonly #sockets: Socket[] = [];

  private constructor(server: Server, folder: string) {
    this.#server = server;
    this.#folder = folder;
  }

  static async open(): Promise<Stage> {
    const folder = await mkdtemp(join(tmpdir(), "stage-"));
    const server = createServer();
    const stage = new Stage(server, folder);
    server.on("connection", (socket) => stage.#welcome(socket));
    server.listen(stage.#socket);
    await once(server, "listening");
    return stage;
  }

  /** Text of an executable that plays this role. */
  program(role: string): string {
    const part = JSON.stringify({ socket: this.#socket, role });
    return `#!${process.execPath}\nrequire(${JSON.stringify(actorProgram)}).play(${part});\n`;
  }

  /** How often a process of this role has started. */
  count(role: string): number {
    return this.#actors.filter((actor) => actor.role === role).length;
  }

  /** The nth process of a role, counted from 1; waits for it. */
  async actor(role: string, nth: number, signal: AbortSignal): Promise<Actor> {
    for (;;) {
      const actor = this.#actors.filter((candidate) => candidate.role === role)[nth - 1];
      if (actor !== undefined) return actor;
      await once(this.#arrivals, "arrived", { signal });
    }
  }

  /** All processes end. */
  async close(): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await rm(this.#folder, { recursive: true, force: true });
  }

  get #socket(): string {
    return join(this.#folder, "socket");
  }

  #welcome(socket: Socket): void {
    this.#sockets.push(socket);
    socket.on("error", () => socket.destroy());
    let actor: Actor | undefined;
    onLines(socket, (line) => {
      const message = JSON.parse(line) as { role: string; pid: number };
      if (actor !== undefined) {
        actor.onLine(message as Told);
        return;
      }
      actor = new Actor(socket, message.role, message.pid);
      this.#actors.push(actor);
      this.#arrivals.emit("arrived");
    });
  }
}

function onLines(socket: Socket, take: (line: string) => void): void {
  let rest: string[] = [];
  socket.setEncoding("utf8");
  socket.on("data", (chunk: string) => {
    const [first = "", ...others] = chunk.split("\n");
    rest.push(first);
    for (const next of others) {
      take(rest.join(""));
      rest = [next];
    }
  });
}
