import { connect } from "node:net";

export interface RawExchange {
  /** Everything that came back until the end. */
  readonly answer: Buffer;
  /** The other side ended it; else the limit did. */
  readonly wasEnded: boolean;
}

/** Sends bytes over a connection of their own, in pieces, and reads until the other side ends it or the limit has passed. Never rejects. */
export function sendRaw(address: string, pieces: readonly Uint8Array[], limitMs: number): Promise<RawExchange> {
  const [host = "", port] = address.split(":");
  const { promise, resolve } = Promise.withResolvers<RawExchange>();
  const chunks: Buffer[] = [];
  const socket = connect({ host, port: Number(port), noDelay: true });
  const end = (wasEnded: boolean): void => {
    clearTimeout(timer);
    socket.destroy();
    resolve({ answer: Buffer.concat(chunks), wasEnded });
  };
  const timer = setTimeout(() => end(false), limitMs);
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  socket.on("error", () => undefined);
  socket.on("close", () => end(true));
  void (async () => {
    for (const piece of pieces) {
      if (socket.destroyed) return;
      socket.write(piece);
      await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  return promise;
}
