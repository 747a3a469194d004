import { rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import type { Clock } from "../lib/clock.ts";

export interface SupervisorSocket {
  /** Resolves with the one connection; rejects when none comes in time. */
  readonly connection: Promise<Socket>;
  close(): void;
}

/** Listens for exactly one supervisor: the path is gone before anything that it starts could connect. */
export async function listenForSupervisor(path: string, limitMs: number, clock: Clock): Promise<SupervisorSocket> {
  await rm(path, { force: true });
  const connection = Promise.withResolvers<Socket>();
  connection.promise.catch(() => undefined);
  let isTaken = false;
  const server = createServer((socket) => {
    if (isTaken) {
      socket.destroy();
      return;
    }
    isTaken = true;
    close();
    connection.resolve(socket);
  });
  const cancel = clock.schedule(limitMs, () => {
    close();
    connection.reject(new Error(`Cannot start anything: no supervisor has connected to "${path}" in ${limitMs} ms`));
  });
  // The server removes its path when it closes.
  const close = (): void => {
    cancel();
    if (server.listening) server.close();
  };
  const listening = Promise.withResolvers<undefined>();
  server.once("error", listening.reject);
  // The supervisor runs as the function's user, not as ours. At once: who may connect before has taken the path away.
  server.listen({ path, readableAll: true, writableAll: true }, () => listening.resolve(undefined));
  await listening.promise.finally(() => {
    if (!server.listening) cancel();
  });
  return { connection: connection.promise, close };
}
