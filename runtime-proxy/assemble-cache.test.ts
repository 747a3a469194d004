import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import type { RequestListener } from "node:http";
import { createServer } from "node:net";
import { join } from "node:path";
import { readMetric, startTestCache } from "../test/kit/node-cache-server.ts";
import { startTestStore, type TestStore } from "../test/kit/package-store-server.ts";
import { startScriptedServer } from "../test/kit/scripted-server.ts";
import { zipBytes } from "../test/kit/zip-bytes.ts";
import { assemble } from "./assemble.ts";

const zip = zipBytes([{ name: "a", content: Buffer.from("content ".repeat(20_000)), method: 0 }]);

describe("assemble with a cache on the node", () => {
  let store: TestStore;
  let digest: string;
  beforeEach(async () => {
    store = await startTestStore();
    digest = await store.resolve({ type: "zip", base64: zip.toString("base64") });
  });
  afterEach(() => store.stop());

  const served = (): Promise<number> => readMetric(store.healthUrl, "kubelambda_packages_served_bytes_total");
  async function run(cacheUrl: string): Promise<readonly string[]> {
    const { packages } = await assemble({ ...(await store.assembleOptions({ code: digest, layers: [] })), cacheUrl });
    assert.equal((await readFile(join(store.taskDirectory, "a"))).length, 160_000);
    return packages.map(({ from }) => from);
  }

  it("reads nothing from the store for the second environment of a node", async () => {
    const cache = await startTestCache(store.url);
    assert.deepEqual(await run(cache.url), ["cache"]);
    assert.equal(await served(), zip.length);
    assert.deepEqual(await run(cache.url), ["cache"]);
    assert.equal(await served(), zip.length);
    await cache.stop();
  });

  it("goes to the store when nobody listens", async () => {
    assert.deepEqual(await run("http://127.0.0.1:1"), ["store"]);
  });

  it("goes to the store when the cache's name leads nowhere", async () => {
    assert.deepEqual(await run("http://cache.invalid:8200"), ["store"]);
  });

  const half: RequestListener = (_request, response) => {
    response.writeHead(200, { "content-length": zip.length });
    response.write(zip.subarray(0, 100_000), () => setTimeout(() => response.destroy(), 50));
  };
  const faults: Record<string, RequestListener> = {
    "does not know the token": (_request, response) => void response.writeHead(401).end("{}"),
    "says it has none": (_request, response) => void response.writeHead(404).end('{"message":"none"}'),
    "is full": (_request, response) => void response.writeHead(503).end("{}"),
    "breaks off at half": half,
    "gives other bytes": (_request, response) => void response.end(zip.subarray(1)),
    "never ends": (_request, response) => void response.end(Buffer.concat([zip, zip])),
    "closes the connection": (request) => void request.socket.destroy(),
  };
  for (const [what, fault] of Object.entries(faults)) {
    it(`goes to the store when the cache ${what}, and asks it once`, async () => {
      const cache = await startScriptedServer(fault);
      assert.deepEqual(await run(cache.url), ["store"]);
      assert.equal(cache.requests.length, 1);
      await cache.stop();
    });
  }

  it("goes on where the cache broke off", async () => {
    const cache = await startScriptedServer(half);
    assert.deepEqual(await run(cache.url), ["store"]);
    assert.ok((await served()) <= zip.length - 50_000, `${await served()} of ${zip.length} bytes`);
    await cache.stop();
  });

  it("goes to the store when the cache says nothing", async () => {
    const silent = createServer(() => undefined);
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const { port } = silent.address() as { readonly port: number };
    assert.deepEqual(await run(`http://127.0.0.1:${port}`), ["store"]);
    silent.close();
  }).timeout(20_000);

  it("tells in the store's words what neither has", async () => {
    const cache = await startTestCache(store.url);
    const options = await store.assembleOptions({ code: `sha256:${"0".repeat(64)}`, layers: [] });
    await assert.rejects(assemble({ ...options, cacheUrl: cache.url }), /namespace "team-a" has no such package$/);
    await cache.stop();
  });
});
