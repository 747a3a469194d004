import { createServer, type Server } from "node:net";
import type { AddressInfo } from "node:net";
import type { Cluster } from "../../test/cluster/any-cluster.ts";
import { bridge } from "../../test/cluster/node-network.ts";

const longestNameBytes = 300;

/** An address of this machine that pods reach: none of loopback; on the test cluster it is the node's bridge. */
export function homeHost(kind: Cluster["kind"]): string {
  if (kind === "own") return bridge.address;
  const host = process.env["KUBELAMBDA_BENCH_HOME"];
  if (host !== undefined) return host;
  throw new Error("Cannot be called by pods: set KUBELAMBDA_BENCH_HOME to an address of this machine that they reach");
}

/** Where bare pods call: a connection, their name, a line's end. */
export class Home {
  readonly #server: Server;
  readonly #arrivals = new Map<string, (atMs: number) => void>();

  constructor() {
    this.#server = createServer((socket) => {
      let text = "";
      socket.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
        if (text.includes("\n")) this.#arrivals.get(text.trim())?.(performance.now());
        if (text.includes("\n") || text.length > longestNameBytes) socket.destroy();
      });
      socket.on("error", () => socket.destroy());
    });
  }

  /** `host` is an address of this machine that pods reach. */
  async listen(host: string): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(0, host, resolve);
    });
    return (this.#server.address() as AddressInfo).port;
  }

  /** The moment, on the monotonic clock, at which the pod of this name called; to be asked before the pod is made. */
  async heard(name: string, limitMs: number): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const timer = setTimeout(
      () => reject(new Error(`Cannot wait longer for pod "${name}" to call home: ${limitMs} ms`)),
      limitMs,
    );
    this.#arrivals.set(name, resolve);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#arrivals.delete(name);
    }
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
