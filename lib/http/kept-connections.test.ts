import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, it } from "mocha";
import { request } from "undici";
import { KeptConnections } from "./kept-connections.ts";

describe("KeptConnections", () => {
  let server: Server;
  let url: string;
  let held: (() => void)[];
  const connections = new KeptConnections({ connections: 1 });

  beforeEach(async () => {
    held = [];
    server = createServer(({ url: path, socket }, response) => {
      const answer = (): void => void response.end(String(socket.remotePort));
      if (path === "/held") held.push(answer);
      else answer();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(async () => {
    await connections.destroy();
    server.close();
  });

  /** Port of the client's end. */
  async function ask(path = "/"): Promise<string> {
    const { body } = await request(`${url}${path}`, { dispatcher: connections.dispatcher });
    return await body.text();
  }

  it("are kept until they are given up; what runs on one ends there", async () => {
    const first = await ask();
    assert.equal(await ask(), first);
    const running = ask("/held");
    while (held.length === 0) await new Promise((resolve) => setImmediate(resolve));
    connections.renew();
    const next = await ask();
    assert.notEqual(next, first);
    assert.equal(await ask(), next);
    held[0]?.();
    assert.equal(await running, first);
  });
});
