/** Sources in buckets: the operator, the package store, `fetch` and the S3-compatible server are real; the kubelet is scripted. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { API_VERSION } from "../../crds/names.ts";
import type { FunctionSpecInput } from "../../crds/v1alpha1/function.ts";
import { fetchDocumentSchema, fetchVariables } from "../../crds/wire/fetch.ts";
import { layerKind, type LayerObject } from "../../crds/v1alpha1/layer.ts";
import { kinds } from "../../lib/kubernetes/kinds.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";
import type { Pod } from "../../operator/pod.ts";
import { fetchPackage } from "../../runtime-proxy/fetch-package.ts";
import { OperatorWorld } from "../kit/operator-world.ts";
import { startS3Server, type S3Server } from "../kit/s3-server.ts";
import { zipBytes } from "../kit/zip-bytes.ts";

const zip = (content: string): Buffer => zipBytes([{ name: "index.mjs", content }]);
const digestOf = (bytes: Buffer): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
const first = zip("export const handler = async () => 1;");
const second = zip("export const handler = async () => 2;");

describe("sources in buckets, as the operator sees them", () => {
  let world: OperatorWorld;
  let server: S3Server;
  let directory: string;
  let namespace: string;
  const env = (): Record<string, string> => ({
    KUBELAMBDA_URL_ALLOWED_CIDRS: "127.0.0.1/32",
    KUBELAMBDA_S3_ENDPOINT: server.endpoint,
    KUBELAMBDA_S3_REGION: server.region,
  });

  before(async function () {
    this.timeout(600_000);
    server = await startS3Server();
    world = await OperatorWorld.start();
    directory = await mkdtemp(join(tmpdir(), "operator-sources-"));
    await server.makeBucket("public", { isPublic: true });
    await server.makeBucket("private");
    await server.put("public", "code.zip", first);
    await server.put("private", "code.zip", first);
  });
  after(async () => {
    await world.stop();
    await server.stop();
    await rm(directory, { recursive: true });
  });
  beforeEach(async () => {
    namespace = await world.makeNamespace();
  });

  const privateCode: FunctionSpecInput["code"] = {
    s3Bucket: "private",
    s3Key: "code.zip",
    s3Access: { secretRef: { name: "bucket-keys" } },
  };

  /** What the container does, with the Secret's keys. */
  async function fetchIn(pod: Stored<Pod>): Promise<string> {
    const { accessKeyId, secretAccessKey } = server.credentials;
    const given = pod.spec.containers[0]?.env?.find(({ name }) => name === fetchVariables.document)?.value;
    const document = fetchDocumentSchema.parse(JSON.parse(given ?? ""));
    const outcome = await fetchPackage({
      document,
      secrets: { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey },
      packagesUrl: world.store.url,
      readToken: () => Promise.resolve(`${namespace}/default`),
      directory: await mkdtemp(join(directory, "pod-")),
    });
    return JSON.stringify(outcome);
  }

  async function withOperator(step: () => Promise<void>, more: Record<string, string> = {}): Promise<void> {
    const operator = await world.startOperator({ ...env(), ...more });
    try {
      await step();
    } finally {
      await world.stopOperator(operator);
    }
  }

  const ready = (name: string) => world.untilCondition({ namespace, name }, { type: "Ready", status: "True" });

  it("a public object is resolved by the store alone", async () => {
    await withOperator(async () => {
      await world.createFunction(namespace, "public", { code: { s3Bucket: "public", s3Key: "code.zip" } });
      assert.equal((await ready("public")).status?.codeDigest, digestOf(first));
      assert.deepEqual(await world.fetchPods(namespace), []);
    });
  });

  it("a private object is fetched by a restricted pod that is given the Secret, and goes", async () => {
    await withOperator(async () => {
      await world.createFunction(namespace, "private", { code: privateCode });
      const pod = await world.untilFetchPod(namespace);
      const [container] = pod.spec.containers;
      const given = (container?.env ?? []).flatMap(({ name, valueFrom }) =>
        valueFrom?.secretKeyRef === undefined
          ? []
          : [`${name}=${valueFrom.secretKeyRef.name ?? ""}/${valueFrom.secretKeyRef.key}`],
      );
      assert.deepEqual(given, [
        "AWS_ACCESS_KEY_ID=bucket-keys/AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY=bucket-keys/AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN=bucket-keys/AWS_SESSION_TOKEN",
      ]);
      assert.equal(pod.metadata.ownerReferences?.[0]?.name, "private");
      assert.doesNotMatch(JSON.stringify(pod), /secret\/of/);
      await world.endPod(pod, await fetchIn(pod));
      assert.equal((await ready("private")).status?.codeDigest, digestOf(first));
      await world.until("the pod is gone", async () =>
        (await world.fetchPods(namespace)).length === 0 ? true : undefined,
      );
    });
  });

  it("a Layer's content comes the same way", async () => {
    await withOperator(async () => {
      const metadata = { namespace, name: "tools" };
      await world.client.create({
        apiVersion: API_VERSION,
        kind: "Layer",
        metadata,
        spec: { content: privateCode },
      });
      const pod = await world.untilFetchPod(namespace);
      await world.endPod(pod, await fetchIn(pod));
      await world.until("the layer has its version", async () => {
        const layer = await world.client.get<LayerObject>({ kind: layerKind, ...metadata });
        return layer.status?.latestVersion === 1 ? true : undefined;
      });
    });
  });

  it("an operator that is killed meanwhile leaves a pod that the next one replaces: nobody vouches for its word", async () => {
    let left: Stored<Pod> | undefined;
    await withOperator(async () => {
      await world.createFunction(namespace, "private", { code: privateCode });
      left = await world.untilFetchPod(namespace);
    });
    assert.ok(left !== undefined);
    const others = { ok: true, digest: digestOf(second) };
    await world.endPod(left, JSON.stringify(others));
    await withOperator(async () => {
      const pod = await world.untilFetchPod(namespace, left?.metadata.uid);
      assert.equal(pod.metadata.name, left?.metadata.name);
      await world.endPod(pod, await fetchIn(pod));
      assert.equal((await ready("private")).status?.codeDigest, digestOf(first));
    });
  });

  it("a pod that somebody takes away is made again", async () => {
    await withOperator(async () => {
      await world.createFunction(namespace, "private", { code: privateCode });
      const taken = await world.untilFetchPod(namespace);
      await world.client.delete({ kind: kinds.pod, namespace, name: taken.metadata.name }, { gracePeriodSeconds: 0 });
      const pod = await world.untilFetchPod(namespace, taken.metadata.uid);
      await world.endPod(pod, await fetchIn(pod));
      await ready("private");
    });
  });

  const waiting = (reason: string, message: string) => ({
    phase: "Pending",
    containerStatuses: [
      {
        name: "fetch",
        ready: false,
        restartCount: 0,
        image: "x",
        imageID: "",
        state: { waiting: { reason, message } },
      },
    ],
  });
  interface Failing {
    readonly end: (pod: Stored<Pod>) => Promise<void>;
    readonly reason: string;
    readonly says: RegExp;
  }
  const absent = { ok: false, error: { code: "SecretNotFound", message: 'Cannot use Secret "bucket-keys"' } };
  const forged = { ok: true, digest: digestOf(Buffer.from("of another namespace")) };
  const failings: Record<string, Failing> = {
    "a Secret that is not there": {
      end: (pod) => world.endPod(pod, JSON.stringify(absent)),
      ...{ reason: "SecretNotFound", says: /^Cannot use Secret "bucket-keys"/ },
    },
    "an image that cannot be pulled": {
      end: (pod) => world.setPodStatus(pod, waiting("ImagePullBackOff", "no such image")),
      ...{
        reason: "FetchFailed",
        says: /^Cannot fetch with Secret "bucket-keys": Pod "kubelambda-fetch-[0-9a-f]{20}" does not start: ImagePullBackOff: no such image/,
      },
    },
    "a pod that dies": {
      end: (pod) => world.endPod(pod, "out of memory", 137),
      ...{ reason: "FetchFailed", says: /ended with exit code 137: out of memory/ },
    },
    "a pod that was evicted": {
      end: (pod) =>
        world.setPodStatus(pod, { phase: "Failed", reason: "Evicted", message: "The node was low on memory" }),
      ...{ reason: "FetchFailed", says: /failed: The node was low on memory/ },
    },
    "a pod that talks nonsense": {
      end: (pod) => world.endPod(pod, '{"ok":true}'),
      ...{ reason: "FetchFailed", says: /its pod said nothing of use/ },
    },
  };
  for (const [what, { end, reason, says }] of Object.entries(failings)) {
    it(`is told and tried again: ${what}`, async () => {
      await withOperator(async () => {
        await world.createFunction(namespace, "private", { code: privateCode });
        const pod = await world.untilFetchPod(namespace);
        await end(pod);
        const seen = await world.untilCondition(
          { namespace, name: "private" },
          { type: "Reconciling", status: "True", reason },
        );
        const condition = seen.status?.conditions?.find(({ type }) => type === "CodeResolved");
        assert.equal(condition?.reason, reason);
        assert.match(condition.message, says);
        const next = await world.untilFetchPod(namespace, pod.metadata.uid);
        await world.endPod(next, await fetchIn(next));
        await ready("private");
      });
    });
  }

  it("a pod's word for content that its namespace has not is not taken", async () => {
    await withOperator(async () => {
      await world.createFunction(namespace, "private", { code: privateCode });
      await world.endPod(await world.untilFetchPod(namespace), JSON.stringify(forged));
      const want = { type: "CodeResolved", status: "False", reason: "PackageNotFound" };
      const seen = await world.untilCondition({ namespace, name: "private" }, want);
      assert.equal(seen.status?.codeDigest, undefined);
    });
  });

  it("says what is wrong with a bucket, and recovers when the object comes", async () => {
    await withOperator(async () => {
      await world.createFunction(namespace, "late", { code: { s3Bucket: "public", s3Key: `late-${namespace}.zip` } });
      await world.untilCondition({ namespace, name: "late" }, { type: "CodeResolved", status: "False" });
      await server.put("public", `late-${namespace}.zip`, second);
      assert.equal((await ready("late")).status?.codeDigest, digestOf(second));
    });
  });
});
