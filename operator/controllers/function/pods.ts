/** The pod of one execution environment, made for one revision of one function. */
import { annotations, ENVIRONMENT_COMPONENT, labels } from "../../../crds/names.ts";
import { places } from "../../../crds/wire/places.ts";
import { audiences, ports } from "../../../crds/wire/routes.ts";
import type { OwnerReference } from "../../../lib/kubernetes/object.ts";
import { agentUserId, functionUserId, type EnvironmentSettings } from "../../environment-settings.ts";
import type { Pod } from "../../pod.ts";
import { decideResources } from "./environment-resources.ts";
import {
  extensionAnnotation,
  extensionContainer,
  extensionPlaces,
  extensionVariable,
  type ExtensionPlace,
} from "./extension-containers.ts";
import { fileSystems } from "./file-systems.ts";
import { mergePodTemplate } from "./pod-template.ts";
import type { Recipe, ValueFromEntry } from "./recipe.ts";

type Container = Pod["spec"]["containers"][number];
type Volume = NonNullable<Pod["spec"]["volumes"]>[number];
type EnvVar = NonNullable<Container["env"]>[number];
type Toleration = NonNullable<Pod["spec"]["tolerations"]>[number];
type Mount = NonNullable<Container["volumeMounts"]>[number];

export interface EnvironmentPodInput {
  readonly namespace: string;
  readonly name: string;
  readonly owner: OwnerReference;
  readonly recipe: Recipe;
  readonly settings: EnvironmentSettings;
  /** Of the routers' roster as it is now; 0: there is none. */
  readonly epoch: number;
  /** What it has in common with others in whose place it could be; absent: it is made for this function alone (generic-pod.ts). */
  readonly genericID?: string | undefined;
  /** Now, ms since 1970. */
  readonly nowMs: number;
  /** The version that it is kept ready for; absent: it is made on demand. */
  readonly provisionedFor?: string | undefined;
}

const tokenDirectory = directoryOf(places.routerToken);
const accountDirectory = "/var/run/secrets/kubernetes.io/serviceaccount";
/** What an agent and its supervisor have after the function's own time, s. */
const shutdownSeconds = 5;
/** Source: Lambda quotas. */
const longestTimeoutSeconds = 900;
/** Tokens are renewed by the kubelet; the API server allows nothing shorter than 600. */
const tokenSeconds = 3600;
const security = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ["ALL"] },
};

/**
 * Everything that is not in the pod reaches it through variables and mounts, so that whatever runs pods can run it. What is the same in all of
 * them stands in no variable (`places`, `ports`): an API server keeps each in every pod, and sends it to all who watch pods.
 */
export function environmentPod(input: EnvironmentPodInput): Pod {
  const { namespace, name, owner, recipe, settings, epoch, nowMs, genericID, provisionedFor } = input;
  const { document } = recipe;
  const own = environmentLabels(document.functionUid, document.revisionID, recipe.configurationID);
  const born = { createdAtMs: Math.floor(nowMs) };
  const pod: Pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      namespace,
      name,
      ownerReferences: [owner],
      labels: {
        ...own,
        ...(genericID !== undefined && { [labels.generic]: genericID }),
        ...(provisionedFor !== undefined && { [labels.provisioned]: provisionedFor }),
      },
      annotations: {
        [annotations.environment]: JSON.stringify({
          ...document,
          ...born,
          variablesFrom: variablesFrom(recipe.valueFrom),
        }),
        [annotations.functionName]: document.functionName,
        [annotations.epoch]: String(epoch),
        ...extensionAnnotation(extensionPlaces(recipe)),
        ...podAnnotations,
      },
    },
    spec: environmentSpec(recipe, settings, genericID !== undefined),
  };
  const { metadata, ...made } = mergePodTemplate(pod, recipe.podTemplate);
  return { ...made, metadata: { ...metadata, annotations: { ...identityAnnotations, ...metadata.annotations } } };
}

/** Of every environment's pod, whatever function it is of. */
export const podAnnotations = {
  "kubectl.kubernetes.io/default-container": "runtime",
  "cluster-autoscaler.kubernetes.io/safe-to-evict": "true",
} as const;

