import assert from "node:assert/strict";
import type { Code } from "../crds/v1alpha1/code.ts";
import { decideSource, type S3Defaults } from "./package-source.ts";

const aws: S3Defaults = { endpoint: "", region: "eu-west-1" };
const minio: S3Defaults = { endpoint: "https://minio.test:9000", region: "home", addressing: "host" };
const object = { s3Bucket: "bucket", s3Key: "a.zip" };

describe("source of a spec", () => {
  it("is an artifact of a registry, or what was pushed, as the spec says it", () => {
    const oci = { reference: "ghcr.io/team/app@sha256:1", path: "/opt" };
    assert.deepEqual(decideSource("code", { oci, sha256: "x" }, undefined, { s3: aws }), {
      type: "source",
      source: { type: "oci", ...oci, architecture: "x86_64", sha256: "x" },
    });
    const digest = `sha256:${"0".repeat(64)}`;
    const pushed = decideSource("code", { digest }, undefined, { s3: aws });
    assert.deepEqual(pushed, { type: "source", source: { type: "digest", digest } });
  });

  const cases: Record<string, { code: Code; preset?: S3Defaults; want: object }> = {
    "is AWS' own bucket when nothing else is said": {
      code: object,
      want: { endpoint: "https://s3.eu-west-1.amazonaws.com", region: "eu-west-1", addressing: "host" },
    },
    "names a bucket with dots in the path, for no certificate has it as a host": {
      code: { ...object, s3Bucket: "a.bucket" },
      want: { bucket: "a.bucket", addressing: "path" },
    },
    "is in another partition of AWS": {
      code: { ...object, s3Access: { region: "cn-north-1" } },
      want: { endpoint: "https://s3.cn-north-1.amazonaws.com.cn", region: "cn-north-1", addressing: "host" },
    },
    "is the installation's service": {
      code: object,
      preset: minio,
      want: { endpoint: "https://minio.test:9000", region: "home", addressing: "host" },
    },
    "is a service of its own, by path as most want it": {
      code: { ...object, s3Access: { endpoint: "http://other.test/" } },
      preset: minio,
      want: { endpoint: "http://other.test", region: "home", addressing: "path" },
    },
    "is all that the spec says": {
      code: {
        ...{ ...object, s3ObjectVersion: "7", sha256: "0".repeat(64) },
        s3Access: { endpoint: "https://o.test", region: "r", addressing: "host" },
      },
      preset: minio,
      want: {
        ...{ endpoint: "https://o.test", region: "r", addressing: "host", version: "7" },
        sha256: "0".repeat(64),
      },
    },
  };
  for (const [what, { code, preset = aws, want }] of Object.entries(cases)) {
    it(what, () => {
      const decided = decideSource("code", code, undefined, { s3: preset });
      assert.ok(decided.type === "source");
      assert.deepEqual(decided.source, { bucket: "bucket", key: "a.zip", ...decided.source, ...want });
      assert.equal(decided.secret, undefined);
    });
  }

  it("takes a Secret for a bucket and for a url, and is looked at again where the spec says", () => {
    const bucket = { ...object, s3Access: { secretRef: { name: "keys" } }, recheckSeconds: 60 };
    const decided = decideSource("code", bucket, undefined, { s3: aws });
    assert.ok(decided.type === "source");
    assert.deepEqual([decided.secret, decided.recheckMs], [{ type: "s3", name: "keys" }, 60_000]);
    const artifact = { oci: { reference: "ghcr.io/team/app:1", pullSecret: { name: "pull" } }, recheckSeconds: 30 };
    const pulled = decideSource("content", artifact, undefined, { s3: aws, architecture: "arm64" });
    assert.deepEqual(pulled, {
      type: "source",
      source: { type: "oci", reference: "ghcr.io/team/app:1", architecture: "arm64" },
      ...{ secret: { type: "oci", name: "pull" }, recheckMs: 30_000 },
    });
    const url = { url: "https://a.test/a.zip", sha256: "x", urlSecretRef: { name: "token", key: "header" } };
    const { secret, recheckMs } = { recheckMs: undefined, ...decideSource("code", url, undefined, { s3: aws }) } as {
      secret?: object;
      recheckMs?: number | undefined;
    };
    assert.deepEqual([secret, recheckMs], [{ type: "url", name: "token", key: "header" }, undefined]);
  });
});
