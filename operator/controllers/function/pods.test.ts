import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { accountIdOf, annotations } from "../../../crds/names.ts";
import { environmentDocumentSchema } from "../../../crds/wire/environment.ts";
import type { FunctionSpecInput } from "../../../crds/v1alpha1/function.ts";
import { ownedBy } from "../../../lib/kubernetes/object.ts";
import { environmentSettings, functionObject, recipeFor } from "../../../test/kit/function-seen.ts";
import { layerUse } from "../../../test/kit/layer-seen.ts";
import type { EnvironmentSettings } from "../../environment-settings.ts";
import type { Pod } from "../../pod.ts";
import type { LayerUse } from "./layer-use.ts";
import { environmentPod } from "./pods.ts";

function pod(
  spec: Partial<FunctionSpecInput> = {},
  changes: Partial<EnvironmentSettings> = {},
  layers: readonly LayerUse[] = [],
): Pod {
  const object = functionObject(spec);
  const settings = { ...environmentSettings, ...changes };
  return environmentPod({
    epoch: 7,
    nowMs: 1_700_000_000_123,
    namespace: "team",
    name: "hello-1",
    owner: ownedBy(object),
    recipe: recipeFor(object, layers),
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

const withExtensions = [
  layerUse("one", { extensions: ["zeta", "$(HOME).sh"] }),
  layerUse("two", { extensions: ["alpha"] }),
];
const extensionFiles = ["$(HOME).sh", "alpha", "zeta"];

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
  "with a file system": pod({
    fileSystemConfigs: [{ persistentVolumeClaim: { name: "data" }, localMountPath: "/mnt/data" }],
    podTemplate: { spec: { securityContext: { supplementalGroups: [2000] } } },
  }),
  "with extensions": pod({ serviceAccountName: "worker" }, {}, withExtensions),
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
    (spec.volumes ?? []).every(
      ({ emptyDir, projected, persistentVolumeClaim }) =>
        (emptyDir ?? projected ?? persistentVolumeClaim) !== undefined,
    ),
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
    assert.equal(document.createdAtMs, 1_700_000_000_123);
    const variable = container(made, "agent").env?.find(({ name }) => name === "KUBELAMBDA_VALUE_0");
    assert.deepEqual(variable?.valueFrom, { secretKeyRef: { name: "s", key: "k" } });
    assert.ok(!JSON.stringify(made.spec).includes("PRICE"), "the kubelet would expand it");
  });

  it("mounts file systems into function and extensions, and gives a new volume their group", () => {
    const fileSystemConfigs = [{ persistentVolumeClaim: { name: "data" }, localMountPath: "/mnt/data" }];
    const made = pod({ fileSystemConfigs }, {}, withExtensions);
    for (const name of ["runtime", "extension-1", "extension-3"])
      assert.equal(mountsOf(made, name)["/mnt/data"], "file-system-1", name);
    for (const name of ["assemble", "agent"]) assert.equal(mountsOf(made, name)["/mnt/data"], undefined, name);
    const volume = made.spec.volumes?.find(({ name }) => name === "file-system-1");
    assert.deepEqual(volume?.persistentVolumeClaim, { claimName: "data" });
    const { fsGroup, fsGroupChangePolicy } = made.spec.securityContext ?? {};
    assert.deepEqual([fsGroup, fsGroupChangePolicy], [10_002, "OnRootMismatch"]);
    assert.equal(pod().spec.securityContext?.fsGroup, undefined, "no volume, no group");
  });

  it("takes groups from the template beside what makes the pod safe", () => {
    const securityContext = { supplementalGroups: [2000], fsGroup: 3000 };
    const made = pod({ podTemplate: { spec: { securityContext } } });
    assert.deepEqual(made.spec.securityContext, {
      ...{ runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
      ...securityContext,
    });
  });

  it("says in variables what is not the same in every pod, and nothing else", () => {
    const names = (of: string) => container(pod(), of).env?.map(({ name }) => name);
    assert.deepEqual(names("assemble"), [
      "KUBELAMBDA_ENVIRONMENT",
      "KUBELAMBDA_PACKAGES_URL",
      "KUBELAMBDA_SUPERVISOR_TARGETS",
    ]);
    assert.deepEqual(names("agent"), [
      "KUBELAMBDA_ENVIRONMENT",
      "KUBELAMBDA_POD_UID",
      "KUBELAMBDA_POD_IP",
      "KUBELAMBDA_EPOCH",
      "KUBELAMBDA_ROUTER_URL",
      "KUBELAMBDA_LAMBDA_URL",
      "KUBELAMBDA_ROUTER_KEYS",
    ]);
  });

  it("gives each container its own token and nobody else's", () => {
    const made = pod();
    assert.equal(mountsOf(made, "agent")["/var/run/secrets/kubelambda"], "token-agent ro");
    assert.equal(mountsOf(made, "assemble")["/var/run/secrets/kubelambda"], "token-assemble ro");
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

  it("has a container for each extension, like the runtime's but for its own control directory", () => {
    const made = pod({ serviceAccountName: "worker" }, {}, withExtensions);
    const names = extensionFiles.map((_, index) => `extension-${index + 1}`);
    assert.deepEqual(
      made.spec.containers.map(({ name }) => name),
      ["agent", "runtime", ...names],
    );
    const { name: _name, command, env, volumeMounts: _mounts, resources: _, ...runtime } = container(made, "runtime");
    assert.ok(command !== undefined && env !== undefined);
    for (const name of names) {
      const { name: _own, volumeMounts, resources: _resources, ...rest } = container(made, name);
      const directory = `/run/kubelambda/${name}`;
      assert.deepEqual(rest, {
        ...runtime,
        command: [`${directory}/supervisor`],
        env: [{ name: "KUBELAMBDA_SOCKET", value: `${directory}/agent.sock` }],
      });
      assert.ok(volumeMounts !== undefined);
      const { "/run/kubelambda/runtime": _control, ...shared } = mountsOf(made, "runtime");
      assert.deepEqual(mountsOf(made, name), { ...shared, [directory]: `control-${name} ro` });
      assert.equal(mountsOf(made, "agent")[directory], `control-${name}`);
      assert.equal(mountsOf(made, "assemble")[directory], `control-${name}`);
    }
    const targets = container(made, "assemble").env?.find(({ name }) => name === "KUBELAMBDA_SUPERVISOR_TARGETS");
    const directories = ["runtime", ...names].map((name) => `/run/kubelambda/${name}`);
    assert.equal(targets?.value, directories.join(","));
    assert.ok(made.spec.shareProcessNamespace === undefined, "processes of one container see no other's");
  });

  it("tells the agent which extension has which socket by what no kubelet expands", () => {
    const made = pod({}, {}, withExtensions);
    const sockets = extensionFiles.map((file, index) => [file, `/run/kubelambda/extension-${index + 1}/agent.sock`]);
    assert.deepEqual(
      JSON.parse(made.metadata.annotations?.[annotations.extensions] ?? ""),
      Object.fromEntries(sockets),
    );
    const variable = container(made, "agent").env?.find(({ name }) => name === "KUBELAMBDA_EXTENSION_SOCKETS");
    const fieldPath = "metadata.annotations['kubelambda.dev/extensions']";
    assert.deepEqual(variable?.valueFrom, { fieldRef: { fieldPath } });
    assert.ok(!JSON.stringify(made.spec).includes("HOME"));
    assert.ok(!JSON.stringify(pod()).includes("extension"), "a pod without extensions says nothing of them");
  });

  it("names its layers in merge order, those of other namespaces by their ARNs", () => {
    const layers = [layerUse("one", { version: 3 }), layerUse("two", { namespace: "other", version: 4 })];
    const document = pod({}, {}, layers).metadata.annotations?.[annotations.environment] ?? "";
    const names = environmentDocumentSchema.parse(JSON.parse(document)).layers.map(({ name }) => name);
    assert.deepEqual(names, ["one:3", `arn:aws:lambda:eu-west-1:${accountIdOf("other")}:layer:two:4`]);
  });

  it("has time for the function's timeout and its end", () => {
    assert.equal(pod({ timeout: 900 }).spec.terminationGracePeriodSeconds, 905);
  });

  const lost = (name: string, tolerationSeconds?: number): Record<string, unknown> => ({
    key: `node.kubernetes.io/${name}`,
    operator: "Exists",
    effect: "NoExecute",
    ...(tolerationSeconds !== undefined && { tolerationSeconds }),
  });
  const special = { key: "special", operator: "Exists" };
  const anything = { operator: "Exists" };
  const tolerations: Record<string, { own?: Record<string, unknown>[]; want: object[] }> = {
    "the installation's time": { want: [lost("not-ready", 30), lost("unreachable", 30)] },
    "the same beside a function's own tolerations of other taints": {
      own: [special, { ...anything, effect: "NoSchedule" }],
      want: [special, { ...anything, effect: "NoSchedule" }, lost("not-ready", 30), lost("unreachable", 30)],
    },
    "a function's own time": {
      own: [lost("unreachable", 3600)],
      want: [lost("unreachable", 3600), lost("not-ready", 30)],
    },
    "for good where a function tolerates everything": { own: [anything], want: [anything] },
  };
  for (const [title, { own, want }] of Object.entries(tolerations))
    it(`stays on a lost node: ${title}`, () => {
      const made = pod(own === undefined ? {} : { podTemplate: { spec: { tolerations: own } } }, {
        nodeLostSeconds: 30,
      });
      assert.deepEqual(made.spec.tolerations, want);
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
      epoch: 7,
      nowMs: 1_700_000_000_123,
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
    {
      spec?: Partial<FunctionSpecInput>;
      changes?: Partial<EnvironmentSettings>;
      of: "pod" | "runtime" | "extension-1";
      want: unknown;
    }
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
    "for an extension the function's memory as its limit, and small requests": {
      spec: { memorySize: 512 },
      of: "extension-1",
      want: { requests: { cpu: "10m", memory: "32Mi" }, limits: { cpu: "1000m", memory: "512Mi" } },
    },
    "a limit of the whole pod with the agent's share": {
      changes: { hasPodResources: true },
      of: "pod",
      want: { requests: { cpu: "83m", memory: "224Mi" }, limits: { cpu: "1010m", memory: "224Mi" } },
    },
  };
  for (const [sentence, { spec, changes, of, want }] of Object.entries(resources)) {
    it(`has ${sentence}`, () => {
      const made = pod(spec, changes, withExtensions);
      assert.deepEqual(of === "pod" ? made.spec.resources : container(made, of).resources, want);
      if (of === "pod") assert.ok(containersOf(made).every((each) => each.resources === undefined));
    });
  }
});
