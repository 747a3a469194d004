import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { labels } from "../../crds/names.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";
import type { Pod } from "../pod.ts";
import { environmentState, isSameEnvironment } from "./environment-state.ts";

type Status = NonNullable<Pod["status"]>;
type ContainerState = NonNullable<NonNullable<Status["containerStatuses"]>[number]["state"]>;

function pod(status: Status, deletionTimestamp?: string): Stored<Pod> {
  const metadata = {
    name: "f-1",
    uid: "u",
    resourceVersion: "1",
    creationTimestamp: "2026-01-01T00:00:00Z",
    labels: { "kubelambda.dev/revision": "r" },
    ...(deletionTimestamp !== undefined && { deletionTimestamp }),
  };
  return { apiVersion: "v1", kind: "Pod", metadata, spec: { containers: [] }, status };
}
function container(name: string, state: ContainerState) {
  return { name, state, image: "nodejs:24", imageID: "", ready: false, restartCount: 0 };
}
function terminated(exitCode: number, seconds: number, message?: string): ContainerState {
  const finishedAt = `2026-01-01T00:00:${String(seconds).padStart(2, "0")}Z`;
  const reason = exitCode === 0 ? "Completed" : "Error";
  return {
    terminated: {
      exitCode,
      reason,
      startedAt: "2026-01-01T00:00:00Z",
      finishedAt,
      ...(message !== undefined && { message }),
    },
  };
}
function withExtension(of: Stored<Pod>, annotation: string): Stored<Pod> {
  return { ...of, metadata: { ...of.metadata, annotations: { "kubelambda.dev/extensions": annotation } } };
}
const running: ContainerState = { running: { startedAt: "2026-01-01T00:00:00Z" } };

const cases: Record<string, { pod: Stored<Pod>; want: { phase: string; reason?: string; message?: string } }> = {
  "starts while nothing is said of it": { pod: pod({ phase: "Pending" }), want: { phase: "starting" } },
  "runs when all containers run": {
    pod: pod({ phase: "Running", containerStatuses: [container("agent", running), container("runtime", running)] }),
    want: { phase: "running" },
  },
  "starts while one of two containers runs": {
    pod: pod({
      containerStatuses: [
        container("agent", running),
        container("runtime", { waiting: { reason: "ContainerCreating" } }),
      ],
    }),
    want: { phase: "starting" },
  },
  "goes when it is being deleted, whatever else": {
    pod: pod({ phase: "Failed" }, "2026-01-01T00:01:00Z"),
    want: { phase: "terminating" },
  },
  "is over when an extension's container ended, whatever the others do, and names the extension's file": {
    pod: withExtension(
      pod({
        phase: "Running",
        containerStatuses: [
          container("agent", running),
          container("runtime", running),
          container("extension-1", terminated(1, 2)),
        ],
      }),
      '{"otel.sh":"/run/kubelambda/extension-1/agent.sock"}',
    ),
    want: {
      phase: "ended",
      reason: "Crashed",
      message: 'Container "extension-1" of extension "otel.sh" ended right after its start: Error, exit code 1',
    },
  },
  "is over when an extension's container ended after a while": {
    pod: pod({
      phase: "Running",
      containerStatuses: [container("runtime", running), container("extension-1", terminated(0, 30))],
    }),
    want: { phase: "ended" },
  },
  "starts while an extension's container does not run": {
    pod: pod({
      containerStatuses: [
        container("agent", running),
        container("runtime", running),
        container("extension-1", { waiting: { reason: "ContainerCreating" } }),
      ],
    }),
    want: { phase: "starting" },
  },
  "names an extension's container alone when the annotation is not ours": {
    pod: withExtension(pod({ containerStatuses: [container("extension-1", terminated(1, 2))] }), '["x",{'),
    want: {
      phase: "ended",
      reason: "Crashed",
      message: 'Container "extension-1" ended right after its start: Error, exit code 1',
    },
  },
  "has not got its code when the agent says so, however long it took": {
    pod: pod({
      phase: "Failed",
      containerStatuses: [
        container("agent", { terminated: { exitCode: 78, message: "Cannot assemble code\n(x): digest" } }),
        container("runtime", terminated(1, 61)),
      ],
    }),
    want: {
      phase: "failed",
      reason: "AssembleFailed",
      message: "The environment cannot get its code: Cannot assemble code (x): digest",
    },
  },
  "is over when one container ended": {
    pod: pod({
      phase: "Running",
      containerStatuses: [container("agent", running), container("runtime", terminated(137, 50))],
    }),
    want: { phase: "ended" },
  },
  "crashed when a container ended right after its start": {
    pod: pod({ containerStatuses: [container("agent", terminated(1, 1, "no\nsocket"))] }),
    want: {
      phase: "ended",
      reason: "Crashed",
      message: 'Container "agent" ended right after its start: Error, exit code 1: no socket',
    },
  },
  "did not crash when it ended with 0": {
    pod: pod({ containerStatuses: [container("agent", terminated(0, 1))] }),
    want: { phase: "ended" },
  },
  "has no code when assemble failed": {
    pod: pod({
      initContainerStatuses: [container("assemble", terminated(1, 1, "Cannot assemble code: no such package"))],
    }),
    want: {
      phase: "failed",
      reason: "AssembleFailed",
      message: "The environment cannot get its code: Cannot assemble code: no such package",
    },
  },
  "starts when assemble is done": {
    pod: pod({ initContainerStatuses: [container("assemble", terminated(0, 1))] }),
    want: { phase: "starting" },
  },
  "fails when an image cannot be pulled": {
    pod: pod({
      containerStatuses: [container("runtime", { waiting: { reason: "ImagePullBackOff", message: "Back-off" } })],
    }),
    want: {
      phase: "failed",
      reason: "ImagePullFailed",
      message: 'Container "runtime" does not start with image "nodejs:24": ImagePullBackOff: Back-off',
    },
  },
  "waits, and says so, while a Secret is missing": {
    pod: pod({
      containerStatuses: [
        container("agent", { waiting: { reason: "CreateContainerConfigError", message: 'secret "s" not found' } }),
      ],
    }),
    want: {
      phase: "starting",
      reason: "ContainerNotConfigured",
      message: 'Cannot fill in the variables of environment.valueFrom: secret "s" not found',
    },
  },
  "waits, and says so, when no node takes it": {
    pod: pod({
      conditions: [{ type: "PodScheduled", status: "False", reason: "Unschedulable", message: "0/3 nodes" }],
    }),
    want: { phase: "starting", reason: "Unschedulable", message: "No node takes the environment: 0/3 nodes" },
  },
  "says why it was evicted": {
    pod: pod({ phase: "Failed", reason: "Evicted", message: "/tmp is full" }),
    want: { phase: "ended", reason: "Evicted", message: "The environment's pod failed: /tmp is full" },
  },
};

