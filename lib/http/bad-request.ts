/** Answers what is no HTTP/1.1 request, and never in place of an answer that another request waits for. */
import { STATUS_CODES, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { HttpResponse } from "./handler.ts";

/** What was sent in place of a request. */
export type BadRequest = "malformed" | "headersTooLarge" | "tooSlow" | "otherProtocol";

const statusOf = { malformed: 400, headersTooLarge: 431, tooSlow: 408, otherProtocol: 505 } as const;

interface ParserError extends NodeJS.ErrnoException {
  readonly rawPacket?: Buffer;
}

export interface RefusalOptions {
  /** Its body is a text; absent: the status alone. The connection is closed either way. */
  readonly toResponse?: ((problem: BadRequest) => HttpResponse) | undefined;
  /** How long a refused client may leave its half of the connection open, ms. */
  readonly lingerMs: number;
}

export function refuseBadRequests(server: Server, { toResponse, lingerMs }: RefusalOptions): void {
  const unanswered = new WeakMap<Duplex, Set<ServerResponse>>();
  server.prependListener("request", ({ socket }: IncomingMessage, res: ServerResponse) => {
    const responses = unanswered.get(socket) ?? new Set();
    unanswered.set(socket, responses.add(res));
    res.once("close", () => responses.delete(res));
  });
  server.on("clientError", (error: ParserError, socket) => {
    const problem = problemOf(error);
    // Bytes after a whole request are another's: an answer to them would be read as that request's.
    const isAwaited = [...(unanswered.get(socket) ?? [])].some(({ req, headersSent }) => req.complete || headersSent);
    if (problem === undefined || isAwaited || !socket.writable) socket.destroy();
    else {
      socket.end(toText(toResponse?.(problem) ?? { status: statusOf[problem] }));
      const cut = setTimeout(() => socket.destroy(), lingerMs).unref();
      socket.once("close", () => clearTimeout(cut));
    }
  });
}

/** Undefined: the connection broke, there is nobody to answer. Source: Node.js, errors of its HTTP parser (llhttp) and server. */
function problemOf({ code = "", rawPacket }: ParserError): BadRequest | undefined {
  if (code === "HPE_HEADER_OVERFLOW") return "headersTooLarge";
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return "tooSlow";
  // What a client of HTTP/2 begins with. Source: RFC 9113, 3.4.
  if (rawPacket?.subarray(0, 14).toString("latin1") === "PRI * HTTP/2.0") return "otherProtocol";
  return code.startsWith("HPE_") ? "malformed" : undefined;
}

function toText({ status, headers = {}, body }: HttpResponse): string {
  const text = typeof body === "string" ? body : "";
  const all = { ...headers, "content-length": String(Buffer.byteLength(text)), connection: "close" };
  const lines = Object.entries(all).map((line) => line.join(": "));
  return [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`, ...lines, "", text].join("\r\n");
}
