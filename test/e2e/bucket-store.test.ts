import assert from "node:assert/strict";
import { S3ObjectBucket } from "../../runtime-proxy/packages/s3-bucket.ts";
import { waitUntil } from "../cluster/wait-until.ts";
import { startS3Server, type S3Server } from "../kit/s3-server.ts";
import { zipBytes } from "../kit/zip-bytes.ts";
import { installNamespace, progress } from "./fixture.ts";
import { hostAddress } from "./host-address.ts";
import { nodeFunction, Space } from "./space.ts";

describe("package store in a bucket", () => {
  let space: Space;
  let server: S3Server;
  before(async function () {
    this.timeout(600_000);
    space = await Space.open("e2e-bucket-store");
    server = await startS3Server({ host: hostAddress(space), progress });
    await server.makeBucket("packages");
    await server.makeBucket("private");
    const { accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY } = server.credentials;
    const secret = {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "bucket-keys" },
      stringData: { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY },
    };
    await space.apply(secret);
    await space.system.kubectl(["--namespace", installNamespace, "apply", "-f", "-"], {
      input: JSON.stringify(secret),
    });
    const { packages } = space.system.values as { readonly packages: object };
    const { endpoint, region } = server;
    const bucket = { name: "packages", endpoint, region, prefix: "kubelambda/", secretName: "bucket-keys" };
    await space.system.install({ packages: { ...packages, store: "s3", replicas: 2, bucket } });
    // While it is on its way out the volume's process still answers, and what it is told is not in the bucket.
    await gone("pod/kubelambda-packages-0");
    const rollout = ["rollout", "status", "deployment/kubelambda-packages", "--timeout=60s"];
    await space.system.kubectl(["-n", installNamespace, ...rollout], { timeoutMs: 70_000 });
  });
  after(async function () {
    this.timeout(240_000);
    await space.close();
    await space.system.install();
    await gone("pods", "-l", "app.kubernetes.io/component=packages,pod-template-hash");
    await space.system.kubectl(["--namespace", installNamespace, "delete", "secret", "bucket-keys"]);
    await server.stop();
  });

  async function gone(...which: readonly string[]): Promise<void> {
    const wait = ["-n", installNamespace, "wait", "--for=delete", ...which, "--timeout=60s"];
    await space.system.kubectl(wait, { timeoutMs: 70_000 });
  }

  it("keeps code that functions run, under its digest", async () => {
    await space.serve("inline", nodeFunction('export const handler = async () => "inline";'));
    assert.equal(await space.call("inline", {}), "inline");
    const { status } = await space.getFunction("inline");
    const at = { endpoint: server.endpoint, region: server.region, addressing: "path", bucket: "packages" } as const;
    const bucket = new S3ObjectBucket({ at, credentials: server.credentials, prefix: "kubelambda/" });
    const hex = status?.codeDigest?.slice("sha256:".length) ?? "";
    assert.deepEqual(
      (await bucket.list(`objects/${hex}`)).map(({ key }) => key),
      [`objects/${hex}.json`, `objects/${hex}.zip`],
    );
    assert.equal((await bucket.list(`grants/${hex}/`)).length, 1);
    await bucket.close();
  });

  it("takes what a pod with the namespace's Secret sends", async () => {
    const zip = zipBytes([{ name: "index.mjs", content: 'export const handler = async () => "private";' }]);
    await server.put("private", "code.zip", zip);
    const s3Access = { endpoint: server.endpoint, region: server.region, secretRef: { name: "bucket-keys" } };
    const code = { s3Bucket: "private", s3Key: "code.zip", s3Access };
    await space.serve("private", { ...nodeFunction(""), code });
    assert.equal(await space.call("private", {}), "private");
  });

  it("serves every environment while its processes go one after another", async () => {
    // Of the Deployment: that of the volume may be on its way out yet.
    const selector = "app.kubernetes.io/component=packages,pod-template-hash";
    const names = await waitUntil({ what: "there are two processes", timeoutMs: 60_000, everyMs: 500 }, async () => {
      const found = await space.system.kubectl(["-n", installNamespace, "get", "pods", "-l", selector, "-o", "name"]);
      const each = found.split("\n").filter((line) => line !== "");
      return each.length === 2 ? each : undefined;
    });
    for (const name of names) {
      await space.system.kubectl(["-n", installNamespace, "delete", name, "--wait=false"]);
      await space.kubectl("delete", "pods", "-l", "kubelambda.dev/component=environment", "--wait=true");
      assert.equal(await space.call("inline", {}), "inline");
      assert.equal(await space.call("private", {}), "private");
      const rollout = ["rollout", "status", "deployment/kubelambda-packages", "--timeout=60s"];
      await space.system.kubectl(["-n", installNamespace, ...rollout], { timeoutMs: 70_000 });
    }
  });
});
