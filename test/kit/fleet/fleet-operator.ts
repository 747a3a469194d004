/** What a fleet needs of an operator: it hears the routers' reports, and its own writer of the roster follows them. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { LoadReport } from "../../../crds/wire/load-report.ts";
import { systemClock } from "../../../lib/clock.ts";
import type { ApiServerClient } from "../../../lib/kubernetes/api-server-client.ts";
import { silentLogger } from "../../../lib/logger.ts";
import { RosterWriter } from "../../../operator/roster/roster-writer.ts";
import { RouterPods } from "../../../operator/router-pods.ts";

interface Leader {
  readonly pods: RouterPods;
  readonly roster: RosterWriter;
}

export class FleetOperator {
  readonly #client: ApiServerClient;
  readonly #namespace: string;
  readonly #server: Server;
  readonly #births = new Set<Promise<unknown>>();
  #heardAtMs = new Map<string, number>();
  /** By replica, as its newest report says. */
  readonly #needed = new Map<string, number>();
  #leader: Leader | undefined;

  constructor(client: ApiServerClient, namespace: string) {
    this.#client = client;
    this.#namespace = namespace;
    this.#server = createServer((incoming, response) => {
      void (async () => {
        const chunks: Buffer[] = [];
        for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
        const report = JSON.parse(Buffer.concat(chunks).toString()) as LoadReport;
        if (this.#leader === undefined) return void incoming.socket.destroy();
        this.#heardAtMs.set(report.replica, performance.now());
        this.#needed.set(
          report.replica,
          report.functions.reduce((sum, { needed }) => sum + needed, 0),
        );
        response.end(JSON.stringify({ release: [] }));
      })();
    });
  }

  /** Environments that calls need, of all functions. */
  get needed(): number {
    return [...this.#needed.values()].reduce((sum, needed) => sum + needed, 0);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async start(): Promise<void> {
    if (!this.#server.listening) await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    const shared = { client: this.#client, clock: systemClock, log: silentLogger };
    const router = { namespace: this.#namespace, serviceAccount: "router" };
    const pods = new RouterPods({ ...shared, router });
    this.#heardAtMs = new Map();
    await pods.start();
    const roster = new RosterWriter({
      ...{ ...shared, namespace: this.#namespace },
      mayAct: () => true,
      routers: () => pods.all().map((pod) => ({ ...pod, silentForMs: this.#silentForMs(pod.podUid) })),
      onRouters: (listener) => pods.onChange(listener),
      whenBorn: async () => {
        await Promise.allSettled([...this.#births]);
      },
    });
    await roster.read();
    roster.start();
    this.#leader = { pods, roster };
  }

  /** Nobody hears reports nor writes the roster from now on. */
  async stop(): Promise<void> {
    const leader = this.#leader;
    this.#leader = undefined;
    this.#server.closeAllConnections();
    await leader?.roster.stop();
    await leader?.pods.stop();
  }

  async close(): Promise<void> {
    await this.stop();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  /** Makes what is born under an epoch: the next roster is not written before. */
  async bear<T>(make: (epoch: number) => Promise<T>): Promise<T> {
    if (this.#leader === undefined) throw new Error("Cannot make a pod: there is no operator");
    const made = make(this.#leader.roster.epoch);
    this.#births.add(made);
    return await made.finally(() => this.#births.delete(made));
  }

  #silentForMs(podUid: string): number | undefined {
    const atMs = this.#heardAtMs.get(podUid);
    return atMs === undefined ? undefined : performance.now() - atMs;
  }
}