/** A generic one says nothing of its function but what its resources and its runtime's image are. */
export function environmentSpec(recipe: Recipe, settings: EnvironmentSettings, isGeneric: boolean): Pod["spec"] {
  const files = fileSystems(recipe);
  const agentFills = isGeneric || settings.agentsFill;
  const resources = decideResources(recipe, settings, agentFills);
  const runtime = runtimeContainer(recipe, settings);
  const extensions = extensionPlaces(recipe);
  const agent = agentContainer(recipe, settings, extensions);
  const assemble = { ...assembleContainer(recipe, settings, extensions), ...withResources(resources.assemble) };
  const graceSeconds = isGeneric ? longestTimeoutSeconds : recipe.document.timeoutSeconds;
  return {
    restartPolicy: "Never",
    terminationGracePeriodSeconds: graceSeconds + shutdownSeconds,
    enableServiceLinks: false,
    automountServiceAccountToken: false,
    // Named even when it is the default: the API server takes no projected tokens otherwise.
    serviceAccountName: recipe.serviceAccountName ?? "default",
    ...(settings.runtimeClassName !== undefined && { runtimeClassName: settings.runtimeClassName }),
    ...(recipe.nodeArchitecture !== undefined && { nodeSelector: { "kubernetes.io/arch": recipe.nodeArchitecture } }),
    tolerations: lostNodeTolerations(settings),
    hostAliases: [{ ip: "127.0.0.1", hostnames: ["sandbox.localdomain", "sandbox"] }],
    securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" }, ...files.securityContext },
    ...(resources.pod !== undefined && { resources: resources.pod }),
    ...(!agentFills && { initContainers: [assemble] }),
    containers: [
      { ...(agentFills ? fillingAgent(agent, settings, extensions) : agent), ...withResources(resources.agent) },
      { ...runtime, ...withResources(resources.runtime) },
      ...extensions.map((place) => ({
        ...extensionContainer(runtime, places.control, place),
        ...withResources(resources.extension),
      })),
    ],
    volumes: [
      ...volumes(recipe, settings),
      ...tokenVolumes(agentFills),
      ...files.volumes,
      ...extensions.map(({ volume }) => volume),
    ],
  };
}

/** In place of those that an API server gives a pod that has none. Source: Kubernetes, Taints and Tolerations, Taint based Evictions. */
function lostNodeTolerations({ nodeLostSeconds }: EnvironmentSettings): Toleration[] {
  return ["not-ready", "unreachable"].map((taint) => ({
    key: `node.kubernetes.io/${taint}`,
    operator: "Exists",
    effect: "NoExecute",
    tolerationSeconds: nodeLostSeconds,
  }));
}

/**
 * A cloud identity is the function's: webhooks that inject one are asked to pass our own containers by. Sources: documentation of
 * amazon-eks-pod-identity-webhook, azure-workload-identity, gcp-workload-identity-federation-webhook.
 */
export const identityAnnotations = {
  "eks.amazonaws.com/skip-containers": "assemble,agent",
  "azure.workload.identity/skip-containers": "assemble;agent",
  "cloud.google.com/skip-containers": "assemble,agent",
} as const;

/** By these a function's environments are found. */
export function environmentLabels(
  functionUid: string,
  revisionID: string,
  configurationID?: string,
): Record<string, string> {
  return {
    [labels.component]: ENVIRONMENT_COMPONENT,
    [labels.functionUid]: functionUid,
    [labels.revision]: revisionID,
    ...(configurationID !== undefined && { [labels.configuration]: configurationID }),
  };
}

/**
 * Does what `assemble` does, without an init container, whose end a kubelet sees a second late. The supervisors are in their places
 * before their containers start: a kubelet starts no container before the hook of the one before has ended.
 */
