import assert from "node:assert/strict";
import { createServer } from "node:net";
import { freePorts } from "./free-ports.ts";

describe("freePorts", () => {
  it("gives different ports, each of which can be listened on", async () => {
    const ports = await freePorts(50);
    assert.equal(new Set(ports).size, 50);
    const servers = await Promise.all(
      ports.map(async (port) => {
        const server = createServer();
        await new Promise<void>((resolve, reject) => {
          server.once("error", reject);
          server.listen(port, "127.0.0.1", resolve);
        });
        return server;
      }),
    );
    for (const server of servers) server.close();
  });
});
