/** The corpus against a real API server: what zod says, it says. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, it } from "mocha";
import { parse } from "yaml";
import { kindDefinitions } from "../../crds/kinds.ts";
import { kubeconfigAccess } from "../../lib/kubernetes/api-server-access.ts";
import { ApiServerClient } from "../../lib/kubernetes/api-server-client.ts";
import type { KubernetesObject } from "../../lib/kubernetes/object.ts";
import { startControlPlane, type ControlPlane } from "../cluster/control-plane.ts";
import { manifestOf, readCorpus } from "../kit/crd-corpus.ts";

const establishedWithinMs = 30_000;

describe("CustomResourceDefinitions on a real API server", function () {
  this.timeout(120_000);
  let controlPlane: ControlPlane;
  let client: ApiServerClient;

  before(async () => {
    controlPlane = await startControlPlane();
    client = new ApiServerClient({
      access: await kubeconfigAccess(controlPlane.kubeconfig),
      kinds: kindDefinitions.map((kind) => ({ ...kind, namespaced: true })),
    });
    for (const { plural } of kindDefinitions) {
      const definition = parse(
        readFileSync(new URL(`../../crds/${plural}.yaml`, import.meta.url), "utf8"),
      ) as KubernetesObject;
      await client.create(definition);
    }
    await untilServed();
  });
  after(async () => {
    await client.close();
    await controlPlane.stop();
  });

  async function untilServed(): Promise<void> {
    const deadline = Date.now() + establishedWithinMs;
    for (const kind of kindDefinitions) {
      for (;;) {
        const served = await client.list({ ...kind, namespaced: true }).then(
          () => true,
          () => false,
        );
        if (served) break;
        assert.ok(Date.now() < deadline, `${kind.kind} is not served`);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }

  for (const [index, entry] of readCorpus("good").entries()) {
    it(`takes a ${entry.kind} with ${entry.shows ?? ""}`, async () => {
      await client.create(manifestOf(entry, `good-${index}`) as KubernetesObject);
    });
  }
  for (const [index, entry] of readCorpus("bad").entries()) {
    it(`refuses ${entry.kind} ${index}: ${entry.says ?? ""}`, async () => {
      await assert.rejects(strictCreate(manifestOf(entry, `bad-${index}`) as KubernetesObject), (error: Error) => {
        assert.ok(error.message.includes(entry.says ?? "nothing"), error.message);
        return true;
      });
    });
  }

  /** As kubectl does it: unknown fields are refused, not pruned. */
  async function strictCreate(object: KubernetesObject): Promise<void> {
    const plural = kindDefinitions.find(({ kind }) => kind === object.kind)?.plural ?? "";
    const path = `/apis/${object.apiVersion}/namespaces/default/${plural}?fieldValidation=Strict`;
    await client.raw("POST", path, object);
  }
});
