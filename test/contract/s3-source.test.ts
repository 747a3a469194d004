/** Objects of a real S3-compatible server, read by the package store (public ones) and by `fetch` (with a tenant's keys). */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FetchDocument, FetchOutcome } from "../../crds/wire/fetch.ts";
import { routes } from "../../crds/wire/routes.ts";
import type { ResolveAnswer, S3Source } from "../../crds/wire/packages.ts";
import { fetchPackage } from "../../runtime-proxy/fetch-package.ts";
import { createS3Fetcher } from "../../runtime-proxy/packages/fetch-s3.ts";
import { createAddressRules } from "../../runtime-proxy/packages/address-rules.ts";
import { StagedFile } from "../../runtime-proxy/packages/staged-file.ts";
import { operatorToken, startTestStore, type TestStore } from "../kit/package-store-server.ts";
import { s3Domain, startS3Server, type S3Server } from "../kit/s3-server.ts";
import { zipBytes } from "../kit/zip-bytes.ts";

const zip = (content: string): Buffer => zipBytes([{ name: "index.mjs", content }]);
const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");
const first = zip("export const handler = async () => 1;");
const second = zip("export const handler = async () => 2;");

describe("objects of an S3-compatible server", () => {
  let server: S3Server;
  let store: TestStore;
  let directory: string;

  before(async function () {
    this.timeout(600_000);
    server = await startS3Server({ progress: (line) => process.stderr.write(`    ${line}\n`) });
    store = await startTestStore();
    directory = await mkdtemp(join(tmpdir(), "s3-source-"));
    await server.makeBucket("public", { isPublic: true });
    await server.makeBucket("private");
    await server.makeBucket("versioned", { isVersioned: true });
    for (const bucket of ["public", "private"]) await server.put(bucket, "code.zip", first);
  });
  after(async () => {
    await store.stop();
    await server.stop();
    await rm(directory, { recursive: true });
  });

  function sourceOf(bucket: string, key = "code.zip", more: Partial<S3Source> = {}): S3Source {
    return { type: "s3", endpoint: server.endpoint, region: server.region, addressing: "path", bucket, key, ...more };
  }

  async function resolve(source: S3Source, known?: FetchDocument["known"]): Promise<ResolveAnswer> {
    const body = { namespace: "team-a", use: "code", source, known };
    const response = await store.request(routes.resolve, { token: operatorToken, method: "POST", body });
    return (await response.json()) as ResolveAnswer;
  }

  interface Given {
    readonly keys?: Partial<Record<"AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" | "AWS_SESSION_TOKEN", string>>;
    readonly known?: FetchDocument["known"];
    readonly token?: string;
  }

  async function fetchAs(source: FetchDocument["source"], { keys, known, token }: Given = {}): Promise<FetchOutcome> {
    const { accessKeyId, secretAccessKey } = server.credentials;
    return await fetchPackage({
      document: {
        source,
        network: { allowedCIDRs: ["127.0.0.1/32"], deniedCIDRs: [] },
        secret: "bucket-keys",
        ...(known !== undefined && { known }),
      },
      secrets: keys ?? { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: `${secretAccessKey}\n` },
      packagesUrl: store.url,
      readToken: () => Promise.resolve(token ?? "team-a/default"),
      directory: await mkdtemp(join(directory, "fetch-")),
      firstWaitMs: 1,
    });
  }

  function errorOf(outcome: FetchOutcome | ResolveAnswer): { code: string; message: string } {
    assert.ok(!outcome.ok, `want an error, got ${JSON.stringify(outcome)}`);
    return outcome.error;
  }

  it("are read by the store when everybody may, and by nobody else without keys", async () => {
    const answer = await resolve(sourceOf("public"));
    assert.ok(answer.ok, JSON.stringify(answer));
    assert.equal(answer.package.digest, `sha256:${sha256(first)}`);
    const { code, message } = errorOf(await resolve(sourceOf("private")));
    assert.equal(code, "SourceForbidden");
    assert.match(
      message,
      /^Cannot fetch "s3:\/\/private\/code\.zip": it answered 403 AccessDenied .*; name a Secret in s3Access\.secretRef$/,
    );
  });

  it("are brought to the namespace's own store content with its keys", async () => {
    await server.put("private", "own.zip", second);
    const outcome = await fetchAs(sourceOf("private", "own.zip"));
    assert.ok(outcome.ok, JSON.stringify(outcome));
    assert.equal(outcome.digest, `sha256:${sha256(second)}`);
    const path = routes.object(outcome.digest);
    const own = await store.request(path, { token: "team-a/default" });
    assert.deepEqual(Buffer.from(await own.arrayBuffer()), second);
    assert.equal((await store.request(path, { token: "team-b/default" })).status, 404);
  });

  const keys = ["a b/c+d.zip", "ü/日本.zip", "a%2Fb.zip", "a=b&c?d#e.zip", "(x)'y'!*~.zip", "plain"];
  for (const key of keys) {
    it(`are found by their key: ${key}`, async () => {
      await server.put("private", key, first);
      const outcome = await fetchAs(sourceOf("private", key));
      assert.ok(outcome.ok, JSON.stringify(outcome));
      assert.equal(outcome.digest, `sha256:${sha256(first)}`);
    });
  }

  it("are found by the bucket's own host", async () => {
    const into = await StagedFile.create(join(directory, "by-host"));
    const port = new URL(server.endpoint).port;
    const fetchS3 = createS3Fetcher({
      rules: createAddressRules({ allowedCIDRs: ["127.0.0.1"], deniedCIDRs: [] }),
      resolveHost: (name) => {
        assert.equal(name, `private.${s3Domain}`);
        return Promise.resolve([{ address: "127.0.0.1", family: 4 }]);
      },
    });
    const source = sourceOf("private", "code.zip", { endpoint: `http://${s3Domain}:${port}`, addressing: "host" });
    const fetched = await fetchS3({ source, into, credentials: server.credentials });
    assert.equal(fetched.type, "fetched");
    assert.equal(into.digest(), `sha256:${sha256(first)}`);
    await into.discard();
  });

  it("are the version that is named, also after others", async () => {
    const version = await server.put("versioned", "code.zip", first);
    await server.put("versioned", "code.zip", second);
    const digestOf = (outcome: FetchOutcome): string => (outcome.ok ? outcome.digest : JSON.stringify(outcome));
    assert.notEqual(version, "");
    assert.equal(digestOf(await fetchAs(sourceOf("versioned"))), `sha256:${sha256(second)}`);
    assert.equal(digestOf(await fetchAs(sourceOf("versioned", "code.zip", { version }))), `sha256:${sha256(first)}`);
    await server.remove("versioned", "code.zip");
    assert.equal(digestOf(await fetchAs(sourceOf("versioned", "code.zip", { version }))), `sha256:${sha256(first)}`);
    assert.equal(errorOf(await fetchAs(sourceOf("versioned"))).code, "SourceNotFound");
  });

  it("are not read again while they are what is known, and are when they change", async () => {
    await server.put("public", "moving.zip", first);
    const before = await resolve(sourceOf("public", "moving.zip"));
    assert.ok(before.ok && before.package.revision !== undefined, JSON.stringify(before));
    const { digest, revision } = before.package;
    assert.deepEqual(await resolve(sourceOf("public", "moving.zip"), { digest, revision }), before);
    assert.deepEqual(await fetchAs(sourceOf("public", "moving.zip"), { known: { digest, revision } }), {
      ok: true,
      digest,
      revision,
    });
    await server.put("public", "moving.zip", second);
    const after = await resolve(sourceOf("public", "moving.zip"), { digest, revision });
    assert.ok(after.ok, JSON.stringify(after));
    assert.equal(after.package.digest, `sha256:${sha256(second)}`);
    assert.notEqual(after.package.revision, revision);
  });

  it("are read again when the namespace lost what is known", async () => {
    const known = { digest: `sha256:${"0".repeat(64)}`, revision: '"x"' };
    const answer = await resolve(sourceOf("public"), known);
    assert.ok(answer.ok && answer.package.digest === `sha256:${sha256(first)}`, JSON.stringify(answer));
  });

  interface Refusal {
    readonly source: () => FetchDocument["source"];
    readonly given?: Given;
    readonly code: string;
    readonly says: RegExp;
  }
  const root = { AWS_ACCESS_KEY_ID: "tester", AWS_SECRET_ACCESS_KEY: "secret/of+tester" };
  const refusals: Record<string, Refusal> = {
    "a wrong secret key": {
      source: () => sourceOf("private"),
      given: { keys: { ...root, AWS_SECRET_ACCESS_KEY: "wrong" } },
      ...{
        code: "SourceForbidden",
        says: /403 SignatureDoesNotMatch .*let the credentials of s3Access\.secretRef read it$/,
      },
    },
    "an unknown access key": {
      source: () => sourceOf("private"),
      given: { keys: { ...root, AWS_ACCESS_KEY_ID: "nobody" } },
      ...{ code: "SourceForbidden", says: /access key ID.*let the credentials of s3Access\.secretRef read it$/ },
    },
    "no Secret": {
      source: () => sourceOf("private"),
      given: { keys: {} },
      ...{
        code: "SecretNotFound",
        says: /^Cannot use Secret "bucket-keys" or its key "AWS_ACCESS_KEY_ID": it is not there, or empty; waiting for it$/,
      },
    },
    "half a Secret": {
      source: () => sourceOf("private"),
      given: { keys: { AWS_ACCESS_KEY_ID: "tester" } },
      ...{ code: "SecretNotFound", says: /"AWS_SECRET_ACCESS_KEY"/ },
    },
    "a key that is not there": {
      source: () => sourceOf("private", "absent.zip"),
      ...{ code: "SourceNotFound", says: /^Cannot fetch "s3:\/\/private\/absent\.zip": it answered 404 NoSuchKey/ },
    },
    "a bucket that is not there": {
      source: () => sourceOf("absent-bucket"),
      ...{ code: "SourceNotFound", says: /404 NoSuchBucket/ },
    },
    "a version that is none": {
      source: () => sourceOf("versioned", "code.zip", { version: "no-version" }),
      ...{ code: "SourceRefused", says: /400 InvalidArgument/ },
    },
    "a wrong region": {
      source: () => sourceOf("private", "code.zip", { region: "us-east-1" }),
      ...{ code: "SourceRefused", says: /400 AuthorizationHeaderMalformed .*; set s3Access\.region to "eu-test-1"$/ },
    },
    "another digest": {
      source: () => sourceOf("private", "code.zip", { sha256: "0".repeat(64) }),
      ...{ code: "DigestMismatch", says: new RegExp(`its sha256 is ${sha256(first)}, want 0{64}$`) },
    },
    "a key that no url can name": {
      source: () => sourceOf("private", "a/../code.zip"),
      ...{ code: "SourceRefused", says: /no url can name a key/ },
    },
    "an address that is closed": {
      source: () => sourceOf("private", "code.zip", { endpoint: "http://169.254.169.254" }),
      ...{
        code: "SourceRefused",
        says: /it is a link-local address; the chart value "packages\.urls\.allowedCIDRs" can allow it$/,
      },
    },
    "an object that is no zip": {
      source: () => sourceOf("private", "text.zip"),
      ...{ code: "InvalidArchive", says: /./ },
    },
    "a token that the store does not know": {
      source: () => sourceOf("private"),
      given: { token: "unknown" },
      ...{ code: "FetchFailed", says: /the package store answered 401/ },
    },
  };
  for (const [what, { source, given, code, says }] of Object.entries(refusals)) {
    it(`are refused with a reason: ${what}`, async () => {
      await server.put("private", "text.zip", Buffer.from("no zip"));
      const error = errorOf(await fetchAs(source(), given));
      assert.match(error.message, says);
      assert.equal(error.code, code);
    });
  }
});
