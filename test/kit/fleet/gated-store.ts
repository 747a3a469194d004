/** Stands between agents and a package store: what they fetch is held up where a test wants it. */
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { request } from "undici";

/** `before`: no answer comes. `halfway`: it ends to come in its middle. */
export type Gate = "open" | "before" | "halfway";

export class GatedStore {
  readonly #server: Server;
  readonly #held = new Set<ServerResponse>();
  #gate: Gate = "open";
  #onHeld: () => void = () => undefined;

  private constructor(target: string) {
    this.#server = createServer((incoming, response) => {
      void this.#pass(`${target}${incoming.url ?? "/"}`, String(incoming.headers.authorization), response);
    });
  }

  static async start(target: string): Promise<GatedStore> {
    const store = new GatedStore(target);
    await new Promise<void>((resolve) => store.#server.listen(0, "127.0.0.1", resolve));
    return store;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Resolves when somebody waits at it. */
  async hold(gate: Gate): Promise<void> {
    this.#gate = gate;
    await new Promise<void>((resolve) => (this.#onHeld = resolve));
  }

  /** For those that come; who waits is cut off. */
  open(): void {
    this.#gate = "open";
    for (const response of this.#held) response.destroy();
    this.#held.clear();
  }

  async stop(): Promise<void> {
    this.open();
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async #pass(url: string, authorization: string, response: ServerResponse): Promise<void> {
    const gate = this.#gate;
    if (gate === "before") {
      this.#keep(response);
      return;
    }
    const answer = await request(url, { headers: { authorization } });
    const bytes = Buffer.from(await answer.body.arrayBuffer());
    response.writeHead(answer.statusCode, { ...answer.headers, "content-length": bytes.length });
    if (gate === "open") response.end(bytes);
    else response.write(bytes.subarray(0, bytes.length / 2), () => this.#keep(response));
  }

  #keep(response: ServerResponse): void {
    this.#held.add(response);
    this.#onHeld();
  }
}
