import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import type { RequestListener } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startScriptedServer, type ScriptedServer } from "../../test/kit/scripted-server.ts";
import { createAddressRules } from "./address-rules.ts";
import type { FetcherOptions } from "./fetch-bytes.ts";
import { createS3Fetcher } from "./fetch-s3.ts";
import { PackageError } from "./package-error.ts";
import { objectUrl } from "./s3-request.ts";
import { StagedFile } from "./staged-file.ts";

const content = Buffer.from("content of an object ".repeat(20_000));
const digest = `sha256:${createHash("sha256").update(content).digest("hex")}`;
const readWithinMs = 500;

const whole: RequestListener = (_request, response) =>
  void response.writeHead(200, { "content-length": content.length, etag: '"v1"' }).end(content);
const half: RequestListener = (_request, response) => {
  response.writeHead(200, { "content-length": content.length, etag: '"v1"' });
  // A client that hears of the break before it has read drops what it was sent: it gets the time to read on a busy machine.
  response.write(content.subarray(0, 100_000), () => setTimeout(() => response.destroy(), readWithinMs));
};
const rest: RequestListener = (request, response) => {
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1]);
  response.writeHead(206, { "content-range": `bytes ${from}-${content.length - 1}/${content.length}` });
  response.end(content.subarray(from));
};
const refusal =
  (status: number, code: string, headers: Readonly<Record<string, string>> = {}): RequestListener =>
  (_request, response) =>
    void response
      .writeHead(status, headers)
      .end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>Why &amp; how</Message></Error>`);
const endless: RequestListener = (_request, response) => {
  response.writeHead(200, { etag: '"v1"' });
  const more = (): void => {
    while (response.write(Buffer.alloc(65_536)));
  };
  response.on("drain", more);
  more();
};

describe("fetching an object", () => {
  let directory: string;
  let into: StagedFile;
  let server: ScriptedServer | undefined;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "fetch-s3-"));
    into = await StagedFile.create(join(directory, "staged"));
  });
  afterEach(async () => {
    await server?.stop();
    await into.discard();
    await rm(directory, { recursive: true });
  });

  async function fetchS3(steps: readonly RequestListener[], options: Partial<FetcherOptions> = {}): Promise<void> {
    server = await startScriptedServer(...steps);
    const rules = createAddressRules({ allowedCIDRs: ["127.0.0.1"], deniedCIDRs: [] });
    const source = { type: "s3", endpoint: server.url, region: "r-1", bucket: "bucket", key: "a.zip" } as const;
    const credentials = { accessKeyId: "id", secretAccessKey: "secret", sessionToken: "session" };
    await createS3Fetcher({ rules, firstWaitMs: 1, ...options })({
      source: { ...source, addressing: "path" },
      into,
      credentials,
    });
  }

  it("says who asks for what", async () => {
    await fetchS3([whole]);
    const [request] = server?.requests ?? [];
    assert.equal(request?.url, "/bucket/a.zip");
    const { authorization = "", "x-amz-security-token": token } = request.headers;
    assert.match(
      authorization,
      /^AWS4-HMAC-SHA256 Credential=id\/\d{8}\/r-1\/s3\/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token, Signature=[0-9a-f]{64}$/,
    );
    assert.equal(token, "session");
  });

  const recoveries: Record<string, { steps: readonly RequestListener[]; sent: readonly (string | undefined)[] }> = {
    "a body that breaks off goes on where it broke": {
      steps: [half, rest],
      sent: [undefined, 'bytes=100000- if "v1"'],
    },
    "an object that changed meanwhile is read from its start": {
      steps: [half, refusal(412, "PreconditionFailed"), whole],
      sent: [undefined, 'bytes=100000- if "v1"', undefined],
    },
    "a service that is too busy is asked again": {
      steps: [refusal(503, "SlowDown"), refusal(500, "InternalError"), whole],
      sent: [undefined, undefined, undefined],
    },
  };
  for (const [what, { steps, sent }] of Object.entries(recoveries)) {
    it(what, async () => {
      await fetchS3(steps);
      assert.equal(into.digest(), digest);
      assert.deepEqual(await readFile(into.path), content);
      const seen = (server?.requests ?? []).map(({ headers }) =>
        headers.range === undefined ? undefined : `${headers.range} if ${headers["if-match"] ?? ""}`,
      );
      assert.deepEqual(seen, sent);
    });
  }

  interface Failing {
    readonly steps: readonly RequestListener[];
    readonly code: PackageError["code"];
    readonly says: RegExp;
    readonly requests: number;
  }
  const failings: Record<string, Failing> = {
    "a service that stays busy": {
      steps: [refusal(503, "SlowDown")],
      ...{ code: "SourceUnreachable", says: /it answered 503 SlowDown "Why & how"$/, requests: 5 },
    },
    "an object that never ends": {
      steps: [endless],
      ...{ code: "CodeTooLarge", says: /longer than 1000000 bytes$/, requests: 1 },
    },
    "no right": {
      steps: [refusal(403, "AccessDenied")],
      ...{ code: "SourceForbidden", says: /403 AccessDenied "Why & how"; let the credentials/, requests: 1 },
    },
    "expired keys": {
      steps: [refusal(400, "ExpiredToken")],
      ...{ code: "SourceForbidden", says: /400 ExpiredToken/, requests: 1 },
    },
    "no object": {
      steps: [refusal(404, "NoSuchKey")],
      ...{ code: "SourceNotFound", says: /404 NoSuchKey/, requests: 1 },
    },
    "a bucket elsewhere": {
      steps: [refusal(301, "PermanentRedirect", { "x-amz-bucket-region": "eu-west-3", location: "http://evil.test/" })],
      ...{ code: "SourceRefused", says: /301 PermanentRedirect .*set s3Access\.region to "eu-west-3"$/, requests: 1 },
    },
    "an answer without a word": {
      steps: [(_request, response) => void response.writeHead(418).end()],
      ...{ code: "SourceRefused", says: /^Cannot fetch "s3:\/\/bucket\/a\.zip": it answered 418$/, requests: 1 },
    },
  };
  for (const [what, { steps, code, says, requests }] of Object.entries(failings)) {
    it(`fails with a reason: ${what}`, async () => {
      const error: unknown = await fetchS3(steps, { limitBytes: 1_000_000 }).catch((reason: unknown) => reason);
      assert.ok(error instanceof PackageError, String(error));
      assert.match(error.message, says);
      assert.deepEqual([error.code, server?.requests.length], [code, requests]);
    });
  }

  const urls: Record<string, [{ addressing: "path" | "host"; endpoint?: string }, string | undefined, string]> = {
    "the bucket itself": [{ addressing: "path" }, undefined, "https://s3.test/bucket"],
    "a key": [{ addressing: "path" }, "a/b c.zip", "https://s3.test/bucket/a/b%20c.zip"],
    "a key by host": [{ addressing: "host" }, "a/b+c.zip", "https://bucket.s3.test/a/b%2Bc.zip"],
    "a port": [{ addressing: "host", endpoint: "http://s3.test:9000" }, "k", "http://bucket.s3.test:9000/k"],
    "a key that begins with a slash": [{ addressing: "host" }, "/k", "https://bucket.s3.test//k"],
    "an address": [{ addressing: "path", endpoint: "http://[fd00::1]:9000" }, "k", "http://[fd00::1]:9000/bucket/k"],
  };
  for (const [what, [{ addressing, endpoint = "https://s3.test" }, key, want]] of Object.entries(urls)) {
    it(`names ${what}`, () => {
      assert.equal(objectUrl({ endpoint, region: "r", addressing, bucket: "bucket" }, key, {}).href, want);
    });
  }
});
