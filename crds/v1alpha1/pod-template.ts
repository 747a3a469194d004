/**
 * What a function may say about its pods: where and how they run, never what runs in them or as whom. No fsGroup: it would
 * open the volumes of an environment to the function's processes, and permission bits would no longer mean what they do in Lambda.
 */
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

export const podTemplateSchema = z
  .object({
    metadata: z.object({ labels: foreignMap(), annotations: foreignMap() }).optional(),
    spec: z
      .object({
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
      })
      .optional(),
  })
  .describe("Laid over the pods of environments");
export type PodTemplateSpec = z.output<typeof podTemplateSchema>;
