/** Stands for the agent of one execution environment: real sockets, answers as scripted. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import {
  invocationAnswerHeaders,
  invocationHeaders,
  streamTrailers,
  type AgentRefusal,
  type EnvironmentAnnouncement,
  type EnvironmentState,
} from "../../crds/wire/environment.ts";
import { GRANT_HEADER, isBefore, parseGrant, startPosition, type Position } from "../../crds/wire/position.ts";
import { routes } from "../../crds/wire/routes.ts";

/** One call as the agent got it. */
export interface SeenCall {
  readonly requestId: string;
  readonly headers: IncomingMessage["headers"];
  readonly event: string;
}

export interface ScriptedAnswer {
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A payload in pieces, each written when the one before has been taken. A call that asks for no stream gets it whole. */
export interface ScriptedStream {
  readonly chunks: AsyncIterable<Buffer | string> | Iterable<Buffer | string>;
  /** By their keys in `streamTrailers`; absent: `Complete`. "none": the answer ends without, "cut": the connection does. */
  readonly end?: Readonly<Partial<Record<keyof typeof streamTrailers, string>>> | "none" | "cut";
  readonly headers?: Readonly<Record<string, string>>;
}

type Scripted = ScriptedAnswer | ScriptedStream | AgentRefusal | "cut";

/** What the agent does with a call: an answer, a refusal (nothing started), or cutting the connection. */
export type Script = (call: SeenCall) => Promise<Scripted> | Scripted;

const refusalStatus = { Unauthorized: 401, Busy: 409, Stale: 409, Draining: 503, BadRequest: 400 } as const;
const invocationPrefix = routes.invocation("");

export class ScriptedAgent {
  readonly calls: SeenCall[] = [];
  /** Most calls that ran here at the same time: more than one is the router's mistake. */
  mostAtOnce = 0;
  state: EnvironmentState = "ready";
  sequence = 1;
  init: EnvironmentAnnouncement["init"] = { ok: true, durationMs: 5 };
  script: Script = ({ event }) => ({ body: event });
  /** The newest that came with a claim or a call. */
  position: Position = startPosition;
  readonly podUid: string;
  readonly #server: Server;
  #running = 0;

  constructor(podUid: string) {
    this.podUid = podUid;
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return this;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get announcement(): EnvironmentAnnouncement {
    const { podUid, address, state, sequence, init } = this;
    const { position } = this;
    return { podUid, address, state, sequence, position, atMs: 1, ...(init !== undefined && { init }) };
  }

  #see(request: IncomingMessage): void {
    const grant = parseGrant(String(request.headers[GRANT_HEADER]));
    if (grant !== undefined && isBefore(this.position, grant)) this.position = grant;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url === routes.state) return void response.end(JSON.stringify(this.announcement));
    if (request.url === routes.claim) {
      this.#see(request);
      return void response.end(JSON.stringify(this.announcement));
    }
    this.#see(request);
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const call: SeenCall = {
      requestId: (request.url ?? "").slice(invocationPrefix.length),
      headers: request.headers,
      event: Buffer.concat(chunks).toString(),
    };
    this.calls.push(call);
    this.#running += 1;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.#running);
    const answer = await this.script(call);
    if (typeof answer === "object" && "chunks" in answer) {
      await sendStream(answer, request, response);
      this.#running -= 1;
      return;
    }
    this.#running -= 1;
    if (answer === "cut") request.socket.destroy();
    else if ("code" in answer) response.writeHead(refusalStatus[answer.code]).end(JSON.stringify(answer));
    else response.writeHead(200, { "x-amz-executed-version": "$LATEST", ...answer.headers }).end(answer.body);
  }
}

async function sendStream(stream: ScriptedStream, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { chunks, end = { endOfResponse: "Complete" }, headers } = stream;
  const isWanted = request.headers[invocationHeaders.responseMode] === "streaming";
  response.writeHead(200, {
    "x-amz-executed-version": "$LATEST",
    ...headers,
    ...(isWanted && {
      [invocationAnswerHeaders.responseMode]: "streaming",
      trailer: Object.values(streamTrailers).join(", "),
    }),
  });
  if (isWanted) response.flushHeaders();
  const whole: Buffer[] = [];
  for await (const chunk of chunks) {
    if (!isWanted) whole.push(Buffer.from(chunk as Uint8Array));
    // Settles also when nobody is there any more to take it.
    else await new Promise((resolve) => response.write(chunk, resolve));
  }
  if (end === "cut") {
    request.socket.destroy();
    return;
  }
  if (isWanted && end !== "none") {
    const told = Object.entries(end).map(([key, value]) => [streamTrailers[key as keyof typeof streamTrailers], value]);
    response.addTrailers(Object.fromEntries(told) as Record<string, string>);
  }
  response.end(Buffer.concat(whole));
}
