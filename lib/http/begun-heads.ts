/**
 * Heads of requests that have begun and are not here whole: the parser keeps what has come of them, and there may be as many as connections.
 * And connections on which there is neither such a head nor a request.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";

interface Begun {
  /** Requests that are here and not answered. */
  open: number;
  /** What the socket had read when the last of them had been answered. */
  readBytes: number;
}

/** Between two looks a fast network can bring some more. */
const lookEveryMs = 500;

/** Cuts off the connections with the longest such heads while all of them together have more bytes than they may. */
export class BegunHeads {
  readonly #sockets = new Map<Socket, Begun>();
  readonly #mostBytes: number;
  readonly #timer: NodeJS.Timeout | undefined;

  /** `mostBytes` Infinity: each has its own bound alone. To be made before who takes over connections: those that do not reach node:http keep no heads. */
  constructor(server: Server, event: "connection" | "secureConnection", mostBytes: number) {
    this.#mostBytes = mostBytes;
    const [usual] = server.listeners(event) as ((socket: Socket) => void)[];
    if (usual === undefined) throw new TypeError(`Cannot watch connections: nobody listens to "${event}"`);
    server.off(event, usual);
    server.on(event, (socket: Socket) => {
      // Who had the connection before has read what it has answered, and gives back the rest.
      this.#sockets.set(socket, { open: 0, readBytes: socket.bytesRead - socket.readableLength });
      socket.once("close", () => this.#sockets.delete(socket));
      usual.call(server, socket);
    });
    server.prependListener("request", ({ socket }: IncomingMessage, res: ServerResponse) =>
      this.#onRequest(socket, res),
    );
    if (mostBytes < Infinity) this.#timer = setInterval(() => this.cutLongest(), lookEveryMs).unref();
  }

  /** Unlike that of node:http, which takes an answer for taken as soon as it is written, and cuts it off where its client is slow. */
  closeIdle(): void {
    for (const [socket, begun] of this.#sockets) if (begun.open === 0 && bytesOf(socket, begun) === 0) socket.destroy();
  }

  cutLongest(): void {
    const heads = [...this.#sockets].map(([socket, begun]) => ({ socket, bytes: bytesOf(socket, begun) }));
    let allBytes = heads.reduce((sum, { bytes }) => sum + bytes, 0);
    if (allBytes <= this.#mostBytes) return;
    for (const { socket, bytes } of heads.sort((a, b) => b.bytes - a.bytes)) {
      if (allBytes <= this.#mostBytes) return;
      allBytes -= bytes;
      socket.destroy();
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #onRequest(socket: Socket, res: ServerResponse): void {
    const begun = this.#sockets.get(socket);
    if (begun === undefined) return;
    begun.open += 1;
    res.once("close", () => {
      begun.open -= 1;
      begun.readBytes = socket.bytesRead;
    });
  }
}

/** What comes while a request is open is its body, or has a bound as such. */
function bytesOf(socket: Socket, { open, readBytes }: Begun): number {
  return open > 0 ? 0 : socket.bytesRead - readBytes;
}
