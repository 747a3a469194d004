import assert from "node:assert/strict";
import type { PackageErrorCode, ResolveRequest } from "../crds/wire/packages.ts";
import { startTestStore, type TestStore } from "../test/kit/package-store-server.ts";
import { startScriptedServer } from "../test/kit/scripted-server.ts";
import { damage, digest, hex, object, reader, zip, zipSource } from "../test/kit/small-package.ts";
import { zipBytes } from "../test/kit/zip-bytes.ts";

type Source = ResolveRequest["source"];

describe("resolving by the package store", () => {
  let kit: TestStore;
  beforeEach(async () => void (kit = await startTestStore()));
  afterEach(async () => await kit.stop());

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
    await damage(kit.directory);
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
