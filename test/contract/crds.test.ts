/** The corpus against a real API server: what zod says, it says, word for word. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, it } from "mocha";
import { parse } from "yaml";
import { kindDefinitions } from "../../crds/kinds.ts";
import { kubeconfigAccess } from "../../lib/kubernetes/api-server-access.ts";
import { ApiServerClient } from "../../lib/kubernetes/api-server-client.ts";
import { kinds, pathOf } from "../../lib/kubernetes/kinds.ts";
import { isKubernetesError } from "../../lib/kubernetes/kubernetes-error.ts";
import type { KindRef, KubernetesObject, Stored } from "../../lib/kubernetes/object.ts";
import { type ControlPlane, startControlPlane } from "../cluster/control-plane.ts";
import { waitUntil } from "../cluster/wait-until.ts";
import { ackManifests, convert } from "../kit/ack-corpus.ts";
import { corpusKinds, inlineCode, manifestOf } from "../kit/crd-corpus.ts";

const establishedWithinMs = 30_000;
const unchecked =
  "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";

describe("CustomResourceDefinitions on a real API server", function () {
  this.timeout(120_000);
  let controlPlane: ControlPlane;
  let client: ApiServerClient;

  before(async () => {
    controlPlane = await startControlPlane();
    client = new ApiServerClient({
      access: await kubeconfigAccess(controlPlane.kubeconfig),
      kinds: kindDefinitions.map(refOfKind),
    });
    await Promise.all(kindDefinitions.map(({ plural }) => client.create(definitionOf(plural))));
    await Promise.all(kindDefinitions.map((definition) => untilServed(refOfKind(definition))));
  });
  after(async () => {
    await client.close();
    await controlPlane.stop();
  });

  async function untilServed(kind: KindRef): Promise<void> {
    const ref = { kind: kinds.customResourceDefinition, name: `${kind.plural}.kubelambda.dev` };
    await waitUntil({ what: `CustomResourceDefinition "${ref.name}"`, timeoutMs: establishedWithinMs }, async () => {
      const { status } = await client.get<Stored & { status?: { conditions?: readonly ConditionSeen[] } }>(ref);
      const conditions = (status?.conditions ?? []).map(({ type, status: value }) => `${type}=${value}`);
      if (!conditions.includes("Established=True")) return undefined;
      assert.deepEqual(conditions.sort(), ["Established=True", "NamesAccepted=True"]);
      return client.list(kind);
    });
  }

  for (const { kind, corpus, parse: parseKind } of corpusKinds) {
    const ref = refOfKind(kindDefinitions.find((definition) => definition.kind === kind)!);
    const say = async (request: Promise<unknown>): Promise<string> => {
      const error: unknown = await request.then(
        () => assert.fail("the API server took it"),
        (thrown: unknown) => thrown,
      );
      if (!isKubernetesError(error)) throw error;
      return error.serverMessage;
    };
    /** As kubectl does it: unknown fields are refused, not pruned. */
    const send = (method: "POST" | "PUT", object: KubernetesObject): Promise<unknown> => {
      const path = pathOf(ref, "default", method === "PUT" ? object.metadata.name : undefined);
      return client.raw(method, `${path}?fieldValidation=Strict`, object);
    };

    describe(kind, () => {
      for (const [index, { shows, spec }] of corpus.good.entries()) {
        it(`takes ${shows}, and both fill in the same defaults`, async () => {
          const stored = (await send("POST", manifestOf(kind, `good-${index}`, spec))) as KubernetesObject;
          const parsed = parseKind(manifestOf(kind, `good-${index}`, spec));
          assert.ok(parsed.ok);
          assert.deepEqual(stored.spec, (parsed.value as KubernetesObject).spec);
        });
      }
      for (const [index, { says, spec, name }] of corpus.bad.entries()) {
        it(`refuses ${index} in the same words: ${says}`, async () => {
          const object = manifestOf(kind, name ?? `bad-${index}`, spec);
          const parsed = parseKind(object);
          assert.ok(!parsed.ok);
          assert.deepEqual(errorsOf(await say(send("POST", object))), errorsOf(parsed.error));
        });
      }
      for (const [index, { says, from, to }] of corpus.changes.entries()) {
        it(`${says === undefined ? "allows" : "refuses"} change ${index}: ${says ?? "mutable fields"}`, async () => {
          const before = manifestOf(kind, `change-${index}`, from);
          const { metadata } = (await send("POST", before)) as Stored;
          const changed = { ...manifestOf(kind, `change-${index}`, to), metadata };
          if (says === undefined) {
            await send("PUT", changed);
            return;
          }
          const old = parseKind(before);
          const parsed = parseKind(changed, old.ok ? old.value : undefined);
          assert.ok(!parsed.ok);
          assert.deepEqual(errorsOf(await say(send("PUT", changed))), errorsOf(parsed.error));
        });
      }
    });
  }

  for (const [index, { kind, shows, says, spec }] of inlineCode.entries()) {
    it(`${says === undefined ? "takes" : "refuses"} ${shows}`, async () => {
      const request = client.create(manifestOf(kind, `inline-${index}`, spec));
      if (says === undefined) await request;
      else await assert.rejects(request, (error: Error) => error.message.includes(says));
    });
  }

  for (const manifest of ackManifests) {
    it(`takes ${manifest.kind} "${manifest.metadata.name}", written for ACK, by another apiVersion alone`, async () => {
      const ref = refOfKind(kindDefinitions.find(({ kind }) => kind === manifest.kind)!);
      await client.raw("POST", `${pathOf(ref, "default")}?fieldValidation=Strict`, convert(manifest));
      const stored = await client.get({ kind: ref, namespace: "default", name: manifest.metadata.name });
      assert.deepEqual({ ...(stored.spec as object), ...manifest.spec }, stored.spec);
    });
  }

  it("scales an alias by its provisioned concurrency", async () => {
    const ref = { kind: refOfKind(kindDefinitions.find(({ kind }) => kind === "Alias")!), namespace: "default" };
    const spec = { functionName: "f", provisionedConcurrencyConfig: { provisionedConcurrentExecutions: 1 } };
    await client.create(manifestOf("Alias", "scaled", spec));
    await client.patch({ ...ref, name: "scaled" }, { spec: { replicas: 3 } }, { subresource: "scale" });
    const scaled = await client.get({ ...ref, name: "scaled" });
    assert.deepEqual(scaled.spec, {
      functionName: "f",
      provisionedConcurrencyConfig: { provisionedConcurrentExecutions: 3 },
    });
  });
});

interface ConditionSeen {
  readonly type: string;
  readonly status: string;
}

function refOfKind({ apiVersion, kind, plural }: Pick<KindRef, "apiVersion" | "kind" | "plural">): KindRef {
  return { apiVersion, kind, plural, namespaced: true };
}

function definitionOf(plural: string): KubernetesObject {
  return parse(readFileSync(new URL(`../../crds/${plural}.yaml`, import.meta.url), "utf8")) as KubernetesObject;
}

/** The single errors of a message, sorted, without the object's name and without the note that not all was checked. */
function errorsOf(message: string): string[] {
  const body = message
    .replace(/^\w+\.kubelambda\.dev "[^"]*" is invalid: /, "")
    .replace(/^\w+ in version "\w+" cannot be handled as a \w+: strict decoding error: /, "")
    .replace(/^\[(.*)\]$/s, "$1");
  const errors = body.split(/, (?=(?:spec|<nil>|unknown field)\S*:? )/);
  return errors.filter((error) => error !== unchecked).sort();
}
