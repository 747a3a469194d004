/** What a function may say about its pods: where and how they run, never what runs in them or as whom. */
import { z } from "zod";
import { rule, withRules } from "../rule.ts";
import { text } from "./text.ts";
import { mapOf } from "./collections.ts";

/** Kubernetes' own shapes, checked by the API server when the pod is made. */
const anyObject = () => z.looseObject({});
const labelMap = () => mapOf(text(65536), 64).optional();
/** Labels say which function a pod belongs to, so a function must not set ours. */
const foreignMap = () =>
  withRules(mapOf(text(65536), 64), [
    rule(
      "!self.exists(key, key.matches('^([a-z0-9.-]+[.])?kubelambda[.]dev/'))",
      (map) => !Object.keys(map).some((key) => /^([a-z0-9.-]+[.])?kubelambda[.]dev\//.test(key)),
      "keys of kubelambda.dev are the operator's own",
    ),
  ]).optional();

/** The agent's group, of which code and layers are: a function in it would have more rights to them than in Lambda. And root's. */
const closedGroups = [0, 10_001] as const;

const securityContextSchema = withRules(
  z.object({
    supplementalGroups: z
      .array(z.int().min(0).max(2147483647))
      .max(16)
      .meta({ "x-kubernetes-list-type": "atomic" })
      .optional()
      .describe("Further groups of the function's user, e.g. the one that a shared file system belongs to"),
    fsGroup: z.int().min(0).max(2147483647).optional().describe("Default with fileSystemConfigs: 10002"),
    fsGroupChangePolicy: z.enum(["OnRootMismatch", "Always"]).optional(),
  }),
  [
    rule(
      `(!has(self.supplementalGroups) || !self.supplementalGroups.exists(group, group in [${closedGroups.join(", ")}])) && (!has(self.fsGroup) || !(self.fsGroup in [${closedGroups.join(", ")}]))`,
      ({ supplementalGroups = [], fsGroup }) =>
        ![...supplementalGroups, fsGroup].some((group) => closedGroups.some((closed) => closed === group)),
      "groups 0 and 10001 are root's and the agent's: name another",
    ),
  ],
);

/** Members of a pod's spec that are refused, and what is to be set instead: without them a user would find out late, or never. */
const refused = {
  containers: "extensions come in layers or in the image",
  initContainers: "what prepares an environment belongs into the function's init phase or an extension",
  volumes: "set spec.fileSystemConfigs",
  serviceAccountName: "set spec.serviceAccountName",
  nodeName: "set nodeSelector or affinity",
  terminationGracePeriodSeconds: "it follows from spec.timeout",
  activeDeadlineSeconds: "set spec.idleTimeoutSeconds",
  restartPolicy: "an environment that ended is replaced by another",
  resources: "set spec.memorySize and spec.ephemeralStorage",
  hostNetwork: "environments have a network of their own",
  hostPID: "environments see no processes but their own",
  hostIPC: "environments share no memory with their node",
} as const;
type Refused = Partial<Readonly<Record<keyof typeof refused, unknown>>>;
const objects = () => z.array(anyObject()).max(64).meta({ "x-kubernetes-list-type": "atomic" }).optional();
const refusedShape = {
  ...{ containers: objects(), initContainers: objects(), volumes: objects() },
  ...{ serviceAccountName: text(253).optional(), nodeName: text(253).optional(), restartPolicy: text(64).optional() },
  ...{ terminationGracePeriodSeconds: z.int().optional(), activeDeadlineSeconds: z.int().optional() },
  resources: anyObject().optional(),
  ...{ hostNetwork: z.boolean().optional(), hostPID: z.boolean().optional(), hostIPC: z.boolean().optional() },
};
const refusals = (Object.keys(refused) as (keyof typeof refused)[]).map((name) =>
  rule<Refused>(
    `!has(self.${name}) || false`,
    (spec) => spec[name] === undefined,
    `podTemplate says nothing of ${name}: ${refused[name]}`,
  ),
);

export const podTemplateSchema = z
  .object({
    metadata: z.object({ labels: foreignMap(), annotations: foreignMap() }).optional(),
    spec: withRules(
      z.object({
        nodeSelector: labelMap(),
        tolerations: z.array(anyObject()).max(64).meta({ "x-kubernetes-list-type": "atomic" }).optional(),
        affinity: anyObject().optional(),
        topologySpreadConstraints: z.array(anyObject()).max(16).meta({ "x-kubernetes-list-type": "atomic" }).optional(),
        priorityClassName: text(253).optional(),
        preemptionPolicy: z.enum(["Never", "PreemptLowerPriority"]).optional(),
        runtimeClassName: text(253).optional(),
        schedulerName: text(253).optional(),
        imagePullSecrets: z
          .array(z.object({ name: text(253, 1) }))
          .max(16)
          .meta({ "x-kubernetes-list-type": "atomic" })
          .optional(),
        dnsPolicy: z.enum(["ClusterFirst", "Default", "None"]).optional(),
        dnsConfig: anyObject().optional(),
        hostAliases: z
          .array(
            z.object({
              ip: text(64),
              hostnames: z.array(text(253)).max(32).meta({ "x-kubernetes-list-type": "atomic" }),
            }),
          )
          .max(32)
          .meta({ "x-kubernetes-list-type": "atomic" })
          .optional(),
        securityContext: securityContextSchema.optional(),
        ...refusedShape,
      }),
      refusals,
    ).optional(),
  })
  .describe("Laid over the pods of environments");
export type PodTemplateSpec = z.output<typeof podTemplateSchema>;
