import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { PackageErrorCode, ResolveRequest } from "../crds/wire/packages.ts";
import { routes } from "../crds/wire/routes.ts";
import {
  operatorToken,
  startTestStore,
  type RequestOptions,
  type TestStore,
} from "../test/kit/package-store-server.ts";
import { startScriptedServer } from "../test/kit/scripted-server.ts";
import { zipBytes } from "../test/kit/zip-bytes.ts";
import { packagesConfigSchema } from "./packages.ts";

type Source = ResolveRequest["source"];

const zip = zipBytes([{ name: "index.mjs", content: "export const handler = 1;" }]);
const zipSource: Source = { type: "zip", base64: zip.toString("base64") };
const hex = createHash("sha256").update(zip).digest("hex");
const digest = `sha256:${hex}`;
const object = routes.object(digest);
const reader = "team-a/default";

describe("package store process", () => {
  let kit: TestStore;
  beforeEach(async () => void (kit = await startTestStore()));
  afterEach(async () => await kit.stop());

  async function damage(): Promise<void> {
    const file = await open(join(kit.directory, "objects", hex.slice(0, 2), `${hex}.zip`), "r+");
    await file.write("X", 5);
    await file.close();
  }

  describe("resolve", () => {
    it("turns a zip into digest, CodeSha256 and sizes, again and again", async () => {
      const want = {
        digest,
        codeSHA256: Buffer.from(hex, "hex").toString("base64"),
        zippedBytes: zip.length,
        unzippedBytes: 25,
        extensions: [],
      };
      for (const namespace of ["team-a", "team-a", "team-b"]) {
        assert.deepEqual(await kit.answer(zipSource, namespace), { ok: true, package: want });
      }
    });

    it("gives text and binary files of the same content the same digest", async () => {
      const text = await kit.resolve({ type: "files", files: { a: "x", "b/c": "y" } });
      const base64 = { "b/c": Buffer.from("y").toString("base64"), a: Buffer.from("x").toString("base64") };
      assert.equal(await kit.resolve({ type: "binaryFiles", files: base64 }), text);
    });

    interface Refusal {
      readonly source: Source;
      readonly code: PackageErrorCode;
      readonly message: RegExp;
      readonly entry?: string;
    }
    const refusals: Record<string, Refusal> = {
      "a broken zip": {
        source: { type: "zip", base64: Buffer.from("no zip").toString("base64") },
        code: "InvalidArchive",
        message: /^Could not unzip uploaded file\. Please check your file, then try to upload again\./,
      },
      "a zip that is not base64": {
        source: { type: "zip", base64: "%%%" },
        code: "InvalidArchive",
        message: /not base64/,
      },
      "packages 4: an unsafe entry": {
        source: { type: "zip", base64: zipBytes([{ name: "../x" }]).toString("base64") },
        code: "UnsafeArchiveEntry",
        message: /"\.\.\/x"/,
        entry: "../x",
      },
      "a zip past the limit of direct uploads": {
        source: { type: "zip", base64: Buffer.alloc(52_428_801).toString("base64") },
        code: "CodeTooLarge",
        message: /^Zipped size must be smaller than 52428800 bytes$/,
      },
      "a binary file that is not base64": {
        source: { type: "binaryFiles", files: { a: "%" } },
        code: "InvalidArchive",
        message: /file "a".*not base64/,
        entry: "a",
      },
      "a digest that nobody pushed": {
        source: { type: "digest", digest },
        code: "PackageNotFound",
        message: /namespace "team-a" has no such package; push it there/,
      },
      "a sha256 that is none": {
        source: { type: "url", url: "http://127.0.0.1:1/", sha256: "abc" },
        code: "SourceRefused",
        message: /"abc": neither 64 hex digits nor the base64 of 32 bytes/,
      },
      "a url to where it may not go": {
        source: { type: "url", url: "http://169.254.169.254/", sha256: hex },
        code: "SourceRefused",
        message: /link-local.*packages\.urls\.allowedCIDRs/,
      },
    };
    for (const [what, { source, code, message, entry }] of Object.entries(refusals)) {
      it(`refuses ${what}`, async () => {
        const answer = await kit.answer(source);
        assert.ok(!answer.ok);
        assert.match(answer.error.message, message);
        assert.equal(answer.error.code, code);
        assert.equal(answer.error.entry, entry);
      });
    }

    it("names the files that run as extensions, also when it knows the content already", async () => {
      const files = { "extensions/b.sh": "#!/bin/sh", "extensions/a": "#!/bin/sh", "extensions/lib/c": "", a: "" };
      const resolved = [await kit.answer({ type: "files", files }), await kit.answer({ type: "files", files })];
      const names = resolved.map((answer) => (answer.ok ? answer.package.extensions : answer.error));
      assert.deepEqual(names, [
        ["a", "b.sh"],
        ["a", "b.sh"],
      ]);
    });

    it("gives a namespace what another has and lets it use, and says which has it not", async () => {
      await kit.resolve(zipSource, "team-a");
      assert.equal(await kit.resolve({ type: "digest", digest, of: "team-a" }, "team-b"), digest);
      assert.equal((await kit.request(object, { token: "team-b/default" })).status, 200);
      const answer = await kit.answer({ type: "digest", digest, of: "team-c" }, "team-d");
      assert.ok(!answer.ok);
      assert.match(answer.error.message, /namespace "team-c" has no such package/);
    });

    it("takes a digest in the namespace that has it and in no other", async () => {
      await kit.resolve(zipSource, "team-a");
      assert.equal(await kit.resolve({ type: "digest", digest }, "team-a"), digest);
      const answer = await kit.answer({ type: "digest", digest }, "team-b");
      assert.ok(!answer.ok);
      assert.equal(answer.error.code, "PackageNotFound");
    });

    it("fetches a url once: requests that meet share it, later ones find it", async () => {
      const server = await startScriptedServer((_request, response) => void setTimeout(() => response.end(zip), 50));
      const forms = [hex, Buffer.from(hex, "hex").toString("base64"), digest, hex.toUpperCase()];
      const source = (sha256: string): Source => ({ type: "url", url: `${server.url}/a.zip`, sha256 });
      await Promise.all([kit.resolve(source(hex)), kit.resolve(source(hex)), kit.resolve(source(hex), "team-b")]);
      for (const sha256 of forms) assert.equal(await kit.resolve(source(sha256)), digest);
      assert.equal(server.requests.length, 1);
      assert.equal((await kit.request(object, { token: "team-b/default" })).status, 200);
      await server.stop();
    });

    it("fetches for a namespace that has it not, though another has", async () => {
      const server = await startScriptedServer((_request, response) => void response.end(zip));
      const source: Source = { type: "url", url: server.url, sha256: hex };
      await kit.resolve(source, "team-a");
      await kit.resolve(source, "team-b");
      assert.equal(server.requests.length, 2);
      await server.stop();
    });

    it("fetches again what was damaged", async () => {
      const server = await startScriptedServer((_request, response) => void response.end(zip));
      const source: Source = { type: "url", url: server.url, sha256: hex };
      await kit.resolve(source);
      await damage();
      await kit.resolve(source);
      assert.equal(server.requests.length, 2);
      const response = await kit.request(object, { token: reader });
      assert.deepEqual(Buffer.from(await response.arrayBuffer()), zip);
      await server.stop();
    });

    it("fetches at most so many at once", async () => {
      let now = 0;
      let most = 0;
      const server = await startScriptedServer((_request, response) => {
        most = Math.max(most, ++now);
        setTimeout(() => response.end(zip, () => now--), 20);
      });
      const urls = Array.from({ length: 9 }, (_, n) => `${server.url}/${n}`);
      await Promise.all(urls.map((url) => kit.resolve({ type: "url", url, sha256: hex })));
      assert.equal(server.requests.length, 9);
      assert.equal(most, 4);
      await server.stop();
    });
  });

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
      await damage();
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
      assert.deepEqual(await (await put({ "team-a": [other] })).json(), { removed: 0, removedBytes: 0, kept: 2 });
      kit.advance(2000);
      assert.deepEqual(await (await put({ "team-a": [other] })).json(), {
        removed: 1,
        removedBytes: zip.length,
        kept: 1,
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

  interface Refused {
    readonly path: string;
    readonly options: RequestOptions;
    readonly status: number;
    readonly code: string;
    readonly message: RegExp;
  }
  const request = { namespace: "team-a", use: "code", source: zipSource };
  const refused: Record<string, Refused> = {
    "no token": { path: object, options: {}, status: 401, code: "Unauthorized", message: /no bearer token/ },
    "resolving as anybody": {
      path: routes.resolve,
      options: { token: reader, method: "POST", body: request },
      status: 403,
      code: "Forbidden",
      message: /as service account "team-a\/default": only "kubelambda\/operator" may/,
    },
    "resolving as the operator of another namespace": {
      path: routes.resolve,
      options: { token: "team-a/operator", method: "POST", body: request },
      status: 403,
      code: "Forbidden",
      message: /"team-a\/operator"/,
    },
    "references from anybody": {
      path: routes.references,
      options: { token: reader, method: "PUT", body: { references: {} } },
      status: 403,
      code: "Forbidden",
      message: /only "kubelambda\/operator" may/,
    },
    "an object of another namespace": {
      path: object,
      options: { token: "team-b/default" },
      status: 404,
      code: "PackageNotFound",
      message: /namespace "team-b" has no such package/,
    },
    "a digest that is none": {
      path: "/v1/objects/sha256/abc",
      options: { token: reader },
      status: 404,
      code: "NotFound",
      message: /no such path/,
    },
    "a path out of the store": {
      path: "/v1/objects/sha256/%2e%2e%2fx",
      options: { token: reader },
      status: 404,
      code: "NotFound",
      message: /no such path/,
    },
    "another method": {
      path: routes.resolve,
      options: { token: operatorToken },
      status: 405,
      code: "MethodNotAllowed",
      message: /only POST/,
    },
    "a body that is no JSON": {
      path: routes.resolve,
      options: { token: operatorToken, method: "POST", body: "{" },
      status: 400,
      code: "BadRequest",
      message: /not JSON/,
    },
    "a source of no known type": {
      path: routes.resolve,
      options: { token: operatorToken, method: "POST", body: { ...request, source: { type: "ftp" } } },
      status: 400,
      code: "BadRequest",
      message: /Cannot read the request/,
    },
    "a body past its bound": {
      path: routes.resolve,
      options: { token: operatorToken, method: "POST", body: "x".repeat(70_400_001) },
      status: 413,
      code: "BodyTooLarge",
      message: /longer than 70400000 bytes/,
    },
  };
  for (const [what, { path, options, status, code, message }] of Object.entries(refused)) {
    it(`refuses ${what}`, async () => {
      await kit.resolve(zipSource);
      const response = await kit.request(path, options);
      assert.equal(response.status, status);
      const body = (await response.json()) as { readonly code: string; readonly message: string };
      assert.equal(body.code, code);
      assert.match(body.message, message);
    });
  }

  it("lets the operator read everything", async () => {
    await kit.resolve(zipSource);
    assert.equal((await kit.request(object, { token: operatorToken })).status, 200);
  });

  it("tells its health and what it measured", async () => {
    await kit.resolve(zipSource);
    for (const path of ["/healthz", "/readyz"]) assert.equal((await fetch(`${kit.healthUrl}${path}`)).status, 200);
    const metrics = await (await fetch(`${kit.healthUrl}/metrics`)).text();
    assert.match(metrics, /kubelambda_packages_resolve_seconds_count\{source="zip",result="ok"\} 1/);
    assert.equal((await fetch(`${kit.healthUrl}/other`)).status, 404);
  });

  it("names the environment variable that is wrong", () => {
    const env = { KUBELAMBDA_PACKAGES_DIRECTORY: "/x", KUBELAMBDA_OPERATOR_SERVICE_ACCOUNT: "operator" };
    assert.throws(() => packagesConfigSchema.parse(env), /KUBELAMBDA_OPERATOR_SERVICE_ACCOUNT|want namespace\/name/);
  });
});
