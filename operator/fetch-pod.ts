/** The pod that reads something with a tenant's Secret: in the tenant's namespace, given the Secret by the kubelet, of a short life. Pure. */
import { FETCH_COMPONENT, labels } from "../crds/names.ts";
import { fetchVariables } from "../crds/wire/fetch.ts";
import { audiences } from "../crds/wire/routes.ts";
import { canonicalJson } from "../lib/canonical-json.ts";
import { ownedBy, type Stored } from "../lib/kubernetes/object.ts";
import { mergePodTemplate } from "./controllers/function/pod-template.ts";
import type { PodTemplate } from "./controllers/function/recipe.ts";
import { agentUserId, type EnvironmentSettings } from "./environment-settings.ts";
import type { Pod } from "./pod.ts";

/** A variable that the kubelet fills from a key of a Secret; not set where there is none. */
export interface SecretVariable {
  readonly variable: string;
  readonly secret: string;
  readonly key: string;
}

export interface FetchWanted {
  /** For whom: its namespace is the pod's, and the pod goes with it. */
  readonly owner: Stored;
  /** What the pod is to do. */
  readonly variables: Readonly<Record<string, string>>;
  readonly secretVariables?: readonly SecretVariable[];
  /** Secrets that are mounted, each as `<secretsDirectory>/pull-<n>`: empty where there is none. */
  readonly secretFiles?: readonly string[];
  /** It gets a token for the package store, and room for a package on its way there. */
  readonly sendsPackage: boolean;
  /** Longest life, s. */
  readonly deadlineSeconds: number;
  readonly podTemplate?: PodTemplate | undefined;
}

export type FetchSettings = Pick<EnvironmentSettings, "image" | "imagePullPolicy" | "packagesUrl">;

export const secretsDirectory = "/var/run/secrets/kubelambda/pull";
const tokenDirectory = "/var/run/secrets/kubelambda/token";
/** A layer on its way, what all of them hold (read-layer.ts), and the zip made of that. */
const scratchSize = "1Gi";

type Container = Pod["spec"]["containers"][number];
type Volume = NonNullable<Pod["spec"]["volumes"]>[number];

/** Its name is the same for the same wish, so that making it twice is making it once. `hash` is SHA-256, hex. */
export function fetchPod(wanted: FetchWanted, settings: FetchSettings, hash: (text: string) => string): Pod {
  const { owner, secretVariables = [], secretFiles = [], deadlineSeconds } = wanted;
  const { namespace = "", uid } = owner.metadata;
  const id = hash(canonicalJson({ uid, variables: wanted.variables, secretVariables, secretFiles })).slice(0, 20);
  const mounts = [...(wanted.sendsPackage ? sendingMounts : []), ...secretFiles.map((_, index) => secretMount(index))];
  const pod: Pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      namespace,
      name: `kubelambda-fetch-${id}`,
      labels: { [labels.component]: FETCH_COMPONENT },
      annotations: { "cluster-autoscaler.kubernetes.io/safe-to-evict": "true" },
      ownerReferences: [ownedBy(owner)],
    },
    spec: {
      restartPolicy: "Never",
      activeDeadlineSeconds: deadlineSeconds,
      terminationGracePeriodSeconds: 5,
      enableServiceLinks: false,
      automountServiceAccountToken: false,
      // Named even though it is the default: the API server takes no projected tokens otherwise.
      serviceAccountName: "default",
      securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
      containers: [{ ...fetchContainer(wanted, settings), volumeMounts: mounts }],
      volumes: [
        ...(wanted.sendsPackage ? sendingVolumes : []),
        ...secretFiles.map((secretName, index) => ({
          name: `pull-${index}`,
          // One that is missing is told in the answer instead of keeping the pod from starting.
          secret: { secretName, optional: true },
        })),
      ],
    },
  };
  return mergePodTemplate(pod, wanted.podTemplate);
}

function fetchContainer(
  { variables, secretVariables = [], sendsPackage }: FetchWanted,
  settings: FetchSettings,
): Container {
  const sending = {
    [fetchVariables.packagesUrl]: settings.packagesUrl,
    [fetchVariables.tokenFile]: `${tokenDirectory}/packages`,
  };
  const plain = { ...variables, ...(sendsPackage && sending) };
  return {
    name: "fetch",
    image: settings.image,
    imagePullPolicy: settings.imagePullPolicy,
    args: ["fetch"],
    terminationMessagePolicy: "FallbackToLogsOnError",
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
      runAsNonRoot: true,
      runAsUser: agentUserId,
      runAsGroup: agentUserId,
    },
    env: [
      ...Object.entries(plain).map(([name, value]) => ({ name, value: withoutExpansion(value) })),
      ...secretVariables.map(({ variable, secret, key }) => ({
        name: variable,
        valueFrom: { secretKeyRef: { name: secret, key, optional: true } },
      })),
    ],
    resources: { requests: { cpu: "10m", memory: "96Mi" }, limits: { cpu: "1", memory: "512Mi" } },
  };
}

/** The kubelet reads `$$` as `$`, and expands `$(NAME)`. */
function withoutExpansion(text: string): string {
  return text.replaceAll("$", "$$$$");
}

function secretMount(index: number) {
  return { name: `pull-${index}`, mountPath: `${secretsDirectory}/pull-${index}`, readOnly: true };
}

const sendingMounts: NonNullable<Container["volumeMounts"]> = [
  { name: "tmp", mountPath: "/tmp" },
  { name: "token-packages", mountPath: tokenDirectory, readOnly: true },
];
const token = { audience: audiences.packages, expirationSeconds: 3600, path: "packages" };
const sendingVolumes: readonly Volume[] = [
  { name: "tmp", emptyDir: { sizeLimit: scratchSize } },
  { name: "token-packages", projected: { sources: [{ serviceAccountToken: token }] } },
];

/** How a fetch ended: with the process's own word, or the pod did not run. */
export type FetchEnd =
  { readonly type: "answered"; readonly message: string } | { readonly type: "failed"; readonly message: string };

/** Waiting reasons with which the container will hardly start; the kubelet's words. */
const hopelessReasons: ReadonlySet<string> = new Set([
  ...["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"],
  ...["RegistryUnavailable", "CreateContainerConfigError", "CreateContainerError", "RunContainerError"],
]);

/** Undefined while it may still end well. */
export function fetchEnd({ status, metadata }: Stored<Pod>): FetchEnd | undefined {
  const [container] = status?.containerStatuses ?? [];
  const { terminated, waiting } = container?.state ?? {};
  const name = `Pod "${metadata.name}"`;
  if (terminated !== undefined) {
    if (terminated.exitCode === 0) return { type: "answered", message: terminated.message ?? "" };
    const why = terminated.message ?? terminated.reason ?? "";
    return { type: "failed", message: `${name} ended with exit code ${terminated.exitCode}: ${oneLine(why)}` };
  }
  if (waiting?.reason !== undefined && hopelessReasons.has(waiting.reason))
    return { type: "failed", message: `${name} does not start: ${waiting.reason}: ${oneLine(waiting.message ?? "")}` };
  if (status?.phase !== "Failed" && status?.phase !== "Succeeded") return undefined;
  return {
    type: "failed",
    message: `${name} failed: ${oneLine(status.message ?? status.reason ?? "no reason given")}`,
  };
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ").slice(0, 500);
}
