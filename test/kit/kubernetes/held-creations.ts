import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { Agent, request } from "node:https";
import type { AddressInfo } from "node:net";
import type { ApiServerAccess } from "../../../lib/kubernetes/api-server-access.ts";

/** Stands before an API server and holds creations of pods, as a slow admission webhook does; all else passes. */
export class HeldCreations {
  readonly #server: Server;
  readonly #agent: Agent;
  readonly #gate = Promise.withResolvers<undefined>();
  #held = 0;

  private constructor(server: Server, agent: Agent) {
    this.#server = server;
    this.#agent = agent;
  }

  static async start(access: ApiServerAccess): Promise<HeldCreations> {
    const { headers, tls } = await access.credentials();
    const agent = new Agent({ ...tls, keepAlive: true });
    const server = createServer();
    const front = new HeldCreations(server, agent);
    server.on("request", (incoming: IncomingMessage, response: ServerResponse) => {
      const url = new URL(incoming.url ?? "/", access.server);
      void front.#pass(incoming).then(() => {
        const { method } = incoming;
        const all = { ...incoming.headers, ...headers, host: url.host };
        const passed = request(url, { method, headers: all, agent }, (answer) => {
          response.writeHead(answer.statusCode ?? 500, answer.headers).flushHeaders();
          answer.on("error", () => response.destroy()).pipe(response);
        });
        passed.on("error", () => response.destroy());
        response.on("close", () => passed.destroy());
        incoming.pipe(passed);
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return front;
  }

  /** Of whoever is to find creations slow. */
  get access(): ApiServerAccess {
    const { port } = this.#server.address() as AddressInfo;
    const credentials = () => Promise.resolve({ headers: {}, tls: {} });
    return { server: `http://127.0.0.1:${port}`, namespace: "default", credentials };
  }

  /** Creations that wait. */
  get held(): number {
    return this.#held;
  }

  /** What is held goes on, and nothing is held any more. */
  letGo(): void {
    this.#gate.resolve(undefined);
  }

  async stop(): Promise<void> {
    this.letGo();
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
    this.#agent.destroy();
  }

  async #pass({ method, url = "" }: IncomingMessage): Promise<void> {
    if (method !== "POST" || !/\/pods(\?|$)/.test(url)) return;
    this.#held += 1;
    await this.#gate.promise;
    this.#held -= 1;
  }
}
