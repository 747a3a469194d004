/** Which calls a router may send again: those that the agent provably never had whole. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { systemClock } from "../../lib/clock.ts";
import { AgentConnections } from "../../runtime-proxy/environments/agent-connections.ts";
import { MemoryBudget } from "../../runtime-proxy/memory-budget.ts";

describe("a router's connection to an agent", () => {
  let server: Server;
  let agents: AgentConnections;
  let sockets: Socket[];
  let heard: number;

  beforeEach(async () => {
    [sockets, heard] = [[], 0];
    server = createServer((incoming, response) => {
      heard += 1;
      incoming.resume().on("end", () => response.end("{}"));
    });
    server.on("connection", (socket: Socket) => sockets.push(socket));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const answerMemory = new MemoryBudget({ limitBytes: 1e9, maxWaiting: 0, waitMs: 1000, clock: systemClock });
    agents = new AgentConnections({ authorize: () => "Bearer x", clock: systemClock, dialMs: 1000, answerMemory });
  });
  afterEach(() => {
    agents.close();
    server.closeAllConnections();
    server.close();
  });

  async function call(event: Uint8Array = Buffer.from("{}")): Promise<string> {
    const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const sent = { requestId: "r", account: "default", headerLines: "", grant: "1.1.1", event, timeoutMs: 5000 };
    return (await agents.invoke("pod", address, sent)).kind;
  }

  it("that was reset before a call went out has taken nothing, so the call may go elsewhere", async () => {
    for (const event of [Buffer.from("{}"), Buffer.alloc(4_000_000)]) {
      assert.equal(await call(), "answered");
      const before = heard;
      // The kernel knows it at once, the router when it next looks: the call comes in between.
      sockets.at(-1)?.resetAndDestroy();
      assert.equal(await call(event), "unreachable");
      assert.equal(heard, before);
    }
    assert.equal(await call(), "answered");
  });

  it("that is reset before all of a call has gone out has not taken it whole, so the call may go elsewhere", async () => {
    server.removeAllListeners("request");
    server.on("request", (incoming) => incoming.socket.pause());
    const calling = call(Buffer.alloc(64 * 1024 * 1024));
    const [incoming] = (await once(server, "request")) as [{ readonly socket: Socket }];
    incoming.socket.resetAndDestroy();
    assert.equal(await calling, "unreachable");
  });

  it("that is reset after all of a large call has gone out may have had it", async () => {
    server.removeAllListeners("request");
    server.on("request", (incoming) => incoming.resume().on("end", () => incoming.socket.resetAndDestroy()));
    assert.equal(await call(Buffer.alloc(4_000_000)), "cut");
  });

  it("that breaks after a call went out may have had it: the call ends", async () => {
    assert.equal(await call(), "answered");
    server.removeAllListeners("request");
    server.on("request", (incoming) => incoming.socket.resetAndDestroy());
    assert.equal(await call(), "cut");
    // Closed in order, and not seen yet: what is written then is thrown away, and nothing tells that from an agent that died with it.
    server.removeAllListeners("request");
    server.on("request", (incoming, response) => incoming.resume().on("end", () => response.end("{}")));
    assert.equal(await call(), "answered");
    sockets.at(-1)?.destroy();
    assert.equal(await call(), "cut");
  });
});
