/** Serves an HttpHandler through Express: the one file that knows it. */
import express from "express";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer, Server as TlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import { refuseBadRequests, type BadRequest } from "./bad-request.ts";
import type { HttpHandler, HttpRequest, HttpResponse, SentRequest } from "./handler.ts";
import type { TlsFiles } from "./tls-files.ts";

export interface ServerOptions {
  readonly handler: HttpHandler;
  readonly host: string;
  /** 0 chooses a free one. */
  readonly port: number;
  /** Answers what the handler threw; the thrown thing goes to the log, not to the client. */
  readonly onError: (error: unknown, request: HttpRequest) => HttpResponse;
  /** Answers what is no HTTP/1.1 request, before the connection is closed; default: the status alone. */
  readonly onBadRequest?: (problem: BadRequest) => HttpResponse;
  /** Line and headers together, bytes; default 16 KiB. */
  readonly maxHeaderBytes?: number;
  /** Longest wait for a request's headers and body, ms; default 60,000. */
  readonly requestTimeoutMs?: number;
  /** Takes over the connection of a request that asks for an upgrade; absent: such requests are served as all others. */
  readonly upgrade?: (request: IncomingMessage, socket: Duplex) => void;
  /** Serves HTTPS, TLS 1.2 and newer; absent: HTTP. */
  readonly tls?: TlsFiles;
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

const tlsRules = { minVersion: "TLSv1.2", honorCipherOrder: true } as const;

/** Listens and answers; rejects when the address cannot be had. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const app = express();
  app.disable("x-powered-by");
  app.disable("etag");
  let isDraining = false;
  const door = { ...options, isDraining: () => isDraining };
  app.use((req: IncomingMessage, res: ServerResponse) => void answer(door, req, res));
  const requestTimeout = options.requestTimeoutMs ?? 60_000;
  const settings = {
    maxHeaderSize: options.maxHeaderBytes ?? 16 * 1024,
    requestTimeout,
    headersTimeout: Math.min(30_000, requestTimeout),
    connectionsCheckingInterval: Math.min(5_000, requestTimeout),
    keepAliveTimeout: 75_000,
    // A call may be silent for 15 minutes: probes keep what lies between from forgetting its connection.
    keepAlive: true,
    keepAliveInitialDelay: 30_000,
  };
  const listener = app as (req: IncomingMessage, res: ServerResponse) => void;
  const server =
    options.tls === undefined
      ? createServer(settings, listener)
      : createTlsServer({ ...settings, ...options.tls, ...tlsRules }, listener);
  refuseBadRequests(server, options.onBadRequest);
  const { upgrade } = options;
  if (upgrade !== undefined) server.on("upgrade", (request: IncomingMessage, socket) => upgrade(request, socket));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    drain: () => (isDraining = true),
    stop: (deadlineMs) => stopServer(server, deadlineMs),
    setTls(files) {
      if (server instanceof TlsServer) server.setSecureContext({ ...files, ...tlsRules });
    },
  };
}

type Door = ServerOptions & { readonly isDraining: () => boolean };

async function answer(options: Door, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const gone = new AbortController();
  res.once("close", () => {
    if (!res.writableFinished) gone.abort();
  });
  const request = toRequest(req, gone.signal);
  try {
    await send(options, await options.handler(request), req, res);
  } catch (error) {
    if (res.headersSent || res.destroyed) res.destroy();
    else await send(options, options.onError(error, request), req, res).catch(() => res.destroy());
  }
}

function toRequest(req: IncomingMessage, signal: AbortSignal): HttpRequest {
  const url = req.url ?? "/";
  const mark = url.indexOf("?");
  return {
    method: req.method ?? "GET",
    path: mark < 0 ? url : url.slice(0, mark),
    query: new URLSearchParams(mark < 0 ? "" : url.slice(mark + 1)),
    headers: req.headers as Record<string, string | undefined>,
    body: req,
    signal,
    sent: toSent(req, mark < 0 ? "" : url.slice(mark + 1)),
  };
}

function toSent({ rawHeaders, httpVersion, socket }: IncomingMessage, query: string): SentRequest {
  return {
    query,
    headers: rawHeaders,
    httpVersion,
    remoteAddress: socket.remoteAddress ?? "",
    localPort: socket.localPort ?? 0,
    isEncrypted: "encrypted" in socket,
  };
}

async function send(
  { isDraining }: Door,
  response: HttpResponse,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  // A body that nobody read would be taken for the next request: say that the connection ends, and let it drain no further.
  if (!req.complete || isDraining()) res.setHeader("connection", "close");
  for (const [name, value] of Object.entries(response.headers ?? {})) res.setHeader(name, value);
  const { body } = response;
  res.statusCode = response.status;
  if (body === undefined || typeof body === "string" || body instanceof Uint8Array) {
    if (hasBody(response.status)) res.setHeader("content-length", body === undefined ? 0 : Buffer.byteLength(body));
    res.end(req.method === "HEAD" ? undefined : body);
    return;
  }
  await pipeline(body, res);
}

/** These statuses end with their headers. Source: RFC 9110, 15.3.5 and 15.4.5. */
function hasBody(status: number): boolean {
  return status !== 204 && status !== 304;
}

async function stopServer(server: Server, deadlineMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), deadlineMs);
  await closed;
  clearTimeout(timer);
}
