/** Serves an HttpHandler through Express: the one file that knows it. */
import express from "express";
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer, Server as TlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Clock } from "../clock.ts";
import { BegunHeads } from "./begun-heads.ts";
import { refuseBadRequests, type BadRequest } from "./bad-request.ts";
import type { HttpHandler, HttpResponse } from "./handler.ts";
import { QuickLane } from "./quick-lane.ts";
import { answerQuickCall } from "./quick-request.ts";
import { answerRequest, type AnswerOptions } from "./served-request.ts";
import type { SimpleHead } from "./simple-request.ts";
import { cutOff } from "./stalled-client.ts";
import type { TlsFiles } from "./tls-files.ts";

export interface ServerOptions extends Omit<AnswerOptions, "isDraining" | "answerStallMs"> {
  readonly host: string;
  /** 0 chooses a free one. */
  readonly port: number;
  /** Answers what is no HTTP/1.1 request, before the connection is closed; default: the status alone. */
  readonly onBadRequest?: (problem: BadRequest) => HttpResponse;
  /** Line and headers together, bytes; default 16 KiB. */
  readonly maxHeaderBytes?: number;
  /** Of all connections' heads that have begun and are not here whole; the longest are cut off beyond. Absent: each has its own bound alone. */
  readonly mostBegunHeadBytes?: number;
  /** Open connections; more are closed as they come, and `onDrop` is told of each. Absent: as many as the system lets the process have. */
  readonly mostConnections?: number;
  readonly onDrop?: () => void;
  /** Longest wait for a request's headers and body, ms; default 60,000. */
  readonly requestTimeoutMs?: number;
  /** Longest time for which a client may take nothing of an answer that is written, ms, before it is cut off; default 60,000. */
  readonly answerStallMs?: number;
  /** Takes over the connection of a request that asks for an upgrade; absent: such requests are served as all others. */
  readonly upgrade?: (request: IncomingMessage, socket: Duplex) => void;
  /** Serves HTTPS, TLS 1.2 and newer; absent: HTTP. */
  readonly tls?: TlsFiles;
  /** Calls that have their answer in one piece: they go to the handler without node:http, which is half of the work otherwise. */
  readonly quick?: {
    readonly takes: (head: SimpleHead) => boolean;
    /** Default: the other. */
    readonly handler?: HttpHandler;
    readonly clock: Clock;
  };
  /** Requests go straight to the handler: on the way of every call Express, which gives each request another prototype, is 5 % of the work. */
  readonly isDirect?: boolean;
}

export interface RunningServer {
  readonly port: number;
  /** From now on each answer ends its connection: clients that keep theirs open go elsewhere by themselves. */
  drain(): void;
  /** Takes no new request, lets running ones end, cuts what is left after the deadline. */
  stop(deadlineMs: number): Promise<void>;
  /** For connections from now on. */
  setTls(files: TlsFiles): void;
}

/** While a server ends: how long a connection on which the last answer has come to its end may hold that up. */
const sweepEveryMs = 500;
/** Of a connection, for another request. */
const keptMs = 75_000;
const usualStallMs = 60_000;
const tlsRules = { minVersion: "TLSv1.2", honorCipherOrder: true } as const;

/** Listens and answers; rejects when the address cannot be had. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  let isDraining = false;
  const requestTimeout = options.requestTimeoutMs ?? 60_000;
  const settings = {
    maxHeaderSize: options.maxHeaderBytes ?? 16 * 1024,
    requestTimeout,
    headersTimeout: Math.min(30_000, requestTimeout),
    connectionsCheckingInterval: Math.min(5_000, requestTimeout),
    keepAliveTimeout: keptMs,
    // A call may be silent for 15 minutes: probes keep what lies between from forgetting its connection.
    keepAlive: true,
    keepAliveInitialDelay: 30_000,
  };
  const listener = listenerOf(options, () => isDraining);
  const server =
    options.tls === undefined
      ? createServer(settings, listener)
      : createTlsServer({ ...settings, ...options.tls, ...tlsRules }, listener);
  // Who has said all that it wants to say may still want the answer.
  Object.assign(server, { httpAllowHalfOpen: true });
  refuseBadRequests(server, { toResponse: options.onBadRequest, lingerMs: Math.min(5_000, requestTimeout) });
  server.on("timeout", cutOff);
  const { mostConnections, mostBegunHeadBytes = Infinity, onDrop } = options;
  if (mostConnections !== undefined) server.maxConnections = mostConnections;
  if (onDrop !== undefined) server.on("drop", onDrop);
  const event = options.tls === undefined ? "connection" : "secureConnection";
  const heads = new BegunHeads(server, event, mostBegunHeadBytes);
  // Called also by its close().
  server.closeIdleConnections = () => heads.closeIdle();
  const lane = openLane(server, options, event, () => isDraining);
  const unused = new UnusedConnections(server);
  const { upgrade } = options;
  if (upgrade !== undefined) server.on("upgrade", (request: IncomingMessage, socket) => upgrade(request, socket));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    drain: () => (isDraining = true),
    async stop(deadlineMs) {
      isDraining = true;
      await stopServer({ server, unused, lane }, deadlineMs);
      heads.close();
    },
    setTls(files) {
      if (server instanceof TlsServer) server.setSecureContext({ ...files, ...tlsRules });
    },
  };
}

function openLane(
  server: Server,
  options: ServerOptions,
  event: "connection" | "secureConnection",
  isDraining: () => boolean,
): QuickLane | undefined {
  const { quick, requestTimeoutMs = 60_000, answerStallMs = usualStallMs } = options;
  if (quick === undefined) return undefined;
  const { handler = options.handler } = quick;
  const door = { ...options, handler, isDraining, keptSeconds: keptMs / 1000 };
  return new QuickLane(server, event, {
    ...quick,
    serve: (call) => void answerQuickCall(door, call),
    firstBytesMs: Math.min(30_000, requestTimeoutMs),
    bodyMs: requestTimeoutMs,
    idleMs: keptMs,
    answerMs: 0,
    stallMs: answerStallMs,
    allowsHalfOpen: true,
  });
}

function listenerOf(options: ServerOptions, isDraining: () => boolean): RequestListener {
  const door = { answerStallMs: usualStallMs, ...options, isDraining };
  const serve = (req: IncomingMessage, res: ServerResponse): void => void answerRequest(door, req, res);
  if (options.isDirect === true) return serve;
  const app = express();
  app.disable("x-powered-by");
  app.disable("etag");
  app.use(serve);
  return app as RequestListener;
}

/** Connections on which nothing has been sent yet: to Node.js they are not idle, and a server's end would wait for them. */
class UnusedConnections {
  readonly #sockets = new Set<Socket>();

  constructor(server: Server) {
    server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
    server.on("request", ({ socket }: IncomingMessage) => this.#sockets.delete(socket));
  }

  close(): void {
    for (const socket of this.#sockets) if (socket.bytesRead === 0) socket.destroy();
  }
}

interface Stopping {
  readonly server: Server;
  readonly unused: UnusedConnections;
  readonly lane: QuickLane | undefined;
}

async function stopServer({ server, unused, lane }: Stopping, deadlineMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  lane?.closeIdle();
  unused.close();
  // An answer that had begun has not said that its connection ends.
  const sweep = setInterval(() => server.closeIdleConnections(), sweepEveryMs);
  const timer = setTimeout(() => {
    server.closeAllConnections();
    lane?.closeAll();
  }, deadlineMs);
  await closed;
  clearTimeout(timer);
  clearInterval(sweep);
}
