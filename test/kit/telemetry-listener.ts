/** What an extension does to hear telemetry: a listener by HTTP or TCP on a port of its own, and what it got. */
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from "node:http";
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from "node:net";

export interface HeardEvent {
  readonly time: string;
  readonly type: string;
  readonly record: unknown;
}

export interface HeardBatch {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly events: readonly HeardEvent[];
  /** Two batches with the same one came over one connection. */
  readonly connection: number;
}

/** Everything that was heard, and a way to wait for it. */
class Heard {
  readonly batches: HeardBatch[] = [];
  readonly events: HeardEvent[] = [];
  #waiting: { readonly isMet: () => boolean; readonly resolve: () => void }[] = [];

  add(batch: HeardBatch): void {
    this.batches.push(batch);
    this.events.push(...batch.events);
    for (const { isMet, resolve } of this.#waiting) if (isMet()) resolve();
    this.#waiting = this.#waiting.filter(({ isMet }) => !isMet());
  }

  /** Events of these types, in the order in which they were heard. */
  of(...types: readonly string[]): HeardEvent[] {
    return this.events.filter(({ type }) => types.includes(type));
  }

  async until(isMet: () => boolean): Promise<void> {
    if (isMet()) return;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#waiting.push({ isMet, resolve: () => resolve(undefined) });
    await promise;
  }
}

export interface TelemetryListener {
  readonly port: number;
  readonly heard: Heard;
  /** Connections taken so far. */
  readonly connections: () => number;
  stop(): Promise<void>;
}

/** Answers a whole batch; by default with 200 and nothing. */
export type AnswerBatch = (response: ServerResponse, batch: HeardBatch, number: number) => void;

/** `answer` decides what happens to each batch; what it does not take (a status of 400 and more, or no answer) is not counted as heard. */
export async function listenHttp(
  answer: AnswerBatch = (response) => void response.end(),
  port = 0,
): Promise<TelemetryListener> {
  const heard = new Heard();
  const numbers = new Map<Socket, number>();
  let batches = 0;
  const serve: RequestListener = (request, response) => {
    const chunks: Buffer[] = [];
    request.on("error", () => undefined);
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const batch = batchOf(request, Buffer.concat(chunks).toString(), numbers.get(request.socket) ?? 0);
      answer(response, batch, ++batches);
      if (response.writableEnded && response.statusCode < 400) heard.add(batch);
    });
  };
  const server = createHttpServer(serve);
  server.on("connection", (socket) => numbers.set(socket, numbers.size + 1));
  return { ...(await listen(server, port)), heard, connections: () => numbers.size };
}

function batchOf(request: IncomingMessage, body: string, connection: number): HeardBatch {
  return {
    method: request.method ?? "",
    path: request.url ?? "",
    headers: request.headers,
    events: JSON.parse(body) as HeardEvent[],
    connection,
  };
}

/** `onConnection` may leave a socket unread (`pause`) or end it. */
export async function listenTcp(
  onConnection: (socket: Socket) => void = () => undefined,
  port = 0,
): Promise<TelemetryListener> {
  const heard = new Heard();
  let connections = 0;
  const server = createTcpServer((socket) => {
    const connection = ++connections;
    let rest = "";
    socket.setEncoding("utf8");
    socket.on("error", () => undefined);
    socket.on("data", (text) => {
      const lines = `${rest}${String(text)}`.split("\n");
      rest = lines.pop() ?? "";
      const events = lines.map((line) => JSON.parse(line) as HeardEvent);
      heard.add({ method: "", path: "", headers: {}, events, connection });
    });
    onConnection(socket);
  });
  return { ...(await listen(server, port)), heard, connections: () => connections };
}

async function listen(server: Server, port: number): Promise<Pick<TelemetryListener, "port" | "stop">> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const stop = async (): Promise<void> => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  return { port: (server.address() as AddressInfo).port, stop };
}