function fillingAgent(
  agent: Container,
  settings: EnvironmentSettings,
  extensions: readonly ExtensionPlace[],
): Container {
  const directories = [places.control, ...extensions.map(({ directory }) => directory)];
  return {
    ...agent,
    env: [
      ...(agent.env ?? []),
      { name: "KUBELAMBDA_PACKAGES_URL", value: settings.packagesUrl },
      ...(settings.cacheUrl === "" ? [] : [{ name: "KUBELAMBDA_CACHE_URL", value: settings.cacheUrl }]),
    ],
    lifecycle: { postStart: { exec: { command: [places.supervisor, "install", ...directories] } } },
  };
}

function assembleContainer(
  recipe: Recipe,
  settings: EnvironmentSettings,
  extensions: readonly ExtensionPlace[],
): Container {
  const directories = [places.control, ...extensions.map(({ directory }) => directory)];
  return {
    name: "assemble",
    ...ownImage(settings, settings.assembleCommand),
    env: [
      environmentVariable,
      { name: "KUBELAMBDA_PACKAGES_URL", value: settings.packagesUrl },
      ...(settings.cacheUrl === "" ? [] : [{ name: "KUBELAMBDA_CACHE_URL", value: settings.cacheUrl }]),
      { name: "KUBELAMBDA_SUPERVISOR_TARGETS", value: directories.join(",") },
    ],
    volumeMounts: [
      ...packageMounts(recipe),
      controlMount,
      ...extensions.map(({ mount }) => mount),
      { name: "token-assemble", mountPath: tokenDirectory, readOnly: true },
    ],
  };
}

