import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "mocha";
import { imageFunction } from "../test/kit/function-seen.ts";
import { fetchEnd, fetchPod, type FetchEnd } from "./fetch-pod.ts";
import type { Pod } from "./pod.ts";

const settings = { image: "kubelambda:1", imagePullPolicy: "IfNotPresent", packagesUrl: "http://packages" } as const;
const question = '{"image":"registry.test/team/image:$(1)"}';
const stored = { uid: "pod-1", resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z" };
const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

function podOf(object = imageFunction()): Pod {
  const { podTemplate } = object.spec;
  const wanted = { owner: object, variables: { QUESTION: question }, secretFiles: ["one", "two"], podTemplate };
  return fetchPod({ ...wanted, sendsPackage: false, deadlineSeconds: 120 }, settings, sha256);
}

describe("the pod that reads with a tenant's Secret", () => {
  it("has the Secrets, no token, and nothing that Pod Security restricts", () => {
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
    const value = container?.env?.find(({ name }) => name === "QUESTION")?.value ?? "";
    assert.ok(value.includes("$$(1)"));
    assert.equal(value.replaceAll("$$", "$"), question);
  });

  type Status = NonNullable<Pod["status"]>;
  type State = NonNullable<NonNullable<Status["containerStatuses"]>[number]["state"]>;
  const container = (state: State): Status => ({
    containerStatuses: [{ name: "fetch", ready: false, restartCount: 0, image: "x", imageID: "", state }],
  });
  const cases: Record<string, { status: Status; want: FetchEnd | RegExp | undefined }> = {
    "is not over before it has begun": { status: {}, want: undefined },
    "is not over while it is made": {
      status: container({ waiting: { reason: "ContainerCreating" } }),
      want: undefined,
    },
    "is not over while it runs": { status: container({ running: {} }), want: undefined },
    "has answered": {
      status: container({ terminated: { exitCode: 0, message: "its word" } }),
      want: { type: "answered", message: "its word" },
    },
    "has ended without an answer": {
      status: container({ terminated: { exitCode: 137 } }),
      want: /137/,
    },
    "cannot be pulled": {
      status: container({ waiting: { reason: "ImagePullBackOff", message: "no such image" } }),
      want: /ImagePullBackOff.*no such image/,
    },
    "was evicted": { status: { phase: "Failed", reason: "Evicted", message: "node is full" }, want: /node is full$/ },
    "took too long": { status: { phase: "Failed", reason: "DeadlineExceeded" }, want: /DeadlineExceeded$/ },
  };
  for (const [what, { status, want }] of Object.entries(cases)) {
    it(what, () => {
      const pod = podOf();
      const end = fetchEnd({ ...pod, metadata: { ...pod.metadata, ...stored }, status });
      if (!(want instanceof RegExp)) {
        assert.deepEqual(end, want);
        return;
      }
      assert.ok(end?.type === "failed");
      assert.match(end.message, want);
    });
  }
});
