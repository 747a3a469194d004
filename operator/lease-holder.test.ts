import assert from "node:assert/strict";
import { describe, it } from "mocha";
import type { KubernetesClient } from "../lib/kubernetes/client.ts";
import { KubernetesError } from "../lib/kubernetes/kubernetes-error.ts";
import type { ObjectRef } from "../lib/kubernetes/object.ts";
import { holderOf, isPodGone } from "./lease-holder.ts";

const name = "kubelambda-operator-5d8f-x2x4z";
const uid = "5f0e8a52-3f0e-4f7c-9d0e-0d3c2b1a9f8e";
const otherUid = "0b9c7a52-3f0e-4f7c-9d0e-0d3c2b1a9f8e";

describe("the holder of the operators' Lease", () => {
  /** A namespace with one pod in it. */
  function clientOf(phase: string, failure?: "Forbidden"): Pick<KubernetesClient, "get"> {
    const pod = { metadata: { namespace: "a", name, uid }, status: { phase } };
    const get = (ref: ObjectRef): Promise<unknown> => {
      const code = failure ?? (ref.name === name ? undefined : "NotFound");
      if (code === undefined) return Promise.resolve(pod);
      return Promise.reject(new KubernetesError({ code, action: "get pod", serverMessage: "no" }));
    };
    return { get: get as KubernetesClient["get"] };
  }
  const holder = (podUid: string, podName = name): string =>
    holderOf({ KUBELAMBDA_POD_NAME: podName, KUBELAMBDA_POD_UID: podUid });

  for (const [phase, isGone] of Object.entries({ Running: false, Pending: false, Failed: true, Succeeded: true })) {
    it(`is ${isGone ? "gone" : "there"} while its pod is ${phase}`, async () => {
      assert.equal(await isPodGone(clientOf(phase), "a", holder(uid)), isGone);
    });
  }

  it("is gone with its pod, also where another has its name", async () => {
    const client = clientOf("Running");
    assert.equal(await isPodGone(client, "a", holder(uid, "kubelambda-operator-5d8f-other")), true);
    assert.equal(await isPodGone(client, "a", holder(otherUid)), true);
  });

  it("is not known to be gone when it is no pod, or nobody can say", async () => {
    const client = clientOf("Running");
    assert.equal(await isPodGone(client, "a", holderOf({})), false);
    assert.equal(await isPodGone(client, "a", "somebody else"), false);
    await assert.rejects(isPodGone(clientOf("Running", "Forbidden"), "a", holder(otherUid)));
  });
});
