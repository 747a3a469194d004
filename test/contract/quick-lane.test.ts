/** What the quick lane takes, node:http would have read in the same way; whatever is sent, the answers are the same. */
import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import fc from "fast-check";
import { systemClock } from "../../lib/clock.ts";
import { startServer, type RunningServer } from "../../lib/http/express.ts";
import type { HttpHandler } from "../../lib/http/handler.ts";
import { badRequestAnswer } from "../../runtime-proxy/front-door.ts";

interface Seen {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly raw: readonly string[];
  readonly body: string;
}

/** One server and what its handler has seen. */
class Side {
  readonly seen: Seen[] = [];
  /** Bodies that came with their heads: only the lane gives them. */
  quickly = 0;
  server!: RunningServer;

  async start(isQuick: boolean): Promise<this> {
    this.server = await startServer({
      ...{ host: "127.0.0.1", port: 0, isDirect: true, maxHeaderBytes: 1024 * 1024 },
      onError: () => ({ status: 500 }),
      onBadRequest: badRequestAnswer,
      handler: (request) => this.#handle(request),
      ...(isQuick && { quick: { takes: ({ url }) => url.startsWith("/quick"), clock: systemClock } }),
    });
    return this;
  }

  readonly #handle: HttpHandler = async (request) => {
    const { method, path, query, headers, sent } = request;
    if (path === "/quick/unread") {
      await new Promise((resolve) => setTimeout(resolve, 100));
      this.seen.push({ method, path, query: "", headers: {}, raw: [], body: "" });
      return { status: 413, body: "y".repeat(Number(query.get("answer"))) };
    }
    const body = request.whole?.toString("latin1") ?? Buffer.from(await text(request.body)).toString("latin1");
    if (request.whole !== undefined) this.quickly += 1;
    this.seen.push({ method, path, query: query.toString(), headers: { ...headers }, raw: sent?.headers ?? [], body });
    return { status: 200, headers: { "x-length": String(body.length) }, body: `${method} ${path}` };
  };

  /** Says all at once or in pieces, then that it is all, and hears everything. */
  async tell(pieces: readonly Buffer[]): Promise<string> {
    const socket = connect({ port: this.server.port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
    socket.on("error", () => undefined);
    const chunks: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    for (const piece of pieces) {
      socket.write(piece);
      await new Promise((resolve) => setImmediate(resolve));
    }
    socket.end();
    await new Promise((resolve) => socket.once("close", resolve));
    return Buffer.concat(chunks).toString("latin1");
  }
}

const request = (line: string, headers: readonly string[], body = ""): string =>
  [`${line} HTTP/1.1`, "Host: x", ...headers, "", body].join("\r\n");
const requests = [
  request("POST /quick/a?b=c", ["Content-Length: 2", "Content-Type: application/json"], "{}"),
  request(
    "POST /quick/long",
    ["content-length: 26", "Connection: keep-alive", "X-A: 1,2"],
    "abcdefghijklmnopqrstuvwxyz",
  ),
  request("GET /quick", ["Accept: */*", "User-Agent: a/1.0 (b; c)"]),
  request("POST /quick/chunks", ["Transfer-Encoding: chunked"], "3\r\nabc\r\n0\r\n\r\n"),
  request("GET /slow", ["X-B: "]),
];

interface Change {
  readonly at: number;
  readonly what: "set" | "insert" | "cut";
  readonly bytes: string;
}

const change: fc.Arbitrary<Change> = fc.record({
  at: fc.nat(400),
  what: fc.constantFrom("set", "insert", "cut"),
  bytes: fc.oneof(
    fc.constantFrom(
      "\r\n",
      "\r",
      "\n",
      "\0",
      " ",
      "\t",
      ":",
      "\x80",
      "Content-Length: 1\r\n",
      "Transfer-Encoding: chunked\r\n",
    ),
    fc.string({ minLength: 1, maxLength: 3 }),
  ),
});

function mutate(sent: string, changes: readonly Change[]): string {
  return changes.reduce((all, { at, what, bytes }) => {
    const place = at % (all.length + 1);
    const [before, after] = [all.slice(0, place), all.slice(place)];
    if (what === "cut") return before;
    return before + bytes + (what === "set" ? after.slice(bytes.length) : after);
  }, sent);
}

function cut(sent: string, places: readonly number[]): Buffer[] {
  const bytes = Buffer.from(sent, "latin1");
  const sorted = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return sorted.slice(1).map((place, i) => bytes.subarray(sorted[i], place));
}

describe("The quick lane", function () {
  this.timeout(60_000);
  let quick: Side;
  let usual: Side;

  before(async () => {
    quick = await new Side().start(true);
    usual = await new Side().start(false);
  });
  after(async () => {
    await Promise.all([quick, usual].map(({ server }) => server.stop(1000)));
  });
  beforeEach(() => {
    for (const side of [quick, usual]) side.seen.length = side.quickly = 0;
  });

  async function compare(pieces: readonly Buffer[]): Promise<void> {
    for (const side of [quick, usual]) side.seen.length = 0;
    const [own, others] = await Promise.all([quick.tell(pieces), usual.tell(pieces)]);
    assert.deepEqual(quick.seen, usual.seen);
    const expected = answersIn(others);
    // Where rubbish comes while a call runs, node:http cuts the connection, and the lane answers the call first.
    assert.deepEqual(answersIn(own).slice(0, expected.length), expected);
  }

  it("serves what it takes without node:http, one call after the other on one connection", async () => {
    const [first = "", second = "", third = ""] = requests;
    for (const pieces of [[first], [second], [third]]) await compare(pieces.map((piece) => Buffer.from(piece)));
    assert.equal(quick.quickly, 3);
    const socket = connect({ port: quick.server.port, host: "127.0.0.1" });
    for (let n = 0; n < 3; n += 1) {
      socket.write(first);
      const [answer] = (await once(socket, "data")) as [Buffer];
      assert.match(
        answer.toString(),
        /^HTTP\/1\.1 200 OK\r\nx-length: 2\r\ncontent-length: 13\r\nDate: .* GMT\r\nConnection: keep-alive\r\nKeep-Alive: timeout=75\r\n\r\nPOST \/quick\/a$/,
      );
    }
    socket.destroy();
  });

  it("a body that comes later is read as it comes", async () => {
    const body = "x".repeat(300_000);
    const sent = request("POST /quick/large", [`Content-Length: ${body.length}`], body);
    await compare(cut(sent, [80, 70_000, 70_001]));
    assert.equal(quick.seen[0]?.body, body);
  });

  it("a connection goes on behind a body that nobody read", async () => {
    const body = "x".repeat(65_536 + 10);
    const sent = request("POST /quick/unread", [`Content-Length: ${body.length}`], body);
    const socket = connect({ port: quick.server.port, host: "127.0.0.1", noDelay: true });
    for (const piece of cut(sent, [sent.length - 65_536])) {
      socket.write(piece);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.match(String(await once(socket, "data")), /^HTTP\/1\.1 413 [^]*Connection: keep-alive/);
    socket.write(requests[0] ?? "");
    assert.match(String(await once(socket, "data")), /^HTTP\/1\.1 200 /);
    socket.destroy();
  });

  it("what comes of a body behind its answer is never read as a call", async () => {
    const socket = connect({ port: quick.server.port, host: "127.0.0.1", noDelay: true });
    socket.on("error", () => undefined).pause();
    socket.write(request("POST /quick/unread?answer=30000000", ["Content-Length: 100000"], "x"));
    await new Promise((resolve) => setTimeout(resolve, 200));
    socket.write(requests[0] ?? "");
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.deepEqual(
      quick.seen.map(({ path }) => path),
      ["/quick/unread"],
    );
    socket.destroy();
  });

  it("a client's connection goes on where the lane ends", async () => {
    const [first = "", second = "", , chunks = "", slow = ""] = requests;
    await compare([Buffer.from(first + second)]);
    await compare([first, chunks, second].map((piece) => Buffer.from(piece)));
    await compare([slow, first].map((piece) => Buffer.from(piece)));
    await compare([Buffer.from(`${first}rubbish\r\n\r\n`)]);
  });

  it("whatever comes in one piece is read and answered as node:http does", async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...requests), fc.array(change, { maxLength: 3 }), async (sent, changes) => {
        await compare([Buffer.from(mutate(sent, changes), "latin1")]);
      }),
      { numRuns: 800, seed: 1 },
    );
  });

  it("and so is what comes in several", async () => {
    const places = fc.array(fc.nat(400), { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...requests),
        fc.array(change, { maxLength: 2 }),
        places,
        async (sent, ...how) => {
          await compare(cut(mutate(sent, how[0]), how[1]));
        },
      ),
      { numRuns: 400, seed: 2 },
    );
  });
});

