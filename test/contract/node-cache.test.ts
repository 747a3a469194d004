import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { open, readdir, rm } from "node:fs/promises";
import type { RequestListener, ServerResponse } from "node:http";
import { join } from "node:path";
import { routes } from "../../crds/wire/routes.ts";
import { ContentCache } from "../../runtime-proxy/packages/content-cache.ts";
import { NodeCache } from "../../runtime-proxy/packages/node-cache.ts";
import { HttpObjectSource } from "../../runtime-proxy/packages/object-source.ts";
import { openVolumeStore } from "../../runtime-proxy/packages/volume-store.ts";
import { readMetric, startTestCache, type TestCache } from "../kit/node-cache-server.ts";
import { operatorToken, startTestStore, type TestStore } from "../kit/package-store-server.ts";
import { startScriptedServer, type ScriptedServer } from "../kit/scripted-server.ts";
import { zipBytes } from "../kit/zip-bytes.ts";
import { describePackageReader } from "./package-reader-suite.ts";

const reader = "team-a/default";

function someZip(bytes: number): Buffer {
  return zipBytes([{ name: "a", content: randomBytes(bytes), method: 0 }]);
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

async function bodyOf(response: Response): Promise<Buffer> {
  return Buffer.from(await response.arrayBuffer());
}

describePackageReader("node cache before a store", async () => {
  const origin = await startTestStore();
  // What the store's process serves, by a second one on the same directory: the suite's content is no zip.
  const store = await openVolumeStore({ directory: join(origin.directory, "beside") });
  const server = await startScriptedServer((request, response) => void serveFrom(request.url ?? "", response));
  async function serveFrom(path: string, response: ServerResponse): Promise<void> {
    const digest = `sha256:${path.split("/").at(-1)}`;
    const facts = await store.find(digest);
    if (facts === undefined) return void response.writeHead(404).end();
    response.writeHead(200, { "content-length": facts.zippedBytes });
    (await store.read(digest))?.pipe(response);
  }
  const directory = join(origin.directory, "cache");
  const content = await ContentCache.open({ directory, limitBytes: 10_000_000 });
  const source = new HttpObjectSource({ url: server.url, signal: new AbortController().signal });
  const cache = new NodeCache({ content, source, onFetched: () => undefined, onDamaged: () => undefined });
  const readerOfSuite = cache.readerFor("Bearer x");
  return {
    reader: readerOfSuite,
    async put(bytes) {
      const staged = await store.stage();
      await staged.write(bytes);
      return (await store.commit(staged, { unzippedBytes: 1, extensions: [] })).digest;
    },
    async damage(digest) {
      await (await readerOfSuite.read(digest))?.toArray();
      const file = await open(join(directory, "content", `${digest.slice(7)}.zip`), "r+");
      await file.write("X", 500_000);
      await file.close();
    },
    async lose() {
      await store.collect(new Map(), 0, Date.now() + 3_600_000);
      for (const file of await readdir(join(directory, "content"))) await rm(join(directory, "content", file));
    },
    afterDamage: "whole",
    async remove() {
      await source.close();
      await server.stop();
      await origin.stop();
    },
  };
});

describe("node cache", () => {
  let store: TestStore;
  let cache: TestCache;
  beforeEach(async () => {
    store = await startTestStore();
    cache = await startTestCache(store.url, 250_000);
  });
  afterEach(async () => {
    await cache.stop();
    await store.stop();
  });

  const resolve = (zip: Buffer): Promise<string> => store.resolve({ type: "zip", base64: zip.toString("base64") });
  const fetched = (): Promise<number> => readMetric(store.healthUrl, "kubelambda_packages_served_bytes_total");

  it("has the store serve each byte once, whoever asks at the same time or later, also after a restart", async () => {
    const zip = someZip(100_000);
    const digest = await resolve(zip);
    const answers = await Promise.all(Array.from({ length: 20 }, () => cache.get(digest, reader)));
    for (const answer of answers) assert.deepEqual(await bodyOf(answer), zip);
    await cache.restart();
    assert.deepEqual(await bodyOf(await cache.get(digest, reader)), zip);
    assert.equal(await fetched(), zip.length);
    assert.equal(await cache.metric("kubelambda_cache_kept_bytes"), zip.length);
  });

  it("answers as the store does: whole, a part, and no such part", async () => {
    const digest = await resolve(someZip(100_000));
    for (const range of [undefined, "bytes=3-9", "bytes=50000-", "bytes=9999999-"]) {
      const headers = range === undefined ? {} : { range };
      const [ours, its] = [
        await cache.get(digest, reader, headers),
        await store.request(routes.object(digest), { token: reader, headers }),
      ];
      assert.equal(ours.status, its.status);
      for (const name of ["etag", "content-length", "content-range", "content-type", "accept-ranges"])
        assert.equal(ours.headers.get(name), its.headers.get(name), name);
      assert.deepEqual(await bodyOf(ours), await bodyOf(its));
    }
  });

  it("gives nobody what the store would not, though it has it", async () => {
    const zip = someZip(1000);
    const digest = await resolve(zip);
    assert.deepEqual(await bodyOf(await cache.get(digest, reader)), zip);
    const other = await cache.get(digest, "team-b/default");
    assert.equal(other.status, 404);
    assert.match(await other.text(), /"PackageNotFound".*the store has none for this token/);
    assert.equal((await cache.get(digest)).status, 401);
    assert.equal((await cache.get(digest, "nonsense")).status, 401);
  });

  it("gives no longer what the store has taken from a namespace", async () => {
    const digest = await resolve(someZip(1000));
    assert.equal((await cache.get(digest, reader)).status, 200);
    store.advance(3_601_000);
    await store.request(routes.references, { token: operatorToken, method: "PUT", body: { references: {} } });
    assert.equal((await cache.get(digest, reader)).status, 404);
  });

  it("serves objects alone: nothing is resolved, uploaded or referred to through it", async () => {
    for (const path of [routes.resolve, routes.packages, routes.references]) {
      const response = await fetch(`${cache.url}${path}`, {
        method: "POST",
        headers: { authorization: `Bearer ${operatorToken}` },
      });
      assert.equal(response.status, 404, path);
    }
    const put = await fetch(`${cache.url}${routes.object(digestOf(Buffer.from("")))}`, { method: "PUT" });
    assert.equal(put.status, 405);
  });

  it("lets go of what was not used for longest, and stays within its bound", async () => {
    const zips = [1, 2, 3].map(() => someZip(100_000));
    const [first, second, third] = await Promise.all(zips.map(resolve));
    assert.ok(first !== undefined && second !== undefined && third !== undefined);
    for (const digest of [first, second, first, third]) await bodyOf(await cache.get(digest, reader));
    assert.deepEqual(
      (await readdir(join(cache.directory, "content"))).sort(),
      [first, third].map((digest) => `${digest.slice(7)}.zip`).sort(),
    );
    assert.equal(await cache.metric("kubelambda_cache_evicted_total"), 1);
    const before = await fetched();
    await bodyOf(await cache.get(first, reader));
    assert.equal(await fetched(), before);
    await bodyOf(await cache.get(second, reader));
    assert.equal(await fetched(), before + zips[1]!.length);
  });

  it("sends to the store whoever wants what does not fit", async () => {
    const digest = await resolve(someZip(300_000));
    const response = await cache.get(digest, reader);
    assert.equal(response.status, 503);
    assert.match(await response.text(), /its 3\d+ bytes do not fit/);
    assert.deepEqual(await readdir(join(cache.directory, "content")), []);
  });

  describe("before a store that fails", () => {
    const zip = someZip(200_000);
    const digest = digestOf(zip);
    const length = { "content-length": zip.length };
    /** The store's side: what HEAD asks is always answered well. */
    const behind =
      (get: RequestListener): RequestListener =>
      (request, response) =>
        request.method === "HEAD" ? void response.writeHead(200, length).end() : get(request, response);
    const whole: RequestListener = (_request, response) => void response.writeHead(200, length).end(zip);
    let origin: ScriptedServer;
    let scripted: TestCache;
    async function start(...gets: readonly RequestListener[]): Promise<void> {
      let get = 0;
      origin = await startScriptedServer((request, response) => {
        const step = gets[Math.min(get, gets.length - 1)] ?? whole;
        if (request.method !== "HEAD") get++;
        behind(step)(request, response);
      });
      scripted = await startTestCache(origin.url);
    }
    afterEach(async () => {
      await scripted.stop();
      await origin.stop();
    });

    const failures: Record<string, RequestListener> = {
      "half a body": (_request, response) => {
        response.writeHead(200, length);
        response.write(zip.subarray(0, 100_000), () => setImmediate(() => response.destroy()));
      },
      "other bytes": (_request, response) => void response.writeHead(200, length).end(someZip(200_000)),
    };
    for (const [what, failing] of Object.entries(failures)) {
      it(`cuts off what came as ${what}, keeps nothing of it, and fetches it again for the next one`, async () => {
        await start(failing, whole);
        await assert.rejects(scripted.get(digest, reader).then(bodyOf));
        for (const name of ["content", "staging"]) assert.deepEqual(await readdir(join(scripted.directory, name)), []);
        assert.deepEqual(await bodyOf(await scripted.get(digest, reader)), zip);
      });
    }

    it("takes no more and no less than the store said", async () => {
      await start((_request, response) => void response.writeHead(200, { "content-length": 7 }).end("another"));
      assert.equal((await scripted.get(digest, reader)).status, 503);
    });

    for (const status of [500, 503, 429]) {
      it(`says 503 when the store says ${status}`, async () => {
        await start((_request, response) => void response.writeHead(status).end());
        assert.equal((await scripted.get(digest, reader)).status, 503);
      });
    }

    it("says 503 when nobody is there", async () => {
      await start(whole);
      await origin.stop();
      const response = await scripted.get(digest, reader);
      assert.equal(response.status, 503);
      assert.match(await response.text(), /the package store|Cannot ask/);
    });

    it("passes on what has come while the rest is on its way", async () => {
      let sendRest = (): void => undefined;
      await start((_request, response) => {
        response.writeHead(200, length).write(zip.subarray(0, 150_000));
        sendRest = () => void response.end(zip.subarray(150_000));
      });
      const [first, late] = await Promise.all([scripted.get(digest, reader), scripted.get(digest, reader)]);
      let bytes = 0;
      // Its last piece is held back until the whole was compared.
      for await (const chunk of (first.body ?? []) as AsyncIterable<Uint8Array>) {
        bytes += chunk.length;
        sendRest();
        sendRest = () => undefined;
      }
      assert.equal(bytes, zip.length);
      assert.deepEqual(await bodyOf(late), zip);
      assert.equal(origin.requests.filter(({ method }) => method === "GET").length, 1);
    });
  });
});
