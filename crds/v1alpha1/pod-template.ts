/** What a function may say about its pods: where and how they run, never what runs in them. */
import { z } from "zod";

/** Kubernetes' own shapes, checked by the API server when the pod is made. */
const anyObject = () => z.looseObject({});
const labelMap = () => z.record(z.string(), z.string().max(65536)).meta({ maxProperties: 64 }).optional();

export const podTemplateSchema = z
  .object({
    metadata: z.object({ labels: labelMap(), annotations: labelMap() }).optional(),
    spec: z
      .object({
        nodeSelector: labelMap(),
        tolerations: z.array(anyObject()).max(64).meta({ "x-kubernetes-list-type": "atomic" }).optional(),
        affinity: anyObject().optional(),
        topologySpreadConstraints: z.array(anyObject()).max(16).meta({ "x-kubernetes-list-type": "atomic" }).optional(),
        priorityClassName: z.string().max(253).optional(),
        preemptionPolicy: z.enum(["Never", "PreemptLowerPriority"]).optional(),
        runtimeClassName: z.string().max(253).optional(),
        schedulerName: z.string().max(253).optional(),
        imagePullSecrets: z
          .array(z.object({ name: z.string().min(1).max(253) }))
          .max(16)
          .meta({ "x-kubernetes-list-type": "atomic" })
          .optional(),
        dnsPolicy: z.enum(["ClusterFirst", "Default", "None"]).optional(),
        dnsConfig: anyObject().optional(),
        hostAliases: z
          .array(
            z.object({
              ip: z.string().max(64),
              hostnames: z.array(z.string().max(253)).max(32).meta({ "x-kubernetes-list-type": "atomic" }),
            }),
          )
          .max(32)
          .meta({ "x-kubernetes-list-type": "atomic" })
          .optional(),
      })
      .optional(),
  })
  .describe("Laid over the pods of environments");
export type PodTemplateSpec = z.output<typeof podTemplateSchema>;
