/** Sources oci and digest as the operator sees them: operator, package store, `fetch` and the registry are real; the kubelet is scripted. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { API_VERSION } from "../../crds/names.ts";
import type { FunctionObject } from "../../crds/v1alpha1/function.ts";
import { layerKind, type LayerObject } from "../../crds/v1alpha1/layer.ts";
import { fetchDocumentSchema, fetchVariables } from "../../crds/wire/fetch.ts";
import { pushTokenHeader } from "../../crds/wire/packages.ts";
import { routes } from "../../crds/wire/routes.ts";
import { systemClock, type Clock } from "../../lib/clock.ts";
import { kinds } from "../../lib/kubernetes/kinds.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";
import type { Pod } from "../../operator/pod.ts";
import { fetchPackage } from "../../runtime-proxy/fetch-package.ts";
import { artifactTypes, digestOf, startScriptedRegistry, type ScriptedRegistry } from "../kit/scripted-registry.ts";
import { OperatorWorld } from "../kit/operator-world.ts";
import { tarBytes } from "../kit/tar-bytes.ts";
import { zipBytes } from "../kit/zip-bytes.ts";

const zip = (content: string): Buffer => zipBytes([{ name: "index.mjs", content }]);
const first = zip("export const handler = async () => 1;");
const second = zip("export const handler = async () => 2;");
const pullSecretText = '{"auths":{}}';

/** Waits end sooner, so that an interval of half a minute is one of a second. */
const quickClock: Clock = {
  ...systemClock,
  nowMs: () => systemClock.nowMs(),
  monotonicMs: () => systemClock.monotonicMs() * 30,
  schedule: (delayMs, callback) => systemClock.schedule(delayMs / 30, callback),
};

