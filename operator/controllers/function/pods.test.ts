import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { annotations } from "../../../crds/names.ts";
import { environmentDocumentSchema } from "../../../crds/wire/environment.ts";
import type { FunctionSpecInput } from "../../../crds/v1alpha1/function.ts";
import { ownedBy } from "../../../lib/kubernetes/object.ts";
import { environmentSettings, functionObject, recipeFor } from "../../../test/kit/function-seen.ts";
import type { EnvironmentSettings } from "../../environment-settings.ts";
import type { Pod } from "../../pod.ts";
import { environmentPod } from "./pods.ts";

function pod(spec: Partial<FunctionSpecInput> = {}, changes: Partial<EnvironmentSettings> = {}): Pod {
  const object = functionObject(spec);
  const settings = { ...environmentSettings, ...changes };
  return environmentPod({
    namespace: "team",
    name: "hello-1",
    owner: ownedBy(object),
    recipe: recipeFor(object),
    settings,
  });
}

type Container = Pod["spec"]["containers"][number];
function containersOf({ spec }: Pod): readonly Container[] {
  return [...(spec.initContainers ?? []), ...spec.containers];
}
function container(of: Pod, name: string): Container {
  const found = containersOf(of).find((candidate) => candidate.name === name);
  assert.ok(found !== undefined);
  return found;
}
function mountsOf(of: Pod, name: string): Record<string, string> {
  return Object.fromEntries(
    (container(of, name).volumeMounts ?? []).map((mount) => [
      mount.mountPath,
      `${mount.name}${mount.readOnly === true ? " ro" : ""}`,
    ]),
  );
}

const variants: Record<string, Pod> = {
  "as it comes": pod(),
  "with resources of the whole pod": pod({}, { hasPodResources: true }),
  "with a service account and a value from a Secret": pod({
    serviceAccountName: "worker",
    environment: { valueFrom: { TOKEN: { secretKeyRef: { name: "s", key: "k" } } } },
  }),
  "with a pod template": pod({
    podTemplate: { spec: { nodeSelector: { a: "b" }, hostAliases: [{ ip: "192.0.2.1", hostnames: ["db"] }] } },
  }),
  "with /tmp in memory": pod({}, { tmpMedium: "Memory" }),
};

/** Source: Kubernetes documentation, Pod Security Standards, restricted. */
const restricted: Record<string, (of: Pod) => boolean> = {
  "has no host namespaces": ({ spec }) =>
    spec.hostNetwork === undefined && spec.hostPID === undefined && spec.hostIPC === undefined,
  "has no privileged container": (of) =>
    containersOf(of).every(({ securityContext }) => securityContext?.privileged === undefined),
  "drops all capabilities and adds none": (of) =>
    containersOf(of).every(
      ({ securityContext }) =>
        securityContext?.capabilities?.drop?.join() === "ALL" && securityContext.capabilities.add === undefined,
    ),
  "has volumes of allowed types": ({ spec }) =>
    (spec.volumes ?? []).every((volume) => volume.emptyDir !== undefined || volume.projected !== undefined),
  "has no host ports": (of) =>
    containersOf(of).every(({ ports }) => (ports ?? []).every(({ hostPort }) => hostPort === undefined)),
  "does not escalate": (of) =>
    containersOf(of).every(({ securityContext }) => securityContext?.allowPrivilegeEscalation === false),
  "runs as no root": ({ spec, ...of }) =>
    spec.securityContext?.runAsNonRoot === true &&
    containersOf({ spec, ...of }).every(({ securityContext }) => (securityContext?.runAsUser ?? 0) > 0),
  "has the runtime's default seccomp profile": ({ spec }) =>
    spec.securityContext?.seccompProfile?.type === "RuntimeDefault",
  "has a read-only root file system": (of) =>
    containersOf(of).every(({ securityContext }) => securityContext?.readOnlyRootFilesystem === true),
  "mounts no token by itself": ({ spec }) => spec.automountServiceAccountToken === false,
  "mounts volumes that it has": (of) =>
    containersOf(of).every(({ volumeMounts }) =>
      (volumeMounts ?? []).every(({ name }) => of.spec.volumes?.some((volume) => volume.name === name) === true),
    ),
};

