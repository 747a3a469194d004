/** Whatever bytes come to the router's port: an answer or a cut, never two readings of one request, and the next call works. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { Readable } from "node:stream";
import { Agent, request } from "undici";
import { startServer, type RunningServer } from "../../lib/http/express.ts";
import { badRequestAnswer } from "../../runtime-proxy/front-door.ts";
import { waitUntil } from "../cluster/wait-until.ts";
import { sendRaw } from "../kit/raw-connection.ts";
import { urlHost, urlId, UrlWorld } from "../kit/url-world.ts";

describe("the router's port", () => {
  let world: UrlWorld;

  before(async () => (world = await UrlWorld.start()));
  after(() => world.close());
  beforeEach(() => {
    world.agent.calls.length = 0;
    world.agent.script = () => ({ body: '"done"' });
  });

  const address = (): string => `127.0.0.1:${world.router.invokePort}`;
  const path = `/lambda-url/${urlId}/`;

  /** Status lines of all that came back. */
  async function send(...pieces: readonly string[]): Promise<{ statuses: number[]; text: string; wasEnded: boolean }> {
    const { answer, wasEnded } = await sendRaw(
      address(),
      pieces.map((piece) => Buffer.from(piece, "latin1")),
      1000,
    );
    const text = answer.toString("latin1");
    return {
      statuses: [...text.matchAll(/^HTTP\/1\.1 (\d{3})/gm)].map(([, status]) => Number(status)),
      text,
      wasEnded,
    };
  }

  const smuggled = `GET ${path}smuggled HTTP/1.1\r\nHost: x\r\n\r\n`;
  const refused: Record<string, { text: string; status: number }> = {
    "Content-Length beside Transfer-Encoding": {
      text: `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
      status: 400,
    },
    "two different lengths": {
      text: `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}`,
      status: 400,
    },
    "two equal lengths": {
      text: `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n1`,
      status: 400,
    },
    "a length with a sign": { text: `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\n1`, status: 400 },
    "a folded header": { text: `GET ${path} HTTP/1.1\r\nHost: x\r\nX-A: b\r\n c\r\n\r\n`, status: 400 },
    "a space before the colon": {
      text: `POST ${path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n`,
      status: 400,
    },
    "a coding that is none": {
      text: `POST ${path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${smuggled}`,
      status: 400,
    },
    "chunked twice": {
      text: `POST ${path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      status: 400,
    },
    "a coding that nobody undoes": {
      text: `POST ${path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
      status: 501,
    },
    "a chunk whose length is none": {
      text: `POST ${path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n`,
      status: 400,
    },
    "no Host": { text: `GET ${path} HTTP/1.1\r\n\r\n`, status: 400 },
    "two Hosts": { text: `GET ${path} HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n`, status: 400 },
    "lines that end with LF alone": { text: `GET ${path} HTTP/1.1\nHost: x\n\n`, status: 400 },
    "a NUL in a header": { text: `GET ${path} HTTP/1.1\r\nHost: x\r\nX-A: a\0b\r\n\r\n`, status: 400 },
    "a target that is no path": { text: "OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", status: 400 },
    "an absolute form whose authority is not Host": {
      text: `GET http://x${path} HTTP/1.1\r\nHost: y\r\n\r\n`,
      status: 400,
    },
    "an absolute form of a function URL's host with another Host": {
      text: `GET http://${urlHost}/ HTTP/1.1\r\nHost: x\r\n\r\n`,
      status: 400,
    },
    "an absolute form with a user": { text: `GET http://x@y${path} HTTP/1.1\r\nHost: x\r\n\r\n`, status: 400 },
    "HTTP/1.0": { text: `GET ${path} HTTP/1.0\r\nHost: x\r\n\r\n`, status: 505 },
    "HTTP/0.9": { text: `GET ${path}\r\n\r\n`, status: 505 },
    "HTTP/2 without asking": { text: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", status: 505 },
    TLS: { text: "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", status: 400 },
    "a web socket": {
      text: `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
      status: 501,
    },
    "another protocol beside HTTP/2": {
      text: `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c, websocket\r\n\r\n`,
      status: 501,
    },
    "headers of more than 1 MB": {
      text: `GET ${path} HTTP/1.1\r\nHost: x\r\nX-A: ${"a".repeat(1_100_000)}\r\n\r\n`,
      status: 413,
    },
    "a line of more than 1 MB": {
      text: `GET ${path}${"a".repeat(1_100_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
      status: 413,
    },
  };
  for (const [what, { text, status }] of Object.entries(refused)) {
    it(`${what} is ${status}, once, and the connection ends; the function hears nothing`, async () => {
      const { statuses, wasEnded } = await send(text);
      assert.deepEqual([statuses, wasEnded], [[status], true]);
      assert.equal(world.agent.calls.length, 0);
    });
  }

  const offer = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n";
  const behind: Record<string, string> = {
    "another call": `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`,
    "HTTP/2 all the same": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  };
  for (const target of [path, "/2015-03-31/functions/hello/invocations"])
    for (const [what, rest] of Object.entries(behind))
      it(`an offer of HTTP/2 is served over HTTP/1.1 and ends the connection, whatever is behind it: ${what}, ${target}`, async () => {
        const call = `POST ${target} HTTP/1.1\r\nHost: x\r\n${offer}Content-Length: 2\r\n\r\n{}`;
        const { statuses, text, wasEnded } = await send(`${call}${rest}`);
        assert.deepEqual([statuses, wasEnded], [[200], true]);
        assert.match(text, /^connection: close\r$/im);
        assert.doesNotMatch(text, /^upgrade:/im);
        assert.equal(world.agent.calls.length, 1);
        assert.doesNotMatch(JSON.stringify(world.agent.calls), /h2c|http2-settings/i);
      });

  it("CONNECT ends without an answer", async () => {
    assert.deepEqual(await send("CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n"), {
      statuses: [],
      text: "",
      wasEnded: true,
    });
  });

  it("a refusal says in JSON what is wrong", async () => {
    const { text } = await send(`GET ${path} HTTP/1.0\r\nHost: x\r\n\r\n`);
    assert.match(
      text,
      /^HTTP\/1\.1 505 .*\r\n\r\n\{"Type":"User","message":"Cannot serve HTTP\/1\.0: this server speaks HTTP\/1\.1"\}$/s,
    );
  });

  it("rubbish after a whole request is no answer to that request: the connection ends, the function runs on", async () => {
    const gate = Promise.withResolvers<undefined>();
    world.agent.script = async () => {
      await gate.promise;
      return { body: '"late"' };
    };
    const { statuses, wasEnded } = await send(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`, "rubbish\r\n\r\n");
    assert.deepEqual([statuses, wasEnded], [[], true]);
    gate.resolve(undefined);
    world.agent.script = () => ({ body: '"next"' });
    await waitUntil({ what: "the environment is free", timeoutMs: 10_000 }, async () =>
      (await world.url("/")).body === "next" ? true : undefined,
    );
  });

  it("the absolute form is served where Host says the same, by path and by host", async () => {
    const targets = { [`http://x${path}a?b=c`]: "x", [`HTTP://${urlHost.toUpperCase()}/a?b=c`]: urlHost };
    for (const [target, host] of Object.entries(targets)) {
      const { statuses } = await send(`GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
      assert.deepEqual(statuses, [200], target);
      const { rawPath, rawQueryString, headers, requestContext } = world.event;
      assert.deepEqual([rawPath, rawQueryString], ["/a", "b=c"]);
      assert.deepEqual([headers["host"], requestContext.domainName], [host, host]);
    }
  });

  it("two requests in one piece are two calls, answered in their order", async () => {
    let calls = 0;
    world.agent.script = () => ({ body: JSON.stringify(`call ${(calls += 1)}`) });
    const one = `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
    const { text } = await send(`${one}${one.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")}`);
    assert.deepEqual(text.match(/call \d/g)?.length, 2);
  });

  it("a body that is longer than its length is another request, and refused as one", async () => {
    const { statuses } = await send(
      `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n1234 no request\r\n\r\n`,
    );
    assert.ok(statuses.length === 0 || statuses.join() === "200,400" || statuses.join() === "200", statuses.join());
    assert.equal(world.agent.calls.length <= 1, true);
  });

  it("a body that is shorter than its length reaches no function when its client goes away", async () => {
    const socket = connect(world.router.invokePort, "127.0.0.1");
    socket.write(`POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n123`);
    await new Promise((resolve) => setTimeout(resolve, 50));
    socket.destroy();
    assert.equal((await world.url("/")).body, "done");
    assert.equal(world.agent.calls.length, 1);
  });

  /** As `nc -N` does: all is said, and the answer is waited for. */
  async function sendAndClose(text: string): Promise<string> {
    const socket = connect({ port: world.router.invokePort, host: "127.0.0.1", allowHalfOpen: true });
    socket.end(text);
    const chunks: Buffer[] = [];
    for await (const chunk of socket as AsyncIterable<Buffer>) chunks.push(chunk);
    return Buffer.concat(chunks).toString("latin1");
  }

  it("a client that has closed its half gets its answer, and the connection ends", async () => {
    world.agent.script = async () => {
      await new Promise((resolve) => setTimeout(resolve, 100));
      return { body: '"done"' };
    };
    for (const text of [
      `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`,
      `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}`,
    ])
      assert.match(await sendAndClose(text), /^HTTP\/1\.1 200 OK\r\n.*\r\n\r\ndone$/s);
  });

  it("a client that has closed its half before its request was whole is told so, and no function hears of it", async () => {
    for (const text of [
      `GET ${path} HTTP/1.1\r\nHo`,
      `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n123`,
    ])
      assert.match(await sendAndClose(text), /^HTTP\/1\.1 400 /);
    assert.equal(world.agent.calls.length, 0);
  });

  it("a client that goes away while its function runs does not stop it", async () => {
    const gate = Promise.withResolvers<undefined>();
    let hasEnded = false;
    world.agent.script = async () => {
      await gate.promise;
      hasEnded = true;
      return { body: '"done"' };
    };
    const leaving = new AbortController();
    const left = request(`http://${address()}${path}`, { signal: leaving.signal });
    await waitUntil({ what: "the function runs", timeoutMs: 10_000 }, () => world.agent.calls.length > 0 || undefined);
    leaving.abort();
    await assert.rejects(left);
    gate.resolve(undefined);
    await waitUntil({ what: "it has ended", timeoutMs: 10_000 }, () => hasEnded || undefined);
    assert.equal((await world.url("/")).body, "done");
  });
});

describe("a server's time limits", () => {
  let server: RunningServer;

  before(async () => {
    server = await startServer({
      host: "127.0.0.1",
      port: 0,
      // Stands for the minute that a request has, beside which a call has 15.
      requestTimeoutMs: 100,
      onError: () => ({ status: 500 }),
      onBadRequest: badRequestAnswer,
      handler: async ({ body }) => {
        body.resume();
        await new Promise((resolve) => setTimeout(resolve, 600));
        return { status: 200, body: "done" };
      },
    });
  });
  after(() => server.stop(1000));

  it("an answer may take far longer than a request, on a connection that is kept", async () => {
    const agent = new Agent({ connections: 1 });
    let connections = 0;
    agent.on("connect", () => (connections += 1));
    const options = { method: "POST", body: "x", dispatcher: agent } as const;
    for (let n = 0; n < 2; n += 1) {
      const { statusCode, body } = await request(`http://127.0.0.1:${server.port}/`, options);
      assert.deepEqual([statusCode, await body.text()], [200, "done"]);
    }
    assert.equal(connections, 1);
    await agent.close();
  });

  it("ends at once beside a connection on which nothing was ever sent, and carries a call to its end", async () => {
    const hasBegun = Promise.withResolvers<undefined>();
    const ending = await startServer({
      ...{ host: "127.0.0.1", port: 0, onError: () => ({ status: 500 }) },
      handler: () => {
        hasBegun.resolve(undefined);
        return new Promise((resolve) => setTimeout(() => resolve({ status: 200, body: "done" }), 300));
      },
    });
    const unused = connect(ending.port, "127.0.0.1");
    await once(unused, "connect");
    const running = request(`http://127.0.0.1:${ending.port}/`, { reset: true });
    await hasBegun.promise;
    const isCut = once(unused, "close");
    await ending.stop(3_600_000);
    await isCut;
    assert.equal(await (await running).body.text(), "done");
  });

  it("ends soon after an answer that had begun before, although its client keeps the connection", async () => {
    const gate = Promise.withResolvers<undefined>();
    const body = async function* (): AsyncGenerator<string> {
      yield "first ";
      await gate.promise;
      yield "second";
    };
    const ending = await startServer({
      ...{ host: "127.0.0.1", port: 0, onError: () => ({ status: 500 }) },
      handler: () => Promise.resolve({ status: 200, body: Readable.from(body()) }),
    });
    const agent = new Agent({ connections: 1 });
    const answer = await request(`http://127.0.0.1:${ending.port}/`, { dispatcher: agent });
    const ended = ending.stop(3_600_000);
    gate.resolve(undefined);
    assert.equal(await answer.body.text(), "first second");
    await ended;
    await agent.close();
  });

  it("headers that come too slowly are 408", async () => {
    const { answer, wasEnded } = await sendRaw(`127.0.0.1:${server.port}`, [Buffer.from("GET / HTTP/1.1\r\n")], 10_000);
    assert.equal(wasEnded, true);
    assert.match(answer.toString(), /^HTTP\/1\.1 408 .*x-amzn-errortype: RequestTimeoutException/s);
  });
});
