import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openBucketStore } from "../../runtime-proxy/packages/bucket-store.ts";
import { S3ObjectBucket } from "../../runtime-proxy/packages/s3-bucket.ts";
import type { PackageStore } from "../../runtime-proxy/packages/store.ts";
import { startS3Server, type S3Server } from "../kit/s3-server.ts";
import { describePackageStore } from "./package-store-suite.ts";

let server: S3Server;

describe("package stores in a bucket of a real service", () => {
  before(async function () {
    this.timeout(600_000);
    server = await startS3Server();
    await server.makeBucket("packages");
  });
  after(() => server.stop());

  it("list more than one page, and what is looked for alone", async () => {
    const at = { endpoint: server.endpoint, region: server.region, addressing: "path", bucket: "packages" } as const;
    const bucket = new S3ObjectBucket({ at, credentials: server.credentials, prefix: "pages/" });
    const content = { bytes: 0, sha256: createHash("sha256").digest("hex"), open: () => Buffer.alloc(0) };
    const names = Array.from({ length: 1010 }, (_, index) => `a/${String(index).padStart(4, "0")}`);
    await Promise.all([...names, "b/&<>"].map((key) => bucket.put(key, content)));
    assert.deepEqual(
      (await bucket.list("a/")).map(({ key }) => key),
      names,
    );
    assert.deepEqual(
      (await bucket.list("a/", 2)).map(({ key }) => key),
      names.slice(0, 2),
    );
    assert.deepEqual(
      (await bucket.list("b/")).map(({ key, bytes }) => [key, bytes]),
      [["b/&<>", 0]],
    );
    assert.deepEqual(await bucket.list("c/"), []);
    await bucket.close();
  }).timeout(60_000);

  it("say which bucket refuses what", async () => {
    const at = { endpoint: server.endpoint, region: server.region, addressing: "path", bucket: "packages" } as const;
    const bucket = new S3ObjectBucket({ at, credentials: { ...server.credentials, secretAccessKey: "x" }, prefix: "" });
    await assert.rejects(
      bucket.list("a/"),
      /^BucketError: Cannot list "a\/" in bucket "packages": it answered 403 SignatureDoesNotMatch/,
    );
    const wrong = { bytes: 1, sha256: "0".repeat(64), open: () => Buffer.from("a") };
    const right = new S3ObjectBucket({ at, credentials: server.credentials, prefix: "", firstWaitMs: 1 });
    await assert.rejects(right.put("wrong", wrong), /Cannot write "wrong" in bucket "packages": it answered 400/);
    assert.equal(await right.get("wrong"), undefined);
    await Promise.all([bucket.close(), right.close()]);
  });

  describePackageStore("bucket", async () => {
    const directory = await mkdtemp(join(tmpdir(), "bucket-store-"));
    const at = { endpoint: server.endpoint, region: server.region, addressing: "path", bucket: "packages" } as const;
    const bucket = new S3ObjectBucket({ at, credentials: server.credentials, prefix: `${randomUUID()}/` });
    let opened = 0;
    const open = (): Promise<PackageStore> =>
      openBucketStore({
        bucket,
        directory: join(directory, `replica-${++opened}`),
        cacheBytes: 10_000_000,
        elapsedMs: () => performance.now(),
        id: "bucket",
      });
    return {
      store: await open(),
      reopen: open,
      async damage(digest) {
        const key = `objects/${digest.slice("sha256:".length)}.zip`;
        const bytes = Buffer.concat((await (await bucket.get(key))?.toArray()) as Buffer[]);
        bytes[500_000] = "X".charCodeAt(0);
        const sha256 = createHash("sha256").update(bytes).digest("hex");
        await bucket.put(key, { bytes: bytes.length, sha256, open: () => bytes });
        // Every process's own copy is gone, as after a restart.
        for (let replica = 1; replica <= opened; replica++) {
          const content = join(directory, `replica-${replica}`, "content");
          await rm(join(content, `${digest.slice("sha256:".length)}.zip`), { force: true });
        }
      },
      async remove() {
        await bucket.close();
        await rm(directory, { recursive: true, force: true });
      },
    };
  });
});