describe("environmentState", () => {
  for (const [sentence, { pod: seen, want }] of Object.entries(cases)) {
    it(sentence, () => {
      const { phase, failure, revisionID } = environmentState(seen);
      assert.equal(phase, want.phase);
      assert.equal(failure?.reason, want.reason);
      if (want.message !== undefined) assert.equal(failure?.message, want.message);
      assert.equal(revisionID, "r");
    });
  }

  it("is taken away, and has not failed, when its node shuts down under it", () => {
    const status: Status = {
      phase: "Failed",
      reason: "Terminated",
      conditions: [{ type: "DisruptionTarget", status: "True", reason: "TerminationByKubelet" }],
      containerStatuses: [container("agent", terminated(137, 1))],
    };
    const { phase, failure, isTakenAway } = environmentState(pod(status));
    assert.deepEqual([phase, failure, isTakenAway], ["ended", undefined, true]);
  });

  it("is cut off when the node controller says that it is not ready, though its containers are", () => {
    const ready = { ...container("agent", running), ready: true };
    const conditions = [{ type: "Ready", status: "False" }];
    assert.equal(environmentState(pod({ conditions, containerStatuses: [ready] })).isCutOff, true);
    const failing = { ...ready, ready: false };
    assert.equal(environmentState(pod({ conditions, containerStatuses: [failing] })).isCutOff, undefined);
    assert.equal(environmentState(pod({ containerStatuses: [ready] })).isCutOff, undefined);
  });

  it("has run once all its containers did, also when it is on its way out", () => {
    const at = "2026-01-01T00:01:00Z";
    const waiting: ContainerState = { waiting: { reason: "PodInitializing" } };
    const both = (state: ContainerState) => [container("agent", running), container("runtime", state)];
    const hasRun = (status: Status) => environmentState(pod(status, at)).hasRun;
    assert.equal(hasRun({ phase: "Pending" }), false);
    assert.equal(hasRun({ phase: "Pending", containerStatuses: both(waiting) }), false);
    assert.equal(hasRun({ phase: "Running", containerStatuses: both(running) }), true);
    assert.equal(hasRun({ phase: "Running", containerStatuses: both(terminated(0, 9)) }), true);
  });
});

describe("isSameEnvironment", () => {
  const starting = pod({ phase: "Pending" });
  const assigned = (functionUid: string): Stored<Pod> => ({
    ...starting,
    metadata: { ...starting.metadata, labels: { ...starting.metadata.labels, [labels.functionUid]: functionUid } },
  });
  const after: Record<string, { pod: Stored<Pod>; want: boolean }> = {
    "the same when it gets its node": {
      pod: pod({ phase: "Pending", conditions: [{ type: "PodScheduled", status: "True" }] }),
      want: true,
    },
    "another when it finds no node": {
      pod: pod({ conditions: [{ type: "PodScheduled", status: "False", reason: "Unschedulable", message: "m" }] }),
      want: false,
    },
    "another when its containers run": {
      pod: pod({ phase: "Running", containerStatuses: [container("agent", running)] }),
      want: false,
    },
    "another when it is being deleted": { pod: pod({ phase: "Pending" }, "2026-01-01T00:01:00Z"), want: false },
    "another when it becomes a function's": { pod: assigned("f"), want: false },
  };
  for (const [what, { pod: changed, want }] of Object.entries(after))
    it(`is ${what}`, () => assert.equal(isSameEnvironment(starting, changed), want));
});
