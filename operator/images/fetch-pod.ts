/** The short-lived pod that reads an image with the pull secrets of its namespace; no process of ours sees them. Pure. */
import { FETCH_COMPONENT, labels } from "../../crds/names.ts";
import {
  fetchVariables,
  imageAnswerSchema,
  type ImageAnswer,
  type ResolveImageRequest,
} from "../../crds/wire/images.ts";
import type { FunctionObject } from "../../crds/v1alpha1/function.ts";
import { ownedBy, type Stored } from "../../lib/kubernetes/object.ts";
import { mergePodTemplate } from "../controllers/function/pod-template.ts";
import { agentUserId } from "../environment-settings.ts";
import type { Pod } from "../pod.ts";

export interface FetchPodInput {
  readonly object: Stored<FunctionObject>;
  readonly name: string;
  readonly request: ResolveImageRequest;
  readonly secrets: readonly string[];
  readonly settings: FetchSettings;
}

export interface FetchSettings {
  /** Our own. */
  readonly image: string;
  readonly imagePullPolicy: "Always" | "IfNotPresent" | "Never";
  readonly plainHttpHosts: string;
}

const secretsDirectory = "/var/run/secrets/kubelambda/pull";
/** After this time it is ended, whoever waits for it or does not. */
export const fetchDeadlineSeconds = 120;

export function fetchPod({ object, name, request, secrets, settings }: FetchPodInput): Pod {
  const { namespace, uid } = object.metadata;
  const { image, imagePullPolicy, plainHttpHosts } = settings;
  const mounts = secrets.map((secretName, index) => ({ secretName, volume: `pull-${index}` }));
  const pod: Pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      ...(namespace !== undefined && { namespace }),
      name,
      ownerReferences: [ownedBy(object)],
      labels: { [labels.component]: FETCH_COMPONENT, [labels.functionUid]: uid },
    },
    spec: {
      restartPolicy: "Never",
      activeDeadlineSeconds: fetchDeadlineSeconds,
      terminationGracePeriodSeconds: 1,
      enableServiceLinks: false,
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
      containers: [
        {
          name: "fetch",
          image,
          imagePullPolicy,
          args: ["fetch"],
          env: [
            { name: fetchVariables.request, value: withoutExpansion(JSON.stringify(request)) },
            { name: fetchVariables.secretsDirectory, value: secretsDirectory },
            { name: fetchVariables.plainHttpHosts, value: plainHttpHosts },
          ],
          resources: { requests: { cpu: "10m", memory: "96Mi" }, limits: { cpu: "1", memory: "192Mi" } },
          securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ["ALL"] },
            runAsNonRoot: true,
            runAsUser: agentUserId,
            runAsGroup: agentUserId,
          },
          volumeMounts: mounts.map(({ volume }) => ({
            name: volume,
            mountPath: `${secretsDirectory}/${volume}`,
            readOnly: true,
          })),
        },
      ],
      // One that is missing is told in the answer instead of keeping the pod from starting.
      volumes: mounts.map(({ volume, secretName }) => ({ name: volume, secret: { secretName, optional: true } })),
    },
  };
  return mergePodTemplate(pod, object.spec.podTemplate);
}

/** Undefined: it is not over. */
export function fetchOutcome({ status }: Pod, { image }: ResolveImageRequest): ImageAnswer | undefined {
  const state = status?.containerStatuses?.find(({ name }) => name === "fetch")?.state;
  if (state?.terminated !== undefined) {
    const parsed = parseAnswer(state.terminated.message);
    return parsed ?? fetchFailed(image, `its pod ended with exit code ${state.terminated.exitCode} and no answer`);
  }
  if (status?.phase === "Failed") return fetchFailed(image, status.message ?? status.reason ?? "its pod failed");
  const waiting = state?.waiting;
  const isHopeless =
    waiting?.reason !== undefined && !["ContainerCreating", "PodInitializing"].includes(waiting.reason);
  return isHopeless
    ? fetchFailed(image, `its pod does not start: ${waiting.reason}: ${waiting.message ?? ""}`)
    : undefined;
}

export function fetchFailed(image: string, why: string): ImageAnswer {
  const message = `Cannot read image "${image}" with the pull secrets of its namespace: ${why}`.slice(0, 2000);
  return { outcome: "failed", code: "FetchFailed", message };
}

function parseAnswer(message: string | undefined): ImageAnswer | undefined {
  try {
    return imageAnswerSchema.safeParse(JSON.parse(message ?? "")).data;
  } catch {
    return undefined;
  }
}

/** The kubelet reads `$$` as `$`, and expands `$(NAME)`. */
function withoutExpansion(text: string): string {
  return text.replaceAll("$", "$$$$");
}
