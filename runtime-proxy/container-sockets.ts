import type { Socket } from "node:net";
import type { Clock } from "../lib/clock.ts";
import { listenForSupervisor, type SupervisorSocket } from "./supervisor-socket.ts";

export interface ContainerConnections {
  readonly runtime: Socket;
  /** By the file that the container is for. */
  readonly extensions: ReadonlyMap<string, Socket>;
}

const supervisorLimitMs = 60_000;

/** The sockets on which the supervisors of all containers call, each once. */
export class ContainerSockets {
  readonly #runtimePath: string;
  readonly #extensionPaths: Readonly<Record<string, string>>;
  readonly #clock: Clock;
  #sockets: SupervisorSocket[] = [];

  constructor(runtimePath: string, extensionPaths: Readonly<Record<string, string>>, clock: Clock) {
    this.#runtimePath = runtimePath;
    this.#extensionPaths = extensionPaths;
    this.#clock = clock;
  }

  /** The runtime's last: who finds it finds the rest. The result settles when all have called, and rejects when one does not in time. */
  async listen(): Promise<{ readonly connections: Promise<ContainerConnections> }> {
    const listen = async (path: string): Promise<SupervisorSocket> => {
      const socket = await listenForSupervisor(path, supervisorLimitMs, this.#clock);
      this.#sockets.push(socket);
      return socket;
    };
    const extensions: [string, SupervisorSocket][] = [];
    for (const [file, path] of Object.entries(this.#extensionPaths)) extensions.push([file, await listen(path)]);
    const runtime = await listen(this.#runtimePath);
    return { connections: connectAll(runtime, extensions) };
  }

  close(): void {
    for (const socket of this.#sockets) socket.close();
  }
}

async function connectAll(
  runtime: SupervisorSocket,
  extensions: readonly (readonly [string, SupervisorSocket])[],
): Promise<ContainerConnections> {
  const connect = async ([file, { connection }]: readonly [string, SupervisorSocket]): Promise<[string, Socket]> => [
    file,
    await connection,
  ];
  const [own, ...others] = await Promise.all([runtime.connection, ...extensions.map(connect)]);
  return { runtime: own, extensions: new Map(others) };
}
