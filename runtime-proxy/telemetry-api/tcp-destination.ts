import { connect, type Socket } from "node:net";
import { loopback, type Delivery, type Destination } from "./delivery.ts";

/** Sends events as lines of JSON over one long connection. What the kernel has taken counts as delivered: the protocol has no answers. */
export class TcpDestination implements Destination {
  readonly #port: number;
  #socket: Socket | undefined;

  constructor(port: number) {
    this.#port = port;
  }

  send(events: readonly string[], signal: AbortSignal): Promise<Delivery> {
    const { promise, resolve } = Promise.withResolvers<Delivery>();
    const socket = this.#connected();
    const end = (delivery: Delivery): void => {
      signal.removeEventListener("abort", abort);
      socket.removeListener("close", breakOff);
      resolve(delivery);
    };
    const breakOff = (): void => end("unreachable");
    const abort = (): void => void socket.destroy();
    signal.addEventListener("abort", abort);
    socket.once("close", breakOff);
    socket.write(`${events.join("\n")}\n`, (error) => {
      if (error === undefined || error === null) end("taken");
    });
    if (signal.aborted) abort();
    return promise;
  }

  close(): void {
    this.#socket?.destroy();
  }

  #connected(): Socket {
    const kept = this.#socket;
    if (kept !== undefined && !kept.destroyed && kept.writable) return kept;
    kept?.destroy();
    const socket = connect({ host: loopback, port: this.#port, noDelay: true });
    socket.on("error", () => undefined); // "close" follows
    socket.resume(); // a listener has nothing to say; its end is heard
    this.#socket = socket;
    return socket;
  }
}