describe("environmentPod", () => {
  for (const [variant, made] of Object.entries(variants)) {
    for (const [rule, holds] of Object.entries(restricted)) it(`${rule} ${variant}`, () => assert.ok(holds(made)));
  }

  it("carries the environment's document, which its schema accepts", () => {
    const made = pod({
      environment: { variables: { PRICE: "$(HOME)" }, valueFrom: { TOKEN: { secretKeyRef: { name: "s", key: "k" } } } },
    });
    const document = environmentDocumentSchema.parse(
      JSON.parse(made.metadata.annotations?.[annotations.environment] ?? ""),
    );
    assert.deepEqual(document.variables, { PRICE: "$(HOME)" });
    assert.deepEqual(document.variablesFrom, { TOKEN: "KUBELAMBDA_VALUE_0" });
    const variable = container(made, "agent").env?.find(({ name }) => name === "KUBELAMBDA_VALUE_0");
    assert.deepEqual(variable?.valueFrom, { secretKeyRef: { name: "s", key: "k" } });
    assert.ok(!JSON.stringify(made.spec).includes("PRICE"), "the kubelet would expand it");
  });

  it("gives each container its own token and nobody else's", () => {
    const made = pod();
    assert.equal(mountsOf(made, "agent")["/var/run/secrets/kubelambda"], "token-router ro");
    assert.equal(mountsOf(made, "assemble")["/var/run/secrets/kubelambda"], "token-packages ro");
    assert.deepEqual(mountsOf(made, "runtime"), {
      "/var/task": "task ro",
      "/opt": "opt ro",
      "/tmp": "tmp",
      "/run/kubelambda/runtime": "control-runtime ro",
    });
  });

  it("mounts a named service account's token into the runtime alone", () => {
    const made = pod({ serviceAccountName: "worker" });
    const path = "/var/run/secrets/kubernetes.io/serviceaccount";
    assert.equal(made.spec.serviceAccountName, "worker");
    assert.deepEqual(
      ["assemble", "agent", "runtime"].map((name) => mountsOf(made, name)[path]),
      [undefined, undefined, "account ro"],
    );
  });

  it("gives assemble and agent one user, the function another", () => {
    const users = ["assemble", "agent", "runtime"].map((name) => container(pod(), name).securityContext?.runAsUser);
    assert.deepEqual(users, [10_001, 10_001, 10_002]);
  });

  it("has time for the function's timeout and its end", () => {
    assert.equal(pod({ timeout: 900 }).spec.terminationGracePeriodSeconds, 905);
  });

  it("lets a pod template say where, not what", () => {
    const object = functionObject({
      podTemplate: {
        metadata: { labels: { team: "a", "argocd.argoproj.io/instance": "x" } },
        spec: { nodeSelector: { disk: "ssd", "kubernetes.io/arch": "s390x" }, priorityClassName: "high" },
      },
    });
    const recipe = recipeFor(object);
    const sneaky = {
      ...recipe,
      podTemplate: { ...recipe.podTemplate, spec: { ...recipe.podTemplate?.spec, hostNetwork: true, containers: [] } },
    };
    const made = environmentPod({
      namespace: "team",
      name: "x",
      owner: ownedBy(object),
      recipe: sneaky,
      settings: environmentSettings,
    });
    assert.equal(made.metadata.labels?.["team"], "a");
    assert.equal(made.metadata.labels["kubelambda.dev/revision"], recipe.document.revisionID);
    assert.equal(made.metadata.labels["argocd.argoproj.io/instance"], undefined);
    assert.deepEqual(made.spec.nodeSelector, { disk: "ssd", "kubernetes.io/arch": "amd64" });
    assert.equal(made.spec.priorityClassName, "high");
    assert.equal(made.spec.hostNetwork, undefined);
    assert.equal(made.spec.containers.length, 2);
  });

  const resources: Record<
    string,
    { spec?: Partial<FunctionSpecInput>; changes?: Partial<EnvironmentSettings>; of: "pod" | "runtime"; want: unknown }
  > = {
    "one CPU at least by default": {
      of: "runtime",
      want: { requests: { cpu: "73m", memory: "128Mi" }, limits: { cpu: "1000m", memory: "128Mi" } },
    },
    "a CPU for 1769 MB where proportional": {
      spec: { memorySize: 1769 },
      changes: { cpuPolicy: "proportional" },
      of: "runtime",
      want: { requests: { cpu: "1000m", memory: "1769Mi" }, limits: { cpu: "1000m", memory: "1769Mi" } },
    },
    "no limit of CPU where there is none": {
      changes: { cpuPolicy: "none", cpuRequestPercent: 50, memoryRequestPercent: 50 },
      of: "runtime",
      want: { requests: { cpu: "37m", memory: "64Mi" }, limits: { memory: "128Mi" } },
    },
    "a /tmp in memory on top": {
      changes: { tmpMedium: "Memory" },
      of: "runtime",
      want: { requests: { cpu: "73m", memory: "128Mi" }, limits: { cpu: "1000m", memory: "640Mi" } },
    },
    "a limit of the whole pod with the agent's share": {
      changes: { hasPodResources: true },
      of: "pod",
      want: { requests: { cpu: "83m", memory: "224Mi" }, limits: { cpu: "1010m", memory: "224Mi" } },
    },
  };
  for (const [sentence, { spec, changes, of, want }] of Object.entries(resources)) {
    it(`has ${sentence}`, () => {
      const made = pod(spec, changes);
      assert.deepEqual(of === "pod" ? made.spec.resources : container(made, "runtime").resources, want);
      if (of === "pod") assert.equal(container(made, "runtime").resources, undefined);
    });
  }
});
