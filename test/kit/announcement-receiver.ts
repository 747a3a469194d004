/** Stands for a router where environments announce themselves: keeps what came, acknowledges as told. */
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { EnvironmentAnnouncement } from "../../crds/wire/environment.ts";
import { routes } from "../../crds/wire/routes.ts";

export interface ReceivedAnnouncement {
  readonly path: string;
  readonly authorization: string | undefined;
  readonly announcement: EnvironmentAnnouncement;
}

const waitLimitMs = 15_000;

export class AnnouncementReceiver {
  readonly received: ReceivedAnnouncement[] = [];
  /** Status of the next answers; 204 acknowledges. */
  status = 204;
  readonly #server: Server;
  readonly #waiting = new Set<() => void>();

  constructor() {
    this.#server = createServer((request, response) => {
      if (request.url?.startsWith(routes.environment("")) !== true) response.writeHead(404).end();
      else void this.#receive(request).then(() => response.writeHead(this.status).end());
    });
  }

  async listen(host = "127.0.0.1", port = 0): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(port, host, resolve));
    return `http://${host}:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The first announcement, past or to come, that the predicate takes. */
  async announced(isWanted: (announcement: EnvironmentAnnouncement) => boolean): Promise<EnvironmentAnnouncement> {
    const { promise, resolve, reject } = Promise.withResolvers<EnvironmentAnnouncement>();
    const look = (): void => {
      const found = this.received.find(({ announcement }) => isWanted(announcement));
      if (found !== undefined) resolve(found.announcement);
    };
    const timer = setTimeout(() => reject(new Error(`Cannot see it announced: ${this.#states()}`)), waitLimitMs);
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

  async #receive(request: IncomingMessage): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    this.received.push({
      path: request.url ?? "",
      authorization: request.headers.authorization,
      announcement: JSON.parse(Buffer.concat(chunks).toString()) as EnvironmentAnnouncement,
    });
    for (const look of this.#waiting) look();
  }

  #states(): string {
    return this.received.map(({ announcement }) => announcement.state).join(", ") || "nothing";
  }
}
