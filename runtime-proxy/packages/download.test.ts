import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { lookup } from "node:dns";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { routes } from "../../crds/wire/routes.ts";
import { downloadPackage, greetStore } from "./download.ts";
import { KnownHosts } from "./known-hosts.ts";

const content = Buffer.from("a package");
const digest = `sha256:${createHash("sha256").update(content).digest("hex")}`;
const { signal } = new AbortController();
const readToken = () => Promise.resolve("token\n");

describe("greeting of the package store", () => {
  const folder = mkdtempSync(join(tmpdir(), "greeting-"));
  let store: Server;
  let port: number;
  let seen: string[];
  let lookups: number;
  let hosts: KnownHosts;

  beforeEach(async () => {
    seen = [];
    lookups = 0;
    hosts = new KnownHosts(((_name: string, _options: object, callback: (...answer: unknown[]) => void) => {
      lookups += 1;
      callback(null, [{ address: "127.0.0.1", family: 4 }]);
    }) as unknown as typeof lookup);
    store = createServer(({ method, url, headers }, response) => {
      seen.push(`${method} ${headers.authorization}`);
      if (url === routes.object(digest)) response.end(content);
      else response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => store.listen(0, "127.0.0.1", resolve));
    ({ port } = store.address() as AddressInfo);
  });
  afterEach(() => {
    store.closeAllConnections();
    store.close();
  });
  after(() => rmSync(folder, { recursive: true }));

  it("shows the token, and leaves nothing to look up for what is wanted then", async () => {
    const cacheUrl = `http://cache.test:${port}`;
    const at = { baseUrl: "http://store.test:1", cacheUrl, readToken, signal, hosts };
    await greetStore(at);
    assert.deepEqual(seen, ["GET Bearer token"]);
    const path = join(folder, "package");
    const brought = await downloadPackage({ ...at, digest, path, limitBytes: 1000 });
    assert.deepEqual(brought, { bytes: content.length, from: "cache" });
    assert.deepEqual(readFileSync(path), content);
    assert.equal(lookups, 1);
  });

  it("is no failure when nobody answers, and a host that did not is looked up again", async () => {
    const at = { baseUrl: `http://store.test:${port}`, readToken, signal, hosts };
    await greetStore({ ...at, baseUrl: "http://store.test:1" });
    await greetStore(at);
    assert.equal(seen.length, 1);
    assert.equal(lookups, 2);
  });
});
