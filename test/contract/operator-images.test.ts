/** Functions that are images: the operator and the package store with a real API server and a real registry. */
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "mocha";
import type { ResolvedImage } from "../../crds/wire/images.ts";
import type { FunctionObject, FunctionSpecInput } from "../../crds/v1alpha1/function.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";
import { kinds } from "../../lib/kubernetes/kinds.ts";
import type { Pod } from "../../operator/pod.ts";
import { createAddressRules } from "../../runtime-proxy/packages/address-rules.ts";
import { lookUpImage } from "../../runtime-proxy/registry/image-resolver.ts";
import type { RunningOperator } from "../../operator/operator.ts";
import { RegistryPusher } from "../images/push.ts";
import { startRegistry, type TestRegistry } from "../images/registry.ts";
import { loadOf, OperatorWorld } from "../kit/operator-world.ts";
import { VersionSpace } from "../kit/version-space.ts";

const repository = "team/image";
const config = { Entrypoint: ["/main"], Cmd: ["a"] };

describe("operator and images", function () {
  this.timeout(120_000);
  let world: OperatorWorld;
  let registry: TestRegistry;
  let pusher: RegistryPusher;
  let operator: RunningOperator;
  let namespace: string;

  before(async () => {
    registry = await startRegistry();
    pusher = new RegistryPusher(registry.url);
    world = await OperatorWorld.start({ KUBELAMBDA_REGISTRY_PLAIN_HTTP_HOSTS: registry.host });
    operator = await world.startOperator({ KUBELAMBDA_IMAGE_RECHECK_SECONDS: "1" });
  });
  after(async () => {
    await world.stop();
    await registry.stop();
  });
  beforeEach(async () => {
    namespace = await world.makeNamespace();
  });

  async function push(tag: string, content: string, architecture = "amd64"): Promise<string> {
    const files = { main: { content, mode: 0o755 } };
    return await pusher.pushImage({ repository, tag, files, architecture, config });
  }

  function imageSpec(tag: string, more: Partial<FunctionSpecInput> = {}): Partial<FunctionSpecInput> {
    const imageURI = `${registry.host}/${repository}:${tag}`;
    return { packageType: "Image", code: { imageURI }, runtime: undefined, handler: undefined, ...more };
  }

  async function ready(name: string, spec: Partial<FunctionSpecInput>): Promise<Stored<FunctionObject>> {
    await world.createFunction(namespace, name, spec);
    return await world.untilCondition({ namespace, name }, { type: "Ready", status: "True" });
  }

  function messageOf({ status }: Stored<FunctionObject>, type: string): string {
    return status?.conditions?.find((condition) => condition.type === type)?.message ?? "";
  }

  it("resolves an image, pins it by digest and makes pods of it", async () => {
    const digest = await push("plain", "1");
    const object = await ready("plain", imageSpec("plain"));
    const reference = `${registry.host}/${repository}@${digest}`;
    assert.equal(object.status?.resolvedImageURI, reference);
    assert.equal(object.status.codeSHA256, digest.slice("sha256:".length));
    assert.equal(messageOf(object, "CodeResolved"), `The code is "${reference}"`);
    await world.report(operator, [loadOf(object, { needed: 1 })]);
    const [pod] = await world.untilPods(object, ({ length }) => length === 1);
    assert.equal(pod?.spec.containers.find(({ name }) => name === "runtime")?.image, reference);
  });

  it("says that a tag moved, goes on with what it was, over a restart too, and takes the new one by another name", async () => {
    const before = await push("moving", "old");
    const object = await ready("moving", imageSpec("moving"));
    const after = await push("moving", "new");
    const name = { namespace, name: "moving" };
    const want = { type: "ImageCurrent", status: "False", reason: "ImageMoved" };
    const moved = await world.untilCondition(name, want);
    assert.ok(messageOf(moved, "ImageCurrent").includes(`names ${after} now; the function goes on with ${before}`));
    await world.stopOperator(operator);
    operator = await world.startOperator({ KUBELAMBDA_IMAGE_RECHECK_SECONDS: "1" });
    await world.patchSpec(namespace, "moving", { imageConfig: { command: ["b"] } });
    const changed = await world.untilCondition(name, { type: "Ready", status: "True" });
    assert.notEqual(changed.status?.revisionID, object.status?.revisionID);
    assert.ok(changed.status?.resolvedImageURI?.endsWith(before), "what was resolved stands");
    await world.patchSpec(namespace, "moving", { code: { imageURI: `${registry.host}/${repository}@${after}` } });
    const next = await world.untilCondition(name, { type: "Ready", status: "True" });
    assert.ok(next.status?.resolvedImageURI?.endsWith(after));
    assert.equal(next.status?.conditions?.find(({ type }) => type === "ImageCurrent")?.status, "True");
  });

  it("publishes a version that keeps its digest, whatever the tag and the function's image become", async () => {
    const before = await push("release", "old");
    const object = await ready("f", imageSpec("release"));
    const space = await VersionSpace.open(world, namespace);
    await space.createVersion("first");
    const { status } = await space.untilVersion("first");
    assert.equal(status?.codeSHA256, before.slice("sha256:".length));
    assert.equal(status.runtime, undefined);
    await pusher.pushImage({
      repository,
      tag: "same",
      files: { main: { content: "old", mode: 0o755 } },
      architecture: "amd64",
      config,
    });
    await world.patchSpec(namespace, "f", { code: { imageURI: `${registry.host}/${repository}:same` } });
    await space.functionReady();
    assert.equal(await space.published("under-another-tag"), 1);
    const after = await push("release", "new");
    await world.patchSpec(namespace, "f", { code: { imageURI: `${registry.host}/${repository}@${after}` } });
    const changed = await space.functionReady();
    await world.report(operator, [loadOf(changed, { revisionID: status.revisionID ?? "", needed: 1 })]);
    const [pod] = await world.untilPods(object, ({ length }) => length === 1);
    const image = pod?.spec.containers.find(({ name }) => name === "runtime")?.image;
    assert.equal(image, `${registry.host}/${repository}@${before}`);
    assert.equal(await space.published("second"), 2);
  });

  it("waits for an image that is not there yet, and takes it once it is", async () => {
    await world.createFunction(namespace, "early", imageSpec("early"));
    const name = { namespace, name: "early" };
    const waiting = await world.untilCondition(name, {
      type: "CodeResolved",
      status: "False",
      reason: "ImageNotFound",
    });
    assert.match(messageOf(waiting, "Ready"), /registry has no manifest "early": "MANIFEST_UNKNOWN/);
    assert.equal(waiting.status?.state, "Pending");
    await push("early", "1");
    await world.untilCondition(name, { type: "Ready", status: "True" });
  });

  it("takes the member of an index that is for the function's architecture", async () => {
    const [amd64, arm64] = [await push("amd64", "1"), await push("arm64", "2", "arm64")];
    await pusher.pushIndex({ repository, tag: "both" }, [
      { digest: amd64, platform: { os: "linux", architecture: "amd64" } },
      { digest: arm64, platform: { os: "linux", architecture: "arm64" } },
    ]);
    assert.ok((await ready("intel", imageSpec("both"))).status?.resolvedImageURI?.endsWith(amd64));
    const arm = await ready("arm", imageSpec("both", { architectures: ["arm64"] }));
    assert.ok(arm.status?.resolvedImageURI?.endsWith(arm64));
  });

  it("reads a private image in a pod with the function's pull secrets, and removes the pod", async () => {
    await world.createFunction(
      namespace,
      "private",
      imageSpec("hidden", { podTemplate: { spec: { imagePullSecrets: [{ name: "pull" }] } } }),
    );
    const pod = await untilFetchPod();
    assert.deepEqual(
      pod.spec.volumes?.filter(({ secret }) => secret !== undefined),
      [{ name: "pull-0", secret: { secretName: "pull", optional: true, defaultMode: 420 } }],
    );
    assert.equal(pod.spec.automountServiceAccountToken, false);
    const digest = await push("found", "private");
    const image = await lookUp("found");
    await endFetchPod(pod, JSON.stringify({ outcome: "resolved", image }));
    const object = await world.untilCondition({ namespace, name: "private" }, { type: "Ready", status: "True" });
    assert.ok(object.status?.resolvedImageURI?.endsWith(digest));
    await world.until("the pod is gone", async () => ((await fetchPods()).length === 0 ? true : undefined));
  });

  it("uses the pull secrets of the service account, and says why their pod did not answer", async () => {
    const account = {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: { namespace, name: "puller" },
      imagePullSecrets: [{ name: "of-account" }],
    };
    await world.client.create(account);
    await world.createFunction(namespace, "private", imageSpec("hidden", { serviceAccountName: "puller" }));
    const pod = await untilFetchPod();
    assert.equal(pod.spec.volumes?.find(({ secret }) => secret !== undefined)?.secret?.secretName, "of-account");
    await endFetchPod(pod, "no JSON");
    const object = await world.untilCondition(
      { namespace, name: "private" },
      { type: "CodeResolved", status: "False", reason: "FetchFailed" },
    );
    assert.match(messageOf(object, "Ready"), /its pod ended with exit code 0 and no answer/);
    assert.equal(object.status?.state, "Pending");
  });

  async function lookUp(tag: string): Promise<ResolvedImage> {
    const plainHttpHosts = [registry.host];
    const rules = createAddressRules({ allowedCIDRs: [], deniedCIDRs: [] });
    const lookup = { image: `${registry.host}/${repository}:${tag}`, architecture: "x86_64" } as const;
    const answer = await lookUpImage(lookup, { rules, privateHosts: [], plainHttpHosts });
    assert.ok(answer.outcome === "resolved");
    return answer.image;
  }

  async function fetchPods(): Promise<readonly Stored<Pod>[]> {
    return (await world.client.list<Pod>(kinds.pod, { namespace, labelSelector: "kubelambda.dev/component=fetch" }))
      .items;
  }

  async function untilFetchPod(): Promise<Stored<Pod>> {
    return await world.until("a pod reads the image", async () => (await fetchPods())[0]);
  }

  /** What a kubelet says of a pod whose container has ended. */
  async function endFetchPod(pod: Stored<Pod>, message: string): Promise<void> {
    const terminated = {
      exitCode: 0,
      message,
      startedAt: new Date().toISOString(),
      finishedAt: new Date().toISOString(),
    };
    const container = { name: "fetch", ready: false, restartCount: 0, image: "x", imageID: "", state: { terminated } };
    await world.setPodStatus(pod, { phase: "Succeeded", containerStatuses: [container] });
  }

  const refusals: Record<string, { imageURI: (host: string) => string; type?: string; reason: string; says: RegExp }> =
    {
      "a name that is none": {
        imageURI: (host) => `${host}/Team/image`,
        reason: "InvalidImage",
        says: /repository "Team\/image"/,
      },
      "an image of another architecture": {
        imageURI: (host) => `${host}/${repository}:for-arm`,
        reason: "ImageArchitectureMismatch",
        says: /on x86_64: it is for linux\/arm64/,
      },
      "a registry at a closed address": {
        imageURI: () => "127.0.0.2:1/team/image:1",
        type: "CodeResolved",
        reason: "ImageRefused",
        says: /packages.registries.privateHosts/,
      },
    };
  for (const [what, { imageURI, type = "Stalled", reason, says }] of Object.entries(refusals)) {
    it(`says what is wrong with ${what}`, async () => {
      await push("for-arm", "1", "arm64");
      await world.createFunction(namespace, "bad", imageSpec("x", { code: { imageURI: imageURI(registry.host) } }));
      const status = type === "Stalled" ? "True" : "False";
      const object = await world.untilCondition({ namespace, name: "bad" }, { type, status, reason });
      assert.match(messageOf(object, "Ready"), says);
    });
  }

  it("packages-layers-env 32: the API server refuses layers on an image", async () => {
    await assert.rejects(
      world.createFunction(namespace, "layered", imageSpec("x", { layers: ["tools:1"] })),
      /copy their content into \/opt of the image/,
    );
  });
});