function agentContainer(
  recipe: Recipe,
  settings: EnvironmentSettings,
  extensions: readonly ExtensionPlace[],
): Container {
  return {
    name: "agent",
    ...ownImage(settings, settings.agentCommand),
    env: [
      environmentVariable,
      { name: "KUBELAMBDA_POD_UID", valueFrom: { fieldRef: { fieldPath: "metadata.uid" } } },
      { name: "KUBELAMBDA_POD_IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } },
      {
        name: "KUBELAMBDA_EPOCH",
        valueFrom: { fieldRef: { fieldPath: `metadata.annotations['${annotations.epoch}']` } },
      },
      { name: "KUBELAMBDA_ROUTER_URL", value: settings.routerUrl },
      ...(settings.lambdaUrl === "" ? [] : [{ name: "KUBELAMBDA_LAMBDA_URL", value: settings.lambdaUrl }]),
      { name: "KUBELAMBDA_ROUTER_KEYS", value: settings.routerKeys.join(",") },
      ...extensionVariable(extensions),
      ...recipe.valueFrom.map((entry, index) => valueVariable(entry, index)),
    ],
    ports: [{ name: "agent", containerPort: ports.agent }],
    // Off the way of a call: it ends an environment whose agent hangs, and says nothing about readiness.
    livenessProbe: {
      httpGet: { path: "/healthz", port: "agent" },
      initialDelaySeconds: 10,
      periodSeconds: 30,
      timeoutSeconds: 5,
      failureThreshold: 3,
    },
    volumeMounts: [
      ...packageMounts(recipe),
      controlMount,
      ...extensions.map(({ mount }) => mount),
      { name: "token-agent", mountPath: tokenDirectory, readOnly: true },
    ],
  };
}

function runtimeContainer(recipe: Recipe, settings: EnvironmentSettings): Container {
  const { serviceAccountName } = recipe;
  return {
    name: "runtime",
    ...runtimeImage(recipe, settings),
    command: [`${places.control}/supervisor`],
    env: [{ name: "KUBELAMBDA_SOCKET", value: places.socket }],
    securityContext: { ...security, runAsNonRoot: true, runAsUser: functionUserId, runAsGroup: functionUserId },
    volumeMounts: [
      ...packageMounts(recipe).map((mount) => ({ ...mount, readOnly: true })),
      { name: "tmp", mountPath: "/tmp" },
      ...fileSystems(recipe).mounts,
      { ...controlMount, readOnly: true },
      ...(serviceAccountName === undefined ? [] : [{ name: "account", mountPath: accountDirectory, readOnly: true }]),
    ],
  };
}

/** An image is named by its digest, so what a node has is what it says; its working directory may be missing or closed, which the supervisor tells. */
function runtimeImage({ image, resolvedImage }: Recipe, { imagePullPolicy }: EnvironmentSettings) {
  return resolvedImage === undefined
    ? { image, imagePullPolicy }
    : { image, imagePullPolicy: "IfNotPresent", workingDir: "/" };
}

/** Where code and layers go; an image has its own content there. */
function packageMounts({ resolvedImage }: Recipe): readonly Mount[] {
  if (resolvedImage !== undefined) return [];
  return [
    { name: "task", mountPath: places.task },
    { name: "opt", mountPath: places.layers },
  ];
}

function ownImage({ image, imagePullPolicy }: EnvironmentSettings, command: readonly string[]) {
  return {
    image,
    imagePullPolicy,
    command: [...command],
    terminationMessagePolicy: "FallbackToLogsOnError",
    securityContext: { ...security, runAsNonRoot: true, runAsUser: agentUserId, runAsGroup: agentUserId },
  };
}

const controlMount: Mount = { name: "control-runtime", mountPath: places.control };

const environmentVariable: EnvVar = {
  name: "KUBELAMBDA_ENVIRONMENT",
  valueFrom: { fieldRef: { fieldPath: `metadata.annotations['${annotations.environment}']` } },
};

function valueVariable({ valueFrom }: ValueFromEntry, index: number): EnvVar {
  const { secretKeyRef, configMapKeyRef } = valueFrom;
  return {
    name: valueName(index),
    valueFrom: {
      ...(secretKeyRef !== undefined && { secretKeyRef: keyReference(secretKeyRef) }),
      ...(configMapKeyRef !== undefined && { configMapKeyRef: keyReference(configMapKeyRef) }),
    },
  };
}

function keyReference({ name, key, optional }: { name: string; key: string; optional?: boolean | undefined }) {
  return { name, key, ...(optional !== undefined && { optional }) };
}

function valueName(index: number): string {
  return `KUBELAMBDA_VALUE_${index}`;
}

/** Name of the function's variable → name of the agent's variable that the kubelet fills. */
function variablesFrom(entries: readonly ValueFromEntry[]): Record<string, string> {
  return Object.fromEntries(entries.map(({ name }, index) => [name, valueName(index)]));
}

function volumes(recipe: Recipe, { tmpMedium }: EnvironmentSettings): Volume[] {
  const sizeLimit = `${recipe.ephemeralStorage}Mi`;
  return [
    // The package's own limit is 250 MB; its zip passes through the same volume.
    ...packageMounts(recipe).map(({ name }) => ({ name, emptyDir: { sizeLimit: "1Gi" } })),
    { name: "tmp", emptyDir: { sizeLimit, ...(tmpMedium !== "" && { medium: tmpMedium }) } },
    { name: "control-runtime", emptyDir: { sizeLimit: "64Mi" } },
    ...(recipe.serviceAccountName === undefined ? [] : [accountVolume]),
  ];
}

function tokenVolumes(agentFills: boolean): readonly Volume[] {
  if (agentFills) return [tokenVolume("token-agent", ["router", "packages"])];
  return [tokenVolume("token-agent", ["router"]), tokenVolume("token-assemble", ["packages"])];
}

function tokenVolume(name: string, files: readonly ("router" | "packages")[]): Volume {
  const sources = files.map((file) => ({
    serviceAccountToken: { audience: audiences[file], expirationSeconds: tokenSeconds, path: file },
  }));
  return { name, projected: { sources } };
}

/** What the kubelet would mount into every container; here it is the runtime's alone. */
const accountVolume: Volume = {
  name: "account",
  projected: {
    sources: [
      { serviceAccountToken: { path: "token", expirationSeconds: tokenSeconds } },
      { configMap: { name: "kube-root-ca.crt", items: [{ key: "ca.crt", path: "ca.crt" }] } },
      { downwardAPI: { items: [{ path: "namespace", fieldRef: { fieldPath: "metadata.namespace" } }] } },
    ],
  },
};

function withResources(resources: Container["resources"]) {
  return resources === undefined ? {} : { resources };
}

function directoryOf(file: string): string {
  return file.slice(0, file.lastIndexOf("/"));
}
