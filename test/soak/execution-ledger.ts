import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

/** Where functions on this machine say which call they are about to carry out: one that runs twice shows, whatever its caller was told. */
export class ExecutionLedger {
  readonly #times = new Map<string, number>();
  #server: Server | undefined;

  /** Answers with the URL; a call is told by a POST to `<url>/<call>`. */
  async start(): Promise<string> {
    const server = createServer((request, response) => {
      const call = (request.url ?? "").slice(1);
      this.#times.set(call, (this.#times.get(call) ?? 0) + 1);
      request.resume();
      response.writeHead(204).end();
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** How many calls have been carried out, and which of them more than once. */
  summary(): { readonly carriedOut: number; readonly twice: readonly string[] } {
    return {
      carriedOut: this.#times.size,
      twice: [...this.#times].filter(([, times]) => times > 1).map(([call, times]) => `call ${call}: ${times} times`),
    };
  }

  async stop(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}
