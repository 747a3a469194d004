import assert from "node:assert/strict";
import { routes } from "../crds/wire/routes.ts";
import { operatorToken, startTestStore, type TestStore } from "../test/kit/package-store-server.ts";
import { damage, digest, object, reader, zip, zipSource } from "../test/kit/small-package.ts";

describe("package store", () => {
  let kit: TestStore;
  beforeEach(async () => void (kit = await startTestStore()));
  afterEach(async () => await kit.stop());

  describe("objects", () => {
    beforeEach(async () => {
      await kit.resolve(zipSource);
    });

    it("are served whole with length, tag and digest", async () => {
      const response = await kit.request(object, { token: reader });
      assert.equal(response.status, 200);
      assert.equal(response.headers.get("etag"), `"${digest}"`);
      assert.equal(response.headers.get("content-length"), String(zip.length));
      assert.equal(response.headers.get("accept-ranges"), "bytes");
      assert.deepEqual(Buffer.from(await response.arrayBuffer()), zip);
    });

    it("tell their length to HEAD without content", async () => {
      const response = await kit.request(object, { token: reader, method: "HEAD" });
      assert.equal(response.status, 200);
      assert.equal(response.headers.get("content-length"), String(zip.length));
      assert.equal((await response.arrayBuffer()).byteLength, 0);
    });

    const ranges: Record<
      string,
      { headers: Record<string, string>; status: number; range: string | null; want?: Buffer }
    > = {
      "a part": {
        headers: { range: "bytes=3-9" },
        status: 206,
        range: `bytes 3-9/${zip.length}`,
        want: zip.subarray(3, 10),
      },
      "a part of the same content": {
        headers: { range: "bytes=3-9", "if-range": `"${digest}"` },
        status: 206,
        range: `bytes 3-9/${zip.length}`,
        want: zip.subarray(3, 10),
      },
      "the whole when the content is another": {
        headers: { range: "bytes=3-9", "if-range": '"other"' },
        status: 200,
        range: null,
        want: zip,
      },
      "416 behind the end": { headers: { range: "bytes=9999-" }, status: 416, range: `bytes */${zip.length}` },
    };
    for (const [what, { headers, status, range, want }] of Object.entries(ranges)) {
      it(`answer a Range with ${what}`, async () => {
        const response = await kit.request(object, { token: reader, headers });
        assert.equal(response.status, status);
        assert.equal(response.headers.get("content-range"), range);
        const body = Buffer.from(await response.arrayBuffer());
        if (want !== undefined) assert.deepEqual(body, want);
      });
    }

    it("that are damaged are cut off, then missing", async () => {
      await damage(kit.directory);
      await assert.rejects(kit.request(object, { token: reader }).then((response) => response.arrayBuffer()));
      assert.equal((await kit.request(object, { token: reader })).status, 404);
    });
  });

  describe("references", () => {
    const put = (references: Record<string, string[]>): Promise<Response> =>
      kit.request(routes.references, { token: operatorToken, method: "PUT", body: { references } });

    it("keep what is named, and after the grace nothing else", async () => {
      await kit.resolve(zipSource);
      const other = await kit.resolve({ type: "files", files: { a: "x" } });
      kit.advance(3_599_000);
      assert.deepEqual(await (await put({ "team-a": [other] })).json(), {
        removed: 0,
        removedBytes: 0,
        kept: 2,
        missing: {},
      });
      kit.advance(2000);
      assert.deepEqual(await (await put({ "team-a": [other] })).json(), {
        removed: 1,
        removedBytes: zip.length,
        kept: 1,
        missing: {},
      });
      assert.equal((await kit.request(object, { token: reader })).status, 404);
      assert.equal((await kit.request(routes.object(other), { token: reader })).status, 200);
    });

    it("are refused when they are not what they should be", async () => {
      const response = await kit.request(routes.references, {
        token: operatorToken,
        method: "PUT",
        body: { references: [] },
      });
      assert.equal(response.status, 400);
    });
  });
});
