import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** Stands between a client and a server: counts connections, and can let them hang as a broken network does. */
export class TcpProxy {
  readonly #server: Server;
  readonly #pairs = new Set<readonly [client: Socket, server: Socket]>();
  #accepted = 0;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Listens (by default on a free port of 127.0.0.1) and forwards to this port of 127.0.0.1. */
  static async start(targetPort: number, { host = "127.0.0.1", port = 0 } = {}): Promise<TcpProxy> {
    const server = createServer();
    const proxy = new TcpProxy(server);
    server.on("connection", (client) => proxy.#forward(client, targetPort));
    server.listen(port, host);
    await once(server, "listening");
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Connections since the start. */
  get accepted(): number {
    return this.#accepted;
  }

  get open(): number {
    return this.#pairs.size;
  }

  /** No byte passes on the connections of this moment any more, and neither side learns of it. New ones work. */
  freeze(): void {
    for (const [client, server] of this.#pairs) {
      client.unpipe(server).pause();
      server.unpipe(client).pause();
    }
  }

  /** Resets all connections. */
  cut(): void {
    for (const [client] of this.#pairs) client.resetAndDestroy();
  }

  async stop(): Promise<void> {
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }

  #forward(client: Socket, targetPort: number): void {
    this.#accepted += 1;
    const server = connect(targetPort, "127.0.0.1");
    const pair = [client, server] as const;
    this.#pairs.add(pair);
    client.pipe(server).pipe(client);
    for (const socket of pair) {
      socket.on("error", () => socket.destroy());
      socket.on("close", () => {
        this.#pairs.delete(pair);
        for (const other of pair) other.destroy();
      });
    }
  }
}
