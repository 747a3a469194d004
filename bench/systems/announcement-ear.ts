import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { EnvironmentAnnouncement } from "../../crds/wire/environment.ts";
import { readBody } from "../../lib/http/read-body.ts";

const longestAnnouncementBytes = 64 * 1024;
const readyLimitMs = 60_000;

/** Stands where routers hear of environments; an agent that is ready is called without a router. */
export class AnnouncementEar {
  readonly #server: Server;
  readonly #addressByPodUid = new Map<string, string>();
  readonly #waiting = new Set<() => void>();

  constructor() {
    this.#server = createServer((request, response) => {
      void this.#hear(request).then(
        () => response.writeHead(204).end(),
        () => response.writeHead(400).end(),
      );
    });
  }

  /** Returns its URL. */
  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** `host:port` of an environment, once it is ready. */
  async untilReady(podUid: string): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const look = (): void => {
      const address = this.#addressByPodUid.get(podUid);
      if (address !== undefined) resolve(address);
    };
    const timer = setTimeout(() => reject(new Error("Cannot wait longer: the environment is not ready")), readyLimitMs);
    this.#waiting.add(look);
    look();
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(look);
    }
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async #hear(request: IncomingMessage): Promise<void> {
    const body = await readBody(request, longestAnnouncementBytes);
    const { podUid, address, state } = JSON.parse(body.toString()) as EnvironmentAnnouncement;
    if (state === "ready") this.#addressByPodUid.set(podUid, address);
    for (const look of this.#waiting) look();
  }
}
