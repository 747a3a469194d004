import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { annotations } from "../../../crds/names.ts";
import type { EnvironmentDocument } from "../../../crds/wire/environment.ts";
import type { FunctionSpecInput } from "../../../crds/v1alpha1/function.ts";
import { ownedBy } from "../../../lib/kubernetes/object.ts";
import { environmentSettings, imageFunction, imageRecipe, resolvedImage } from "../../../test/kit/function-seen.ts";
import type { Pod } from "../../pod.ts";
import { environmentPod } from "./pods.ts";

function podOf(spec: Partial<FunctionSpecInput> = {}, changes: Partial<typeof environmentSettings> = {}): Pod {
  const object = imageFunction(spec);
  const settings = { ...environmentSettings, ...changes };
  return environmentPod({
    epoch: 7,
    nowMs: 1_700_000_000_123,
    namespace: "team",
    name: "hello-1",
    owner: ownedBy(object),
    recipe: imageRecipe(object),
    settings,
  });
}

function container({ spec }: Pod, name: string): Pod["spec"]["containers"][number] {
  const found = [...(spec.initContainers ?? []), ...spec.containers].find((candidate) => candidate.name === name);
  assert.ok(found !== undefined, name);
  return found;
}

describe("the pod of an image", () => {
  it("runs the image by its digest, from the node where that has it, by the supervisor as the function's own user", () => {
    const runtime = container(podOf({}, { imagePullPolicy: "Always" }), "runtime");
    assert.equal(runtime.image, resolvedImage.reference);
    assert.equal(runtime.imagePullPolicy, "IfNotPresent");
    assert.deepEqual(runtime.command, ["/run/kubelambda/runtime/supervisor"]);
    assert.equal(runtime.args, undefined);
    assert.equal(runtime.workingDir, "/");
    assert.equal(runtime.securityContext?.runAsUser, 10_002);
  });

  it("packages-layers-env 31: mounts nothing over the image's /var/task and /opt, where its extensions are", () => {
    const pod = podOf();
    for (const name of ["assemble", "agent", "runtime"]) {
      const paths = (container(pod, name).volumeMounts ?? []).map(({ mountPath }) => mountPath);
      assert.equal(
        paths.some((path) => path.startsWith("/var/task") || path.startsWith("/opt")),
        false,
        name,
      );
    }
    assert.deepEqual((pod.spec.volumes ?? []).map(({ name }) => name).sort(), [
      "control-runtime",
      "tmp",
      "token-agent",
      "token-assemble",
    ]);
    assert.deepEqual(
      pod.spec.containers.map(({ name }) => name),
      ["agent", "runtime"],
    );
  });

  it("tells the agent what to start as data, which no kubelet expands", () => {
    const pod = podOf({ imageConfig: { command: ["$(HOME)"] } });
    const document = JSON.parse(pod.metadata.annotations?.[annotations.environment] ?? "") as EnvironmentDocument;
    assert.deepEqual(document.argv, ["/entry", "$(HOME)"]);
  });

  it("packages-layers-env 36: goes to nodes of its architecture, and pulls with the function's secrets", () => {
    const { spec } = podOf({
      architectures: ["arm64"],
      podTemplate: { spec: { imagePullSecrets: [{ name: "pull" }] } },
    });
    assert.deepEqual(spec.nodeSelector, { "kubernetes.io/arch": "arm64" });
    assert.deepEqual(spec.imagePullSecrets, [{ name: "pull" }]);
  });
});
