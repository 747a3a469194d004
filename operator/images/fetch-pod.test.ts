import assert from "node:assert/strict";
import { describe, it } from "mocha";
import type { ImageAnswer, ResolveImageRequest } from "../../crds/wire/images.ts";
import { imageFunction, resolvedImage } from "../../test/kit/function-seen.ts";
import type { Pod } from "../pod.ts";
import { fetchOutcome, fetchPod } from "./fetch-pod.ts";

const request: ResolveImageRequest = {
  namespace: "team",
  image: "registry.test/team/image:$(1)",
  architecture: "x86_64",
};
const settings = {
  image: "kubelambda:1",
  imagePullPolicy: "IfNotPresent",
  plainHttpHosts: "registry.test:5000",
} as const;

function podOf(object = imageFunction()): Pod {
  return fetchPod({ object, name: "hello-fetch-x", request, secrets: ["one", "two"], settings });
}

describe("the pod that reads an image", () => {
  it("has the pull secrets, no token, and nothing that Pod Security restricts", () => {
    const { spec } = podOf();
    const [container] = spec.containers;
    assert.ok(container !== undefined);
    assert.deepEqual(spec.volumes, [
      { name: "pull-0", secret: { secretName: "one", optional: true } },
      { name: "pull-1", secret: { secretName: "two", optional: true } },
    ]);
    assert.deepEqual(
      container.volumeMounts?.map(({ mountPath, readOnly }) => [mountPath, readOnly]),
      [
        ["/var/run/secrets/kubelambda/pull/pull-0", true],
        ["/var/run/secrets/kubelambda/pull/pull-1", true],
      ],
    );
    assert.equal(spec.automountServiceAccountToken, false);
    assert.equal(spec.securityContext?.runAsNonRoot, true);
    const { securityContext } = container;
    assert.deepEqual(securityContext?.capabilities, { drop: ["ALL"] });
    assert.equal(securityContext.allowPrivilegeEscalation, false);
    assert.equal(spec.activeDeadlineSeconds, 120);
  });

  it("belongs to the function, is no environment of it, and goes where its pods go", () => {
    const tolerations = [{ key: "special", operator: "Exists" }];
    const { metadata, spec } = podOf(imageFunction({ podTemplate: { spec: { tolerations } } }));
    assert.equal(metadata.ownerReferences?.[0]?.uid, "uid-1");
    assert.equal(metadata.labels?.["kubelambda.dev/component"], "fetch");
    assert.deepEqual(spec.tolerations, tolerations);
  });

  it("gets its question as it is, whatever the kubelet expands", () => {
    const [container] = podOf().spec.containers;
    const value = container?.env?.find(({ name }) => name === "KUBELAMBDA_FETCH_REQUEST")?.value ?? "";
    assert.ok(value.includes("$$(1)"));
    assert.deepEqual(JSON.parse(value.replaceAll("$$", "$")), request);
  });

  const resolved: ImageAnswer = { outcome: "resolved", image: resolvedImage };
  type Status = NonNullable<Pod["status"]>;
  type State = NonNullable<NonNullable<Status["containerStatuses"]>[number]["state"]>;
  const container = (state: State): Status => ({
    containerStatuses: [{ name: "fetch", ready: false, restartCount: 0, image: "x", imageID: "", state }],
  });
  const cases: Record<string, { status: Status; want: ImageAnswer["outcome"] | RegExp | undefined }> = {
    "is not over before it has begun": { status: {}, want: undefined },
    "is not over while it is made": {
      status: container({ waiting: { reason: "ContainerCreating" } }),
      want: undefined,
    },
    "is not over while it runs": { status: container({ running: {} }), want: undefined },
    "has answered": {
      status: container({ terminated: { exitCode: 0, message: JSON.stringify(resolved) } }),
      want: "resolved",
    },
    "has ended without an answer": {
      status: container({ terminated: { exitCode: 137 } }),
      want: /exit code 137 and no answer$/,
    },
    "has left something else": {
      status: container({ terminated: { exitCode: 0, message: '{"outcome":"resolved"}' } }),
      want: /no answer$/,
    },
    "cannot be pulled": {
      status: container({ waiting: { reason: "ImagePullBackOff", message: "no such image" } }),
      want: /does not start: ImagePullBackOff: no such image$/,
    },
    "was evicted": { status: { phase: "Failed", reason: "Evicted", message: "node is full" }, want: /node is full$/ },
    "took too long": { status: { phase: "Failed", reason: "DeadlineExceeded" }, want: /DeadlineExceeded$/ },
  };
  for (const [what, { status, want }] of Object.entries(cases)) {
    it(what, () => {
      const outcome = fetchOutcome({ ...podOf(), status }, request);
      if (!(want instanceof RegExp)) {
        assert.equal(outcome?.outcome, want);
        return;
      }
      assert.ok(outcome?.outcome === "failed");
      assert.equal(outcome.code, "FetchFailed");
      assert.match(outcome.message, want);
    });
  }
});
