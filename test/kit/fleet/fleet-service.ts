/** A Service: who connects to its address is led to the pod that bears its label, as it was last known. */
import { connect, createServer, type Server, type Socket } from "node:net";
import { systemClock } from "../../../lib/clock.ts";
import type { ApiServerClient } from "../../../lib/kubernetes/api-server-client.ts";
import { kinds } from "../../../lib/kubernetes/kinds.ts";
import { ObjectCache } from "../../../lib/kubernetes/object-cache.ts";
import type { Pod } from "../../../operator/pod.ts";

export interface FleetServiceOptions {
  readonly client: ApiServerClient;
  readonly namespace: string;
  readonly labelSelector: string;
  readonly address: string;
  /** The same of the Service and of its pods. */
  readonly port: number;
}

export class FleetService {
  readonly #options: FleetServiceOptions;
  readonly #server: Server;
  readonly #pods: ObjectCache<Pod>;
  readonly #open = new Set<Socket>();

  private constructor(options: FleetServiceOptions) {
    const { client, namespace, labelSelector } = options;
    this.#options = options;
    this.#pods = new ObjectCache<Pod>({
      ...{ client, clock: systemClock, kind: kinds.pod, namespace, labelSelector },
      indexes: {},
      onError: () => undefined,
    });
    this.#server = createServer((socket) => this.#lead(socket));
  }

  static async start(options: FleetServiceOptions): Promise<FleetService> {
    const service = new FleetService(options);
    service.#pods.start();
    await service.#pods.synced();
    const { address, port } = options;
    await new Promise<void>((resolve) => service.#server.listen(port, address, resolve));
    return service;
  }

  /** Names of the pods behind it. */
  get podNames(): readonly string[] {
    return this.#pods.list().map(({ metadata }) => metadata.name);
  }

  async stop(): Promise<void> {
    await this.#pods.stop();
    for (const socket of this.#open) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #lead(client: Socket): void {
    const [podIP] = this.#pods.list().flatMap(({ status }) => status?.podIP ?? []);
    if (podIP === undefined) {
      client.destroy();
      return;
    }
    const pod = connect(this.#options.port, podIP);
    for (const [socket, other] of [
      [client, pod],
      [pod, client],
    ] as const) {
      this.#open.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        this.#open.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  }
}
