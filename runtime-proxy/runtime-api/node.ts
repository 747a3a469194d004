/** The one place of the agent that knows node:http as a server. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { sleep, type Clock } from "../../lib/clock.ts";
import type { QuickCall } from "../../lib/http/quick-call.ts";
import { QuickLane } from "../../lib/http/quick-lane.ts";
import type { SimpleHead } from "../../lib/http/simple-request.ts";
import type { AgentHandler, AgentResponse, ChunkSink, StreamedBody } from "./exchange.ts";
import { answerQuickly, pathOf, QuickRequest } from "./quick.ts";
import { truncated } from "./answers.ts";

export interface NodeServerOptions {
  readonly handle: AgentHandler;
  /** Calls that never have a streamed answer: node:http, which is most of what a call costs otherwise, stays out of their way. */
  readonly isQuick: (head: SimpleHead) => boolean;
  readonly maxHeaderBytes: number;
  readonly maxConnections: number;
  /** For headers, and for headers and body together, ms; 0: none. */
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  /** For the client to take the answer, ms; 0: none. */
  readonly answerTimeoutMs: number;
  readonly onFault: (error: unknown) => void;
  readonly clock: Clock;
}

const lookAgainMs = 10;
/** Requests on one connection that wait for the one before them. */
const maxPipelined = 32;

/** Serves a handler; knows its connections, since the end of a process shows there too. */
export class NodeServer {
  readonly #server: Server;
  readonly #lane: QuickLane;
  readonly #sockets = new Set<Socket>();
  readonly #options: NodeServerOptions;
  readonly #requests = new Set<IncomingMessage>();
  /** The newest request's answer, and how many wait before it. */
  readonly #lastOf = new WeakMap<Socket, ServerResponse>();
  readonly #waitingOf = new WeakMap<Socket, number>();
  /** Of connections that have ended. */
  #endedBytes = 0;
  #isClosing = false;