describe("sources oci and digest, as the operator sees them", function () {
  this.timeout(60_000);
  let world: OperatorWorld;
  let registry: ScriptedRegistry;
  let directory: string;
  let namespace: string;

  before(async function () {
    this.timeout(600_000);
    registry = await startScriptedRegistry();
    world = await OperatorWorld.start({ KUBELAMBDA_REGISTRY_PLAIN_HTTP_HOSTS: registry.host });
    directory = await mkdtemp(join(tmpdir(), "operator-artifacts-"));
  });
  after(async () => {
    await world.stop();
    await registry.stop();
    await rm(directory, { recursive: true });
  });
  beforeEach(async () => {
    namespace = await world.makeNamespace();
  });

  async function withOperator(step: () => Promise<void>, clock: Clock = systemClock): Promise<void> {
    const env = { KUBELAMBDA_REGISTRY_PLAIN_HTTP_HOSTS: registry.host };
    const operator = await world.startOperator(env, { clock, registryCaBundle: () => "PEM of the bundle" });
    try {
      await step();
    } finally {
      await world.stopOperator(operator);
    }
  }

  const artifact = (tag: string) => `${registry.host}/team/app:${tag}`;
  const ready = (name: string) => world.untilCondition({ namespace, name }, { type: "Ready", status: "True" });
  const conditionOf = ({ status }: Stored<FunctionObject>, wanted: string) =>
    status?.conditions?.find(({ type }) => type === wanted);

  it("a public artifact is resolved by the store alone", async () => {
    registry.put("public", [{ bytes: first, mediaType: artifactTypes.zip }]);
    await withOperator(async () => {
      await world.createFunction(namespace, "public", { code: { oci: { reference: artifact("public") } } });
      assert.equal((await ready("public")).status?.codeDigest, digestOf(first));
      assert.deepEqual(await world.fetchPods(namespace), []);
    });
  });

  /** What the container does, with what is mounted. */
  async function fetchIn(pod: Stored<Pod>, pullSecretFiles: readonly string[]): Promise<string> {
    const given = pod.spec.containers[0]?.env?.find(({ name }) => name === fetchVariables.document)?.value;
    const outcome = await fetchPackage({
      document: fetchDocumentSchema.parse(JSON.parse(given ?? "")),
      ...{ secrets: {}, pullSecretFiles, packagesUrl: world.store.url },
      readToken: () => Promise.resolve(`${namespace}/default`),
      directory: await mkdtemp(join(directory, "pod-")),
    });
    return JSON.stringify(outcome);
  }

  it("a layer's private artifact is read by a pod that mounts the pull secret and knows the private authority", async () => {
    const bytes = await tarBytes([{ name: "extensions/agent", content: "#!/bin/sh\n", mode: 0o755 }]);
    registry.put("private", [{ bytes }]);
    await withOperator(async () => {
      const metadata = { namespace, name: "tools" };
      const content = { oci: { reference: artifact("private"), pullSecret: { name: "pull" } } };
      await world.client.create({ apiVersion: API_VERSION, kind: "Layer", metadata, spec: { content } });
      const pod = await world.untilFetchPod(namespace);
      assert.deepEqual(
        pod.spec.volumes?.filter(({ secret }) => secret !== undefined),
        [{ name: "pull-0", secret: { secretName: "pull", optional: true, defaultMode: 420 } }],
      );
      const variables = new Map((pod.spec.containers[0]?.env ?? []).map(({ name, value }) => [name, value]));
      assert.equal(variables.get(fetchVariables.registryCaBundle), "PEM of the bundle");
      assert.doesNotMatch(JSON.stringify(pod), /auths/);
      await world.endPod(pod, await fetchIn(pod, []));
      const waiting = await world.until("the layer says what is missing", async () => {
        const layer = await world.client.get<LayerObject>({ kind: layerKind, ...metadata });
        return layer.status?.conditions?.find(({ reason }) => reason === "SecretNotFound");
      });
      assert.match(waiting.message, /Secret "pull" is not there, or has no key "\.dockerconfigjson"; waiting for it/);
      const next = await world.untilFetchPod(namespace, pod.metadata.uid);
      const credentials = JSON.stringify({ auths: { [registry.host]: { username: "a", password: "b" } } });
      await world.endPod(next, await fetchIn(next, [pullSecretText, credentials]));
      const published = await world.until("the layer has its version", async () => {
        const layer = await world.client.get<LayerObject>({ kind: layerKind, ...metadata });
        return layer.status?.versions?.[0];
      });
      assert.deepEqual(published.extensions, ["agent"]);
    });
  });

  it("a tag that moves is used after the interval, with an event and never without a condition that says so", async () => {
    registry.put("moving", [{ bytes: first }]);
    const code = { oci: { reference: artifact("moving") }, recheckSeconds: 30 };
    await withOperator(async () => {
      await world.createFunction(namespace, "moving", { code });
      const before = await ready("moving");
      assert.equal(before.status?.codeDigest, digestOf(first));
      assert.equal(conditionOf(before, "SourceCurrent")?.status, "True");
      registry.lie("manifests/moving", (_request, response) => void response.writeHead(503).end());
      const unsure = await world.untilCondition(
        { namespace, name: "moving" },
        { type: "SourceCurrent", status: "Unknown", reason: "SourceUnreachable" },
      );
      assert.match(
        conditionOf(unsure, "SourceCurrent")?.message ?? "",
        /answered 503.*which it named before, goes on$/,
      );
      assert.equal(unsure.status?.codeDigest, digestOf(first));
      registry.lie("manifests/moving");
      registry.put("moving", [{ bytes: second }]);
      await world.until("the new artifact is used", async () =>
        (await world.getFunction(namespace, "moving")).status?.codeDigest === digestOf(second) ? true : undefined,
      );
      const note = await world.until("the event", async () => {
        const { items } = await world.client.list<{ reason: string; note: string } & Stored>(kinds.event, {
          namespace,
        });
        return items.find(({ reason }) => reason === "SourceChanged")?.note;
      });
      assert.match(note, new RegExp(`"${digestOf(first)}" became "${digestOf(second)}"`));
    }, quickClock);
  });

  it("an artifact that is wrong is said, and what is pushed under its tag then puts it right on the interval", async () => {
    registry.put("wrong", [{ bytes: Buffer.from("text"), title: "a.txt" }]);
    await withOperator(async () => {
      await world.createFunction(namespace, "once", { code: { oci: { reference: artifact("wrong") } } });
      const code = { oci: { reference: artifact("wrong") }, recheckSeconds: 30 };
      await world.createFunction(namespace, "again", { code });
      const want = { type: "Stalled", status: "True", reason: "InvalidArchive" };
      const stalled = await world.untilCondition({ namespace, name: "once" }, want);
      assert.match(conditionOf(stalled, "CodeResolved")?.message ?? "", /layer 1 \("a\.txt"\) of .*neither a zip nor/);
      registry.put("wrong", [{ bytes: first }]);
      assert.equal((await ready("again")).status?.codeDigest, digestOf(first));
    }, quickClock);
  });

  it("a digest is waited for until it is pushed to that namespace", async () => {
    const pushed = zip(`// ${namespace}`);
    const digest = digestOf(pushed);
    const pushTo = async (to: string): Promise<void> => {
      const headers = { [pushTokenHeader]: `${to}/default` };
      const answer = await fetch(`${world.store.pushUrl}${routes.push(digest)}`, {
        method: "POST",
        body: pushed,
        headers,
      });
      assert.equal(((await answer.json()) as { ok: boolean }).ok, true);
    };
    await withOperator(async () => {
      const other = await world.makeNamespace();
      await pushTo(other);
      await world.createFunction(namespace, "pushed", { code: { digest } });
      const want = { type: "CodeResolved", status: "False", reason: "PackageNotFound" };
      const waiting = await world.untilCondition({ namespace, name: "pushed" }, want);
      assert.match(conditionOf(waiting, "CodeResolved")?.message ?? "", /kubelambda push -n team-/);
      assert.equal(conditionOf(waiting, "Stalled")?.status, "False");
      await pushTo(namespace);
      const { status } = await ready("pushed");
      assert.equal(status?.codeSHA256, createHash("sha256").update(pushed).digest("base64"));
    }, quickClock);
  });
});
