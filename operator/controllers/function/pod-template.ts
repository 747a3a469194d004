/** A function's pod template, laid over its environment's pod: it may say where and how, never what runs. */
import type { Pod } from "../../pod.ts";
import type { PodTemplate } from "./recipe.ts";

/** Members of a pod's spec that a function may set. What makes an environment safe is not among them. */
const settable = [
  "affinity",
  "dnsConfig",
  "dnsPolicy",
  "imagePullSecrets",
  "preemptionPolicy",
  "priorityClassName",
  "runtimeClassName",
  "schedulerName",
  "topologySpreadConstraints",
] as const;
const merged = ["nodeSelector", "tolerations", "hostAliases"];
/** Taken member by member: the rest of it is what makes an environment safe. */
const groups = ["fsGroup", "fsGroupChangePolicy", "supplementalGroups"] as const;
const settableNames: readonly string[] = [...settable, ...merged, "securityContext"];

/** Prefixes of labels and annotations that are ours, Kubernetes' or a tool's: by some of them GitOps tools know what is theirs, and prune. */
const reservedPrefixes =
  /^(kubelambda\.dev|([a-z0-9-]+\.)*kubernetes\.io|([a-z0-9-]+\.)*k8s\.io|argocd\.argoproj\.io|([a-z0-9-]+\.)*fluxcd\.io|([a-z0-9-]+\.)*helm\.sh)\//;

/** Members of the template that have no effect, e.g. `spec.hostNetwork`, sorted. */
export function ignoredOfTemplate(template: PodTemplate | undefined): readonly string[] {
  const spec = Object.keys(template?.spec ?? {}).filter((name) => !settableNames.includes(name));
  const reserved = (["labels", "annotations"] as const).flatMap((kind) =>
    Object.keys(template?.metadata?.[kind] ?? {})
      .filter((name) => reservedPrefixes.test(name))
      .map((name) => `metadata.${kind}["${name}"]`),
  );
  return [...spec.map((name) => `spec.${name}`), ...reserved].sort();
}

export function mergePodTemplate(pod: Pod, template: PodTemplate | undefined): Pod {
  if (template === undefined) return pod;
  const wanted = (template.spec ?? {}) as Partial<Pod["spec"]>;
  const simple = Object.fromEntries(
    settable.flatMap((name) => (wanted[name] === undefined ? [] : [[name, wanted[name]]])),
  );
  const { metadata, spec } = pod;
  return {
    ...pod,
    metadata: {
      ...metadata,
      labels: { ...allowed(template.metadata?.labels), ...metadata.labels },
      annotations: { ...allowed(template.metadata?.annotations), ...metadata.annotations },
    },
    spec: {
      ...spec,
      ...simple,
      ...(wanted.nodeSelector !== undefined && { nodeSelector: { ...wanted.nodeSelector, ...spec.nodeSelector } }),
      ...(wanted.tolerations !== undefined && {
        tolerations: [...wanted.tolerations, ...uncovered(spec.tolerations ?? [], wanted.tolerations)],
      }),
      hostAliases: [...(spec.hostAliases ?? []), ...(wanted.hostAliases ?? [])],
      ...(spec.securityContext !== undefined && {
        securityContext: { ...spec.securityContext, ...groupsOf(wanted.securityContext) },
      }),
    },
  };
}

type Tolerations = NonNullable<Pod["spec"]["tolerations"]>;

/** Ours of whose taint the function says nothing: of two that match, Kubernetes goes by the shorter. One without a key is for every taint. */
function uncovered(ours: Tolerations, wanted: Tolerations): Tolerations {
  const isFor = (toleration: Tolerations[number], { key, effect }: Tolerations[number]): boolean =>
    [key, "", undefined].includes(toleration.key) && [effect, "", undefined].includes(toleration.effect);
  return ours.filter((one) => !wanted.some((other) => isFor(other, one)));
}

function groupsOf(context: Pod["spec"]["securityContext"]): Partial<Pod["spec"]["securityContext"]> {
  return Object.fromEntries(groups.flatMap((name) => (context?.[name] === undefined ? [] : [[name, context[name]]])));
}

function allowed(entries: Readonly<Record<string, string>> | undefined): Record<string, string> {
  return Object.fromEntries(Object.entries(entries ?? {}).filter(([name]) => !reservedPrefixes.test(name)));
}