describe("The quick lane's time limits and its end", () => {
  let server: RunningServer;
  const gate = Promise.withResolvers<undefined>();
  const call = Buffer.from(request("POST /quick", ["Content-Length: 2"], "{}"));

  beforeEach(async () => {
    server = await startServer({
      ...{ host: "127.0.0.1", port: 0, isDirect: true, requestTimeoutMs: 100 },
      onError: () => ({ status: 500 }),
      onBadRequest: badRequestAnswer,
      handler: async ({ whole, body }) => {
        if (whole === undefined) await text(body);
        await gate.promise;
        return { status: 200, body: "done" };
      },
      quick: { takes: () => true, clock: systemClock },
    });
  });
  afterEach(() => server.stop(1000));

  async function open(): Promise<{ readonly socket: Socket; readonly heard: Promise<string> }> {
    const socket = connect({ port: server.port, host: "127.0.0.1" });
    await once(socket, "connect");
    return { socket, heard: text(socket) };
  }

  it("a connection without a word is 408", async () => {
    const { heard } = await open();
    assert.match(await heard, /^HTTP\/1\.1 408 .*x-amzn-errortype: RequestTimeoutException/s);
  });

  it("a body that does not go on is 408", async () => {
    const { socket, heard } = await open();
    socket.write(call.subarray(0, -1));
    assert.match(await heard, /^HTTP\/1\.1 408 /);
  });

  it("an answer may take longer than a request; the end waits for it and for nothing else, and it says that it is the last", async () => {
    const idle = await open();
    const running = await open();
    running.socket.write(call);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const ended = server.stop(3_600_000);
    assert.equal(await idle.heard, "");
    await new Promise((resolve) => setTimeout(resolve, 150));
    gate.resolve(undefined);
    assert.match(await running.heard, /^HTTP\/1\.1 200 OK\r\n.*Connection: close\r\n.*done$/s);
    await ended;
  });

  for (const quick of [{ quick: { takes: () => true, clock: systemClock } }, {}]) {
    const way = "quick" in quick ? "" : ", in the long way";

    it(`the end waits for who is still taking its answer${way}`, async () => {
      const bytes = 20_000_000;
      const own = await startServer({
        ...{ host: "127.0.0.1", port: 0, isDirect: true, onError: () => ({ status: 500 }), ...quick },
        handler: () => Promise.resolve({ status: 200, body: "y".repeat(bytes) }),
      });
      const socket = connect({ port: own.port, host: "127.0.0.1" });
      socket.write(call);
      await once(socket, "readable");
      const ended = own.stop(3_600_000);
      assert.match(await text(socket), new RegExp(`content-length: ${bytes}\r\n(?:.*\r\n)*\r\ny{2}`));
      assert.equal(socket.bytesRead > bytes, true);
      await ended;
    });

    it(`who is told that it is too late and does not hang up is cut off${way}`, async () => {
      const own = await startServer({
        ...{ host: "127.0.0.1", port: 0, isDirect: true, onError: () => ({ status: 500 }), ...quick },
        requestTimeoutMs: 100,
        handler: () => Promise.resolve({ status: 200 }),
      });
      const accepted: Socket[] = [];
      const onAccepted = (message: unknown): void =>
        void accepted.push((message as { readonly socket: Socket }).socket);
      subscribe("net.server.socket", onAccepted);
      const socket = connect({ port: own.port, host: "127.0.0.1", allowHalfOpen: true });
      socket.write("G");
      assert.match(await text(socket), /^HTTP\/1\.1 408 /);
      unsubscribe("net.server.socket", onAccepted);
      for (const end of accepted) if (!end.closed) await once(end, "close");
      assert.equal(accepted.length, 1);
      socket.destroy();
      await own.stop(1000);
    });
  }

  it("its deadline cuts what still runs", async () => {
    const never = await startServer({
      ...{ host: "127.0.0.1", port: 0, onError: () => ({ status: 500 }) },
      handler: () => new Promise(() => undefined),
      quick: { takes: () => true, clock: systemClock },
    });
    const socket = connect({ port: never.port, host: "127.0.0.1" });
    socket.write(call);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await never.stop(50);
    assert.equal(await text(socket), "");
  });
});

/** What of answers does not depend on the time, to the one that says that the connection ends. */
function answersIn(text: string): readonly string[] {
  const answers = text.split(/(?=HTTP\/1\.1 [0-9]{3} )/).filter((answer) => answer !== "");
  const last = answers.findIndex((answer) => /^connection: close\r$/im.test(answer));
  return (last < 0 ? answers : answers.slice(0, last + 1)).map((answer) => {
    const [head = "", ...body] = answer.split("\r\n\r\n");
    const lines = head.split("\r\n").filter((line) => !line.startsWith("Date: "));
    return [...lines.sort(), ...body].join("\n");
  });
}
