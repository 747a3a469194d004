import assert from "node:assert/strict";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, beforeEach, describe, it } from "mocha";
import { BodyTooLargeError, readBody } from "./read-body.ts";
import { KeptPost, type KeptPostOptions } from "./kept-post.ts";

describe("KeptPost", () => {
  let server: Server;
  let sockets: Socket[];
  let answer: RequestListener;
  let post: KeptPost;

  const create = (options: Partial<KeptPostOptions> = {}): KeptPost => {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/load`;
    return (post = new KeptPost({ url, answerLimitMs: 5000, longestAnswerBytes: 100, ...options }));
  };

  beforeEach(async () => {
    sockets = [];
    server = createServer((request, response) => answer(request, response));
    server.on("connection", (socket) => sockets.push(socket));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  });
  afterEach(() => {
    post.destroy();
    server.closeAllConnections();
    server.close();
  });

  const echo: RequestListener = (request, response) => {
    const { method, url, headers } = request;
    void readBody(request, 10_000).then((body) => {
      response.end([method, url, headers.authorization, headers["content-type"], body.toString()].join(" "));
    });
  };

  it("posts bytes as they are, with the token, and returns the answer", async () => {
    answer = echo;
    const text = 'POST /load Bearer t application/json {"name":"Zoë"}';
    assert.deepEqual(await create().post('{"name":"Zoë"}', "t"), { status: 200, text });
  });

  it("returns an answer of any status", async () => {
    answer = (_, response) => response.writeHead(404).end("what?");
    assert.deepEqual(await create().post("{}", "t"), { status: 404, text: "what?" });
  });

  it("keeps its connection, until it is to dial anew", async () => {
    answer = echo;
    create();
    for (let i = 0; i < 3; i += 1) await post.post("{}", "t");
    assert.equal(sockets.length, 1);
    post.renew();
    for (let i = 0; i < 3; i += 1) await post.post("{}", "t");
    assert.equal(sockets.length, 2);
  });

  it("waits no longer than its limit for an answer, or for the rest of one", async () => {
    answer = (request) => request.resume();
    const silent = /127\.0\.0\.1:\d+ was silent for 50 ms/;
    await assert.rejects(create({ answerLimitMs: 50 }).post("{}", "t"), silent);
    answer = (_, response) => response.write("be");
    await assert.rejects(post.post("{}", "t"), silent);
    answer = echo;
    assert.equal((await post.post("{}", "t")).status, 200);
  });

  it("reads no longer answer than is allowed", async () => {
    answer = (_, response) => response.end("x".repeat(101));
    await assert.rejects(create().post("{}", "t"), BodyTooLargeError);
    answer = echo;
    assert.equal((await post.post("{}", "t")).status, 200);
  });

  it("tells that nobody listens", async () => {
    create();
    await new Promise((resolve) => server.close(resolve));
    await assert.rejects(post.post("{}", "t"), { code: "ECONNREFUSED" });
  });

  it("leaves nothing that outlives collections of young objects", async () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as (options: { type: "minor" }) => void;
    answer = (request, response) => {
      request.resume().on("end", () => response.end("{}"));
    };
    create();
    const posts = 200;
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < posts; i += 1) {
      await post.post("{}", "t");
      // What others put into the piece of memory that small Buffers share: one of them that stays keeps it whole.
      for (let bytes = 0; bytes < Buffer.poolSize; bytes += 1024) Buffer.allocUnsafe(1024);
      collect({ type: "minor" });
    }
    const keptBytes = process.memoryUsage().arrayBuffers - before;
    assert.ok(keptBytes < (posts * Buffer.poolSize) / 4, `${posts} posts keep ${keptBytes} bytes`);
  });
});