  constructor(options: NodeServerOptions) {
    this.#options = options;
    this.#server = createServer({
      maxHeaderSize: options.maxHeaderBytes,
      headersTimeout: options.headersTimeoutMs,
      requestTimeout: options.requestTimeoutMs,
      keepAliveTimeout: 0,
      noDelay: true,
    });
    this.#server.maxConnections = options.maxConnections;
    this.#server.on("connection", (socket) => this.#track(socket));
    this.#lane = new QuickLane(this.#server, "connection", {
      takes: options.isQuick,
      serve: (call) => void this.#serveQuick(call),
      clock: options.clock,
      firstBytesMs: options.headersTimeoutMs,
      bodyMs: options.requestTimeoutMs,
      idleMs: 0,
      answerMs: options.answerTimeoutMs,
      stallMs: 0,
      allowsHalfOpen: false,
    });
    this.#server.on("request", (request, response) => void this.#serve(request, response));
    this.#server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
      const last = this.#lastOf.get(socket);
      // What is broken may be what follows a request that is still being answered.
      if (last?.req.complete === true && !isAnswered(last))
        last.once("close", () => refuseBrokenRequest(error, socket));
      else refuseBrokenRequest(error, socket);
    });
  }

  /** Resolves once connections are taken; port 0 takes any. */
  async listen(host: string, port: number): Promise<AddressInfo> {
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    this.#server.once("error", reject);
    this.#server.listen(port, host, () => resolve(undefined));
    await promise;
    this.#server.removeListener("error", reject);
    this.#server.on("error", this.#options.onFault);
    return this.#server.address() as AddressInfo;
  }

  /** Settles when what had arrived before, also the end of a connection, has been read. */
  async caughtUp(): Promise<void> {
    await turnLoop();
  }

  /** Settles when what had been sent before has been read, bodies to their end, at the latest after `limitMs`. */
  async whenQuiet(limitMs: number): Promise<void> {
    const { clock } = this.#options;
    await acceptBacklog();
    const untilMs = clock.monotonicMs() + limitMs;
    for (let readBytes = -1; this.#sockets.size > 0 && clock.monotonicMs() < untilMs;) {
      if (readBytes === this.#readBytes && !this.#isReadingBody) return;
      readBytes = this.#readBytes;
      await sleep(clock, lookAgainMs);
    }
  }

  /** Cuts all connections, also those that wait to be accepted: nothing of an ended process is heard later. */
  async cutConnections(): Promise<void> {
    await acceptBacklog();
    this.#destroySockets();
  }

  /** Takes no more connections; those with a request under way may end it until `limitMs` have passed. */
  async close(limitMs: number): Promise<void> {
    this.#isClosing = true;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#server.close(() => resolve(undefined));
    this.#server.closeIdleConnections();
    this.#lane.closeIdle();
    const cancel = this.#options.clock.schedule(limitMs, () => this.#destroySockets());
    await promise;
    cancel();
  }

  /** Not those of the server's own list: a connection with a broken request is on it no longer. */
  #destroySockets(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once("close", () => {
      this.#sockets.delete(socket);
      this.#endedBytes += socket.bytesRead;
    });
  }

  get #readBytes(): number {
    let bytes = this.#endedBytes;
    for (const socket of this.#sockets) bytes += socket.bytesRead;
    return bytes;
  }

  get #isReadingBody(): boolean {
    for (const request of this.#requests) if (!request.complete) return true;
    return this.#lane.isReadingBody;
  }

  async #serveQuick(call: QuickCall): Promise<void> {
    try {
      answerQuickly(call, await this.#options.handle(new QuickRequest(call)), this.#isClosing);
    } catch (error) {
      this.#options.onFault(error);
      call.socket.destroy();
    }
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#requests.add(request);
    response.once("close", () => this.#requests.delete(request));
    response.on("error", () => undefined);
    request.on("error", () => undefined);
    try {
      if (!(await this.#isTurnOf(request.socket, response))) return;
      const answer = await this.#options.handle({
        method: request.method ?? "",
        path: pathOf(request.url ?? ""),
        headers: request.headers,
        body: request,
        trailers: () => request.trailers,
        whenGone: (call) => whenGone(response, call),
      });
      await this.#answer(response, answer);
    } catch (error) {
      this.#options.onFault(error);
      response.destroy();
    }
  }

  /** What comes in one piece on one connection is served one after the other, as it was sent. */
  async #isTurnOf(socket: Socket, response: ServerResponse): Promise<boolean> {
    const before = this.#lastOf.get(socket);
    this.#lastOf.set(socket, response);
    if (before === undefined || isAnswered(before)) return true;
    const waiting = (this.#waitingOf.get(socket) ?? 0) + 1;
    if (waiting > maxPipelined) {
      socket.destroy();
      return false;
    }
    this.#waitingOf.set(socket, waiting);
    await new Promise((resolve) => before.once("close", resolve));
    this.#waitingOf.set(socket, (this.#waitingOf.get(socket) ?? 1) - 1);
    return !response.destroyed;
  }

  async #answer(response: ServerResponse, { status, headers, body = "", close }: AgentResponse): Promise<void> {
    if (response.destroyed) {
      if (typeof body !== "string" && "send" in body) await body.send(nowhere);
      return;
    }
    const isLast = close === true || this.#isClosing;
    const head = { ...headers, ...(isLast && { Connection: "close" }) };
    if (typeof body !== "string" && "send" in body) {
      response.writeHead(status, { ...head, Trailer: body.trailerNames.join(", ") });
      await sendStream(response, body);
      this.#limitAnswer(response);
      return;
    }
    this.#limitAnswer(response);
    const bytes = typeof body === "string" ? Buffer.byteLength(body) : body.bytes;
    response.writeHead(status, { ...head, "Content-Length": bytes });
    if (typeof body === "string") response.end(body);
    else {
      for (const chunk of body.chunks) response.write(chunk);
      response.end();
    }
  }

  #limitAnswer(response: ServerResponse): void {
    if (this.#options.answerTimeoutMs === 0 || response.destroyed) return;
    const cancel = this.#options.clock.schedule(this.#options.answerTimeoutMs, () => response.destroy());
    response.once("close", cancel);
  }
}

/** Of a receiver that has gone: whoever writes is not held up. */
const nowhere: ChunkSink = { write: () => Promise.resolve() };

function whenGone(response: ServerResponse, call: () => void): void {
  const look = (): void => {
    if (!response.writableFinished) call();
  };
  if (response.closed) look();
  else response.once("close", look);
}

function isAnswered(response: ServerResponse): boolean {
  return response.writableFinished || response.destroyed || response.closed;
}

async function sendStream(response: ServerResponse, body: StreamedBody): Promise<void> {
  const write = (chunk: Uint8Array): Promise<void> => {
    if (response.destroyed || response.writableEnded || response.write(chunk)) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        response.off("drain", done);
        response.off("close", done);
        resolve();
      };
      response.on("drain", done);
      response.on("close", done);
    });
  };
  response.flushHeaders();
  const trailers = await body.send({ write });
  if (response.destroyed) return;
  response.addTrailers(trailers);
  response.end();
}

/** Two turns of the loop: what had connected or arrived before is then on its socket. */
async function acceptBacklog(): Promise<void> {
  await turnLoop();
  await turnLoop();
}

async function turnLoop(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

/** A body that breaks off while the client still reads is told so; other malformed requests get the plain status. */
function refuseBrokenRequest(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  socket.once("finish", () => socket.destroy());
  if (error.code === "HPE_HEADER_OVERFLOW") {
    socket.end("HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\n\r\n");
    return;
  }
  if (error.code === "ERR_HTTP_REQUEST_TIMEOUT") {
    socket.end("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n");
    return;
  }
  const body = truncated.body as string;
  socket.end(
    `HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
