import assert from "node:assert/strict";
import { API_VERSION } from "../../crds/names.ts";
import type { FunctionSpecInput } from "../../crds/v1alpha1/function.ts";
import { waitUntil } from "../cluster/wait-until.ts";
import { startS3Server, type S3Server } from "../kit/s3-server.ts";
import { zipBytes } from "../kit/zip-bytes.ts";
import { progress } from "./fixture.ts";
import { hostAddress } from "./host-address.ts";
import { nodeFunction, Space } from "./space.ts";

const zip = (source: string): Buffer => zipBytes([{ name: "index.mjs", content: source }]);
const answering = (text: string): Buffer => zip(`export const handler = async () => ${JSON.stringify(text)};`);

describe("sources in buckets", () => {
  let space: Space;
  let server: S3Server;
  before(async function () {
    this.timeout(600_000);
    space = await Space.open("e2e-sources");
    server = await startS3Server({ host: hostAddress(space), progress });
    await server.makeBucket("public", { isPublic: true });
    await server.makeBucket("private", { isVersioned: true });
    await applySecret("bucket-keys", server.credentials);
  });
  after(async () => {
    await space.close();
    await server.stop();
  });

  async function applySecret(name: string, keys: { accessKeyId: string; secretAccessKey: string }): Promise<void> {
    const stringData = { AWS_ACCESS_KEY_ID: keys.accessKeyId, AWS_SECRET_ACCESS_KEY: keys.secretAccessKey };
    await space.apply({ apiVersion: "v1", kind: "Secret", metadata: { name }, stringData });
  }

  function inBucket(s3Bucket: string, s3Key: string, secret?: string, more: object = {}): FunctionSpecInput {
    const secretRef = secret === undefined ? {} : { secretRef: { name: secret } };
    const s3Access = { endpoint: server.endpoint, region: server.region, ...secretRef };
    return { ...nodeFunction(""), code: { s3Bucket, s3Key, s3Access, ...more } };
  }

  async function fetchPods(): Promise<string> {
    return await space.kubectl("get", "pods", "-l", "kubelambda.dev/component=fetch", "-o", "name");
  }

  it("serve a public object", async () => {
    await server.put("public", "code.zip", answering("public"));
    await space.serve("public", inBucket("public", "code.zip"));
    assert.equal(await space.call("public", {}), "public");
  });

  it("serve a private object, read with the namespace's Secret by a pod that goes again", async () => {
    const version = await server.put("private", "own.zip", answering("private"));
    await server.put("private", "own.zip", answering("newer"));
    await space.serve("private", inBucket("private", "own.zip", "bucket-keys", { s3ObjectVersion: version }));
    assert.equal(await space.call("private", {}), "private");
    await waitUntil({ what: "the pod that fetched is gone", timeoutMs: 30_000, everyMs: 250 }, async () => {
      assert.equal(await fetchPods(), "");
      return true;
    });
  });

  it("serve a private layer", async () => {
    await server.put("private", "layer.zip", zipBytes([{ name: "words/hello.txt", content: "from the layer" }]));
    const content = inBucket("private", "layer.zip", "bucket-keys").code;
    await space.apply({ apiVersion: API_VERSION, kind: "Layer", metadata: { name: "words" }, spec: { content } });
    const source = `import { readFileSync } from "node:fs"; export const handler = async () => readFileSync("/opt/words/hello.txt", "utf8");`;
    await space.serve("layered", nodeFunction(source, { layers: ["words"] }));
    assert.equal(await space.call("layered", {}), "from the layer");
  });

  it("wait for a Secret that comes later", async () => {
    await server.put("private", "late.zip", answering("late"));
    await space.applyFunction("late", inBucket("private", "late.zip", "late-keys"));
    const told = await space.waitCondition("late", "CodeResolved", ({ reason }) => reason === "SecretNotFound");
    assert.match(told.message, /^Cannot use Secret "late-keys" or its key "AWS_ACCESS_KEY_ID"/);
    await applySecret("late-keys", server.credentials);
    await space.waitReady("late");
    assert.equal(await space.call("late", {}), "late");
  });

  it("say what the service says of wrong keys", async () => {
    await applySecret("wrong-keys", { ...server.credentials, secretAccessKey: "wrong" });
    await space.applyFunction("wrong", inBucket("private", "own.zip", "wrong-keys"));
    const told = await space.waitCondition("wrong", "CodeResolved", ({ reason }) => reason === "SourceForbidden");
    assert.match(told.message, /^Cannot fetch "s3:\/\/private\/own\.zip": it answered 403 SignatureDoesNotMatch/);
    await space.kubectl("delete", "fn", "wrong");
  });

  it("are looked at again where the spec says so, and a change is told", async () => {
    await server.put("private", "moving.zip", answering("before"));
    await space.serve("moving", inBucket("private", "moving.zip", "bucket-keys", { recheckSeconds: 30 }));
    assert.equal(await space.call("moving", {}), "before");
    const before = await space.getFunction("moving");
    await server.put("private", "moving.zip", answering("after"));
    await waitUntil({ what: "the other bytes answer", timeoutMs: 90_000, everyMs: 1000 }, async () => {
      assert.equal(await space.call("moving", {}), "after");
      return true;
    });
    const events = await space.kubectl(
      "get",
      "events",
      "-o",
      "jsonpath={.items[?(@.reason=='SourceChanged')].message}",
    );
    assert.match(
      events,
      new RegExp(`The source has other code now: "${before.status?.codeDigest ?? "none"}" became "sha256:`),
    );
    await server.remove("private", "moving.zip");
    const told = await space.waitCondition("moving", "SourceCurrent", ({ status }) => status === "Unknown", 90_000);
    assert.equal(told.reason, "SourceNotFound");
    assert.equal(await space.call("moving", {}), "after");
  });

  it("are needed no more once they are read: a new environment starts without the service", async () => {
    await server.stop();
    await space.kubectl("delete", "pods", "-l", "kubelambda.dev/component=environment", "--wait=true");
    assert.equal(await space.call("private", {}), "private");
    assert.equal(await space.call("layered", {}), "from the layer");
  });
});
