import type { Pod } from "../../operator/pod.ts";

type Container = Pod["spec"]["containers"][number];

export interface BarePodInput {
  readonly name: string;
  readonly namespace: string;
  /** An execution environment: image, node placement, resources and security are taken from it. */
  readonly model: Pod;
  /** Where it calls. */
  readonly home: { readonly host: string; readonly port: number };
}

/** The least pod of the same quality of service: one container of the runtime's image, no volume, in which Node.js says its name over TCP and ends. */
export function barePod(input: BarePodInput): Pod {
  const { spec } = input.model;
  const container = callingHome(runtimeOf(input.model), input);
  return {
    ...named(input),
    spec: {
      ...plain,
      ...(spec.securityContext !== undefined && { securityContext: spec.securityContext }),
      ...(spec.resources !== undefined && { resources: spec.resources }),
      ...(spec.nodeSelector !== undefined && { nodeSelector: spec.nodeSelector }),
      containers: [container],
    },
  };
}

/** The bare pod as Kubernetes makes it unless told otherwise: its account's token is in a volume. */
export function tokenPod(input: BarePodInput): Pod {
  const { spec, ...pod } = barePod(input);
  return { ...pod, spec: { ...spec, automountServiceAccountToken: true } };
}

/**
 * The environment's own containers and volumes with nothing of ours in them: what comes before the runtime's container ends at once or
 * sleeps, and in that one Node.js says the pod's name over TCP and ends. All of the runtime's image, since it has a shell.
 */
export function likePod(input: BarePodInput): Pod {
  const { spec } = input.model;
  const runtime = runtimeOf(input.model);
  const shell = (container: Container, script: string): Container => ({
    ...withoutProgram(container, runtime),
    command: ["bash", "-c", script],
  });
  return {
    ...named(input),
    spec: {
      ...bareOf(spec),
      ...(spec.initContainers !== undefined && {
        initContainers: spec.initContainers.map((container) => shell(container, "exit 0")),
      }),
      containers: spec.containers.map((container) =>
        container.name === runtime.name
          ? { ...callingHome(runtime, input), ...mountsOf(runtime) }
          : shell(container, "exec sleep 60"),
      ),
    },
  };
}

const plain = {
  restartPolicy: "Never",
  enableServiceLinks: false,
  automountServiceAccountToken: false,
  terminationGracePeriodSeconds: 1,
} as const;

function named({ name, namespace }: BarePodInput): Pick<Pod, "apiVersion" | "kind" | "metadata"> {
  return { apiVersion: "v1", kind: "Pod", metadata: { name, namespace } };
}

/** What an API server or a scheduler has added is left out: the pod is to be placed as the environment was. */
function bareOf(spec: Pod["spec"]): Omit<Pod["spec"], "containers" | "initContainers"> {
  const { hostAliases, serviceAccountName, securityContext, resources, nodeSelector, volumes } = spec;
  return {
    ...plain,
    ...(hostAliases !== undefined && { hostAliases }),
    ...(serviceAccountName !== undefined && { serviceAccountName }),
    ...(securityContext !== undefined && { securityContext }),
    ...(resources !== undefined && { resources }),
    ...(nodeSelector !== undefined && { nodeSelector }),
    ...(volumes !== undefined && { volumes }),
  };
}

function withoutProgram({ name, securityContext, resources, volumeMounts }: Container, runtime: Container): Container {
  const { image, imagePullPolicy } = runtime;
  return {
    name,
    ...(image !== undefined && { image }),
    ...(imagePullPolicy !== undefined && { imagePullPolicy }),
    ...(securityContext !== undefined && { securityContext }),
    ...(resources !== undefined && { resources }),
    ...(volumeMounts !== undefined && { volumeMounts }),
  };
}

function callingHome(runtime: Container, { name, home }: BarePodInput): Container {
  const { volumeMounts: _none, ...container } = withoutProgram(runtime, runtime);
  const script = `require("node:net").connect(${home.port}, "${home.host}", function () { this.end("${name}\\n"); })`;
  return { ...container, command: ["node", "-e", script] };
}

function mountsOf({ volumeMounts }: Container): Pick<Container, "volumeMounts"> {
  return volumeMounts === undefined ? {} : { volumeMounts };
}

function runtimeOf({ metadata, spec }: Pod): Container {
  const runtime = spec.containers.find((container) => container.name === "runtime");
  if (runtime?.image === undefined) throw new Error(`Cannot copy pod "${metadata.name}": no container "runtime"`);
  return runtime;
}
