/** The whole operator against a real API server and a real package store. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, beforeEach, describe, it } from "mocha";
import { functionKind, type FunctionObject, type FunctionSpecInput } from "../../crds/v1alpha1/function.ts";
import { kinds } from "../../lib/kubernetes/kinds.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";
import type { RunningOperator } from "../../operator/operator.ts";
import { loadOf, OperatorWorld } from "../kit/operator-world.ts";

describe("operator on a real API server", function () {
  this.timeout(120_000);
  let world: OperatorWorld;
  let operator: RunningOperator;
  let namespace: string;
  const elections = "elections";

  before(async () => {
    world = await OperatorWorld.start();
    await world.client.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: elections } });
    operator = await world.startOperator();
  });
  after(() => world.stop());
  beforeEach(async () => {
    namespace = await world.makeNamespace();
  });

  async function ready(name: string, spec: Partial<FunctionSpecInput> = {}): Promise<Stored<FunctionObject>> {
    await world.createFunction(namespace, name, spec);
    return await world.untilCondition({ namespace, name }, { type: "Ready", status: "True" });
  }

  function messageOf({ status }: Stored<FunctionObject>, type: string): string {
    return status?.conditions?.find((condition) => condition.type === type)?.message ?? "";
  }

  it("makes a function ready and says all that AWS says of it", async () => {
    const { status } = await ready("hello");
    assert.equal(status?.state, "Active");
    assert.equal(status.lastUpdateStatus, "Successful");
    assert.equal(status.version, "$LATEST");
    assert.match(status.codeDigest ?? "", /^sha256:[0-9a-f]{64}$/);
    assert.equal(status.codeSHA256, Buffer.from(status.codeDigest?.slice(7) ?? "", "hex").toString("base64"));
    assert.match(status.functionARN ?? "", /^arn:aws:lambda:us-east-1:\d{12}:function:hello$/);
    assert.match(status.revisionID ?? "", /^[0-9a-f]{8}-[0-9a-f]{4}-/);
    const conditions = Object.fromEntries((status.conditions ?? []).map(({ type, status: value }) => [type, value]));
    assert.deepEqual(conditions, {
      CodeResolved: "True",
      EnvironmentsHealthy: "True",
      FieldsIgnored: "False",
      GenericPods: "False",
      Ready: "True",
      Reconciling: "False",
      RuntimeResolved: "True",
      Stalled: "False",
    });
  });

  it("makes the signing key once", async () => {
    const ref = { kind: kinds.secret, namespace: "kubelambda", name: "kubelambda-router-signing-key" };
    const secret = (await world.client.get(ref)) as unknown as { data: Record<string, string> };
    const pem = Buffer.from(secret.data["router-signing-key.pem"] ?? "", "base64").toString();
    assert.match(pem, /^-----BEGIN PRIVATE KEY-----/);
  });

  it("creates a burst of pods that the API server takes, and not one more for repeated reports", async () => {
    const object = await ready("burst");
    for (let i = 0; i < 1000; i++) {
      const { status } = await world.report(operator, [loadOf(object, { needed: 5 })]);
      assert.equal(status, 200);
    }
    const pods = await world.untilPods(object, ({ length }) => length >= 5);
    assert.equal(pods.length, 5);
    for (const { metadata, spec } of pods) {
      assert.match(metadata.name, /^burst-[0-9a-f]{8}-[a-z0-9]{5}$/);
      assert.equal(metadata.ownerReferences?.[0]?.uid, object.metadata.uid);
      assert.deepEqual(
        spec.containers.map(({ name }) => name),
        ["agent", "runtime"],
      );
    }
  });

  it("adopts its pods after a restart, and creates none twice", async () => {
    const object = await ready("adopted");
    await world.report(operator, [loadOf(object, { needed: 3 })]);
    await world.untilPods(object, ({ length }) => length === 3);
    await world.stopOperator(operator);
    operator = await world.startOperator();
    await world.report(operator, [loadOf(object, { needed: 4 })]);
    const pods = await world.untilPods(object, ({ length }) => length >= 4);
    for (let i = 0; i < 20; i++) await world.report(operator, [loadOf(object, { needed: 4 })]);
    assert.equal((await world.pods(object)).length, pods.length);
    assert.equal(pods.length, 4);
  });

  it("asks idle environments back first, and removes them once every router has given them up", async () => {
    const object = await ready("idle", { idleTimeoutSeconds: 1 });
    await world.report(operator, [loadOf(object, { needed: 1 })]);
    const [pod] = await world.untilPods(object, ({ length }) => length === 1);
    assert.ok(pod !== undefined);
    await world.runPod(pod);
    const podUid = pod.metadata.uid;
    const idle = loadOf(object, { idle: [{ podUid, idleForMs: 2000 }] });
    await world.until("it is asked back", async () => {
      await world.report(operator, [idle], { replica: "router-b" });
      const { body } = await world.report(operator, [idle]);
      return body.release.includes(podUid) ? true : undefined;
    });
    await world.report(operator, [loadOf(object, { released: [podUid] })]);
    assert.equal((await world.pods(object)).length, 1, "router-b has not given it back");
    await world.report(operator, [idle], { replica: "router-b" });
    await world.report(operator, [loadOf(object, { released: [podUid] })], { replica: "router-b" });
    await world.untilPods(object, ({ length }) => length === 0);
    world.goneReplicas.add("router-b");
  });

  it("moves to new code beside the old, which goes once given back", async () => {
    const before = await ready("update");
    await world.report(operator, [loadOf(before, { needed: 1 })]);
    const [old] = await world.untilPods(before, ({ length }) => length === 1);
    await world.patchSpec(namespace, "update", { code: { files: { "index.mjs": "// two" } } });
    const next = await world.untilCondition({ namespace, name: "update" }, { type: "Ready", status: "True" });
    assert.notEqual(next.status?.revisionID, before.status?.revisionID);
    const oldUid = old?.metadata.uid ?? "";
    await world.until("the old one is asked back", async () => {
      const { body } = await world.report(operator, [loadOf(next, { needed: 1 })]);
      return body.release.includes(oldUid) ? true : undefined;
    });
    await world.untilPods(next, ({ length }) => length === 2);
    await world.report(operator, [loadOf(next, { needed: 1, released: [oldUid] })]);
    const left = await world.untilPods(next, ({ length }) => length === 1);
    assert.notEqual(left[0]?.metadata.uid, oldUid);
  });

  it("keeps serving the old code while the new one cannot run, and creates environments of it", async () => {
    const before = await ready("keeps");
    await world.patchSpec(namespace, "keeps", { code: { files: null, zipFile: "bm90IGEgemlw" } });
    const failed = await world.untilCondition(
      { namespace, name: "keeps" },
      { type: "Ready", status: "False", reason: "UpdateFailed" },
    );
    assert.equal(failed.status?.revisionID, before.status?.revisionID);
    assert.equal(failed.status?.state, "Active");
    assert.equal(failed.status.lastUpdateStatus, "Failed");
    await world.report(operator, [loadOf(failed, { needed: 1 })]);
    await world.untilPods(failed, ({ length }) => length === 1);
  });

  const digest = createHash("sha256").update("x").digest("hex");
  const refusals: Record<string, { spec: Partial<FunctionSpecInput>; type?: string; reason: string; message: RegExp }> =
    {
      "an unknown runtime": {
        spec: { runtime: "nodejs25.x" },
        reason: "UnknownRuntime",
        message:
          /^Value nodejs25.x at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: \[nodejs20.x, nodejs24.x\]; an administrator adds one/,
      },
      "a runtime at the end of its life": {
        spec: { runtime: "nodejs12.x" },
        reason: "BlockedRuntime",
        message:
          /^The runtime parameter of nodejs12.x is no longer supported for creating or updating AWS Lambda functions. We recommend you use the new runtime \(nodejs24.x\)/,
      },
      "a broken zip": { spec: { code: { zipFile: "bm90IGEgemlw" } }, reason: "InvalidArchive", message: /zip/i },
      "a url that nobody answers": {
        spec: { code: { url: "http://127.0.0.1:1/x.zip", sha256: digest } },
        type: "CodeResolved",
        reason: "SourceUnreachable",
        message: /127\.0\.0\.1/,
      },
      "a bucket by reference": {
        spec: { code: { s3BucketRef: { from: { name: "bucket" } }, s3Key: "key" } },
        reason: "SourceNotServed",
        message:
          /^Cannot read the code from code.s3BucketRef: there are no objects of that kind here; name the bucket in s3Bucket$/,
      },
      "a file system that only AWS has": {
        spec: {
          fileSystemConfigs: [
            { arn: "arn:aws:elasticfilesystem:eu-west-1:1:access-point/fsap-1", localMountPath: "/mnt/data" },
          ],
        },
        reason: "FieldNotServed",
        message:
          /^Cannot mount "\/mnt\/data": "arn:aws:.*" is a file system of AWS; set fileSystemConfigs\[\].persistentVolumeClaim.name/,
      },
      "tenants apart": {
        spec: { tenancyConfig: { tenantIsolationMode: "PER_TENANT" } },
        reason: "FieldNotServed",
        message: /^Cannot isolate tenants as PER_TENANT/,
      },
    };
  for (const [what, { spec, type = "Stalled", reason, message }] of Object.entries(refusals)) {
    it(`says what is wrong with ${what}`, async () => {
      await world.createFunction(namespace, "bad", spec);
      const status = type === "Stalled" ? "True" : "False";
      const object = await world.untilCondition({ namespace, name: "bad" }, { type, status, reason });
      assert.match(messageOf(object, type), message);
      assert.match(messageOf(object, "Ready"), message);
      assert.equal(object.status?.state, type === "Stalled" ? "Failed" : "Pending");
    });
  }

  it("says that a url has other bytes than its sha256, and takes it once that is right", async () => {
    const zip = Buffer.from("UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA==", "base64"); // an archive without entries
    const server = createServer((_request, response) => void response.end(zip));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/code.zip`;
      await world.createFunction(namespace, "url", { code: { url, sha256: digest } });
      const want = { type: "Stalled", status: "True", reason: "DigestMismatch" };
      const object = await world.untilCondition({ namespace, name: "url" }, want);
      assert.match(messageOf(object, "Ready"), new RegExp(digest));
      await world.patchSpec(namespace, "url", { code: { sha256: createHash("sha256").update(zip).digest("hex") } });
      await world.untilCondition({ namespace, name: "url" }, { type: "Ready", status: "True" });
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });

  it("has one leader of two, whose pod carries the label, another when it ends, and that again after a term of somebody else's", async () => {
    const [first, second] = ["operator-1", "operator-2"] as const;
    for (const name of [first, second]) {
      const containers = [{ name: "operator", image: "kubelambda:test" }];
      const object = { apiVersion: "v1", kind: "Pod", metadata: { namespace: elections, name }, spec: { containers } };
      await world.client.create(object);
    }
    const env = (name: string) => ({
      KUBELAMBDA_NAMESPACE: elections,
      KUBELAMBDA_WATCH_NAMESPACE: elections,
      KUBELAMBDA_LEADER_ELECTION: "true",
      KUBELAMBDA_POD_NAME: name,
    });
    const leaders = async (): Promise<readonly string[]> => {
      const labelSelector = "kubelambda.dev/leader=true";
      return (await world.client.list(kinds.pod, { namespace: elections, labelSelector })).items.map(
        ({ metadata }) => metadata.name,
      );
    };
    const one = await world.startOperator(env(first));
    await world.until("the first leads", async () =>
      (await leaders()).join() === first && one.isLeading() ? true : undefined,
    );
    const two = await world.startOperator(env(second));
    assert.equal((await world.report(two, [])).status, 503);
    assert.equal((await world.report(one, [])).status, 200);
    await world.stopOperator(one);
    await world.until("the second leads", async () =>
      (await leaders()).join() === second && two.isLeading() ? true : undefined,
    );
    assert.equal((await world.report(two, [])).status, 200);
    const lease = { kind: kinds.lease, namespace: elections, name: "kubelambda-operator" };
    await world.client.patch(lease, { spec: { holderIdentity: "a third", leaseDurationSeconds: 1 } });
    await world.until("it has lost the Lease", () => Promise.resolve(two.isLeading() ? undefined : true));
    await world.until("it leads once more, in the same process", async () =>
      (await leaders()).join() === second && two.isLeading() ? true : undefined,
    );
    assert.equal((await world.report(two, [])).status, 200);
    await world.stopOperator(two);
  });

  it("recovers when a bad spec is mended", async () => {
    await world.createFunction(namespace, "mended", { runtime: "nodejs25.x" });
    await world.untilCondition({ namespace, name: "mended" }, { type: "Stalled", status: "True" });
    await world.patchSpec(namespace, "mended", { runtime: "nodejs24.x" });
    const { status } = await world.untilCondition({ namespace, name: "mended" }, { type: "Ready", status: "True" });
    assert.equal(status?.state, "Active");
    assert.equal(status.stateReason, undefined);
  });

  it("waits for a ConfigMap, takes it when it comes and follows it when it changes", async () => {
    await world.createFunction(namespace, "mapped", { code: { configMapRef: { name: "code" } } });
    const waiting = await world.untilCondition(
      { namespace, name: "mapped" },
      { type: "CodeResolved", status: "False", reason: "ConfigMapNotFound" },
    );
    assert.match(
      messageOf(waiting, "Ready"),
      /^Cannot read the code from ConfigMap "code": there is none in this namespace; waiting for it$/,
    );
    const configMap = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { namespace, name: "code" },
      data: { "index.mjs": "// 1" },
    };
    await world.client.create(configMap);
    const first = await world.untilCondition({ namespace, name: "mapped" }, { type: "Ready", status: "True" });
    await world.client.patch({ kind: kinds.configMap, namespace, name: "code" }, { data: { "index.mjs": "// 2" } });
    await world.until("the new code is active", async () => {
      const { status } = await world.getFunction(namespace, "mapped");
      return status?.revisionID !== first.status?.revisionID && status?.lastUpdateStatus === "Successful"
        ? true
        : undefined;
    });
  });

  it("gives a Lambda name to the older of two, and to the younger when the older goes", async () => {
    await ready("older", { name: "Shared_Name" });
    await new Promise((resolve) => setTimeout(resolve, 1100)); // creation times have whole seconds
    await world.createFunction(namespace, "younger", { name: "Shared_Name" });
    const taken = await world.untilCondition(
      { namespace, name: "younger" },
      { type: "Stalled", status: "True", reason: "NameTaken" },
    );
    assert.match(
      messageOf(taken, "Ready"),
      /^Cannot be function "Shared_Name": Function "older" is older and has that name/,
    );
    await world.client.delete({
      kind: functionKind,
      namespace,
      name: "older",
    });
    await world.untilCondition({ namespace, name: "younger" }, { type: "Ready", status: "True" });
  });

  it("leaves no pod of a deleted function", async () => {
    const object = await ready("gone");
    await world.report(operator, [loadOf(object, { needed: 2 })]);
    await world.untilPods(object, ({ length }) => length === 2);
    await world.client.delete({
      kind: functionKind,
      namespace,
      name: "gone",
    });
    await world.untilPods(object, ({ length }) => length === 0);
    await world.report(operator, [loadOf(object, { needed: 2 })]);
    assert.equal((await world.pods(object)).length, 0);
  });

  it("replaces an environment that ended at once, and says why one does not start until it does", async () => {
    const object = await ready("fails");
    await world.report(operator, [loadOf(object, { needed: 1 })]);
    const [first] = await world.untilPods(object, ({ length }) => length === 1);
    assert.ok(first !== undefined);
    const waiting = { reason: "ErrImagePull", message: "no such image" };
    const containerStatuses = [
      { name: "runtime", ready: false, restartCount: 0, image: "nodejs:24", imageID: "", state: { waiting } },
    ];
    await world.setPodStatus(first, { phase: "Pending", containerStatuses });
    const sick = await world.untilCondition(
      { namespace, name: "fails" },
      { type: "EnvironmentsHealthy", status: "False", reason: "ImagePullFailed" },
    );
    assert.match(
      messageOf(sick, "EnvironmentsHealthy"),
      /^Container "runtime" does not start with image "nodejs:24": ErrImagePull: no such image$/,
    );
    const [second] = await world.untilPods(
      object,
      (pods) => pods.length === 1 && pods[0]?.metadata.uid !== first.metadata.uid,
    );
    assert.ok(second !== undefined);
    await world.report(operator, [
      loadOf(object, {
        needed: 1,
        failure: {
          podUid: second.metadata.uid,
          errorType: "Runtime.ImportModuleError",
          errorMessage: "Cannot find module 'x'",
        },
      }),
    ]);
    const inits = await world.untilCondition(
      { namespace, name: "fails" },
      { type: "EnvironmentsHealthy", status: "False", reason: "InitError" },
    );
    assert.equal(
      messageOf(inits, "EnvironmentsHealthy"),
      "The init phase fails: Runtime.ImportModuleError: Cannot find module 'x'",
    );
    await world.runPod(second);
    await world.until("it is healthy again", async () => {
      await world.report(operator, [loadOf(object, { needed: 1 })]);
      const { status } = await world.getFunction(namespace, "fails");
      return status?.conditions?.some(
        ({ type, status: value }) => type === "EnvironmentsHealthy" && value === "True",
      ) === true && status.readyEnvironments === 1
        ? true
        : undefined;
    });
  });

  it("says honestly that an EventSourceMapping is kept and not run", async () => {
    const kind = {
      apiVersion: "kubelambda.dev/v1alpha1",
      kind: "EventSourceMapping",
      plural: "eventsourcemappings",
      namespaced: true,
    };
    await world.client.create({
      apiVersion: kind.apiVersion,
      kind: "EventSourceMapping",
      metadata: { namespace, name: "live" },
      spec: { functionName: "hello", eventSourceARN: "arn:aws:sqs:us-east-1:123456789012:q" },
    });
    const ready = await world.until("a status", async () => {
      const { status } = (await world.client.get({ kind, namespace, name: "live" })) as {
        status?: FunctionObject["status"];
      };
      return status?.conditions?.find(({ type }) => type === "Ready");
    });
    assert.equal(ready.reason, "NotServed");
    assert.match(ready.message, /objects of kind EventSourceMapping, and does not run them/);
  });

  it("takes reports from routers only", async () => {
    const { status, body } = await world.report(operator, [], { token: "team-1/default" });
    assert.equal(status, 403);
    assert.match(body.message ?? "", /only routers report/);
  });
});
