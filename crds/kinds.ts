/** The five kinds: what of them goes into CustomResourceDefinitions and reference pages. */
import type { z } from "zod";
import type { Rule } from "./rule.ts";
import { aliasKind, aliasRules, aliasSpecSchema, aliasStatusSchema } from "./v1alpha1/alias.ts";
import {
  eventSourceMappingKind,
  eventSourceMappingSpecSchema,
  eventSourceMappingStatusSchema,
} from "./v1alpha1/event-source-mapping.ts";
import { functionKind, functionRules, functionSpecSchema, functionStatusSchema } from "./v1alpha1/function.ts";
import { layerKind, layerRules, layerSpecSchema, layerStatusSchema } from "./v1alpha1/layer.ts";
import { versionKind, versionSpecSchema, versionStatusSchema } from "./v1alpha1/version.ts";

export interface PrinterColumn {
  readonly name: string;
  readonly jsonPath: string;
  readonly type: "string" | "integer" | "boolean" | "date";
  /** 1: only with `-o wide`. */
  readonly priority?: number;
}

export interface KindDefinition {
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  readonly shortNames: readonly string[];
  readonly description: string;
  readonly spec: z.ZodType;
  readonly status: z.ZodType;
  /** Over the whole object. */
  readonly rules: readonly Pick<Rule<unknown>, "cel" | "message">[];
  readonly columns: readonly PrinterColumn[];
  readonly scale?: {
    readonly specReplicasPath: string;
    readonly statusReplicasPath: string;
    readonly labelSelectorPath: string;
  };
}

const age: PrinterColumn = { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" };
const ready: PrinterColumn = {
  name: "Ready",
  type: "string",
  jsonPath: ".status.conditions[?(@.type=='Ready')].status",
};
const reason: PrinterColumn = {
  name: "Reason",
  type: "string",
  jsonPath: ".status.conditions[?(@.type=='Ready')].reason",
  priority: 1,
};

const url: PrinterColumn = { name: "URL", type: "string", jsonPath: ".status.functionURL", priority: 1 };

export const kindDefinitions: readonly KindDefinition[] = [
  {
    ...functionKind,
    shortNames: ["fn"],
    description: "Function is one Lambda function, its $LATEST",
    spec: functionSpecSchema,
    status: functionStatusSchema,
    rules: functionRules,
    columns: [
      { name: "Runtime", type: "string", jsonPath: ".spec.runtime" },
      { name: "State", type: "string", jsonPath: ".status.state" },
      { name: "Version", type: "string", jsonPath: ".status.version" },
      { name: "Environments", type: "integer", jsonPath: ".status.readyEnvironments" },
      age,
      { ...ready, priority: 1 },
      reason,
      { name: "Memory", type: "integer", jsonPath: ".spec.memorySize", priority: 1 },
      { name: "Timeout", type: "integer", jsonPath: ".spec.timeout", priority: 1 },
      url,
    ],
  },
  {
    ...versionKind,
    shortNames: [],
    description: "Version is a published snapshot of a function",
    spec: versionSpecSchema,
    status: versionStatusSchema,
    rules: [],
    columns: [
      { name: "Function", type: "string", jsonPath: ".status.functionName" },
      { name: "Version", type: "integer", jsonPath: ".status.version" },
      { name: "Provisioned", type: "integer", jsonPath: ".status.provisionedAvailable", priority: 1 },
      ready,
      age,
      reason,
      { name: "Code", type: "string", jsonPath: ".status.codeSHA256", priority: 1 },
    ],
  },
  {
    ...aliasKind,
    shortNames: [],
    description: "Alias is a name for one or two versions of a function",
    spec: aliasSpecSchema,
    status: aliasStatusSchema,
    rules: aliasRules,
    columns: [
      { name: "Name", type: "string", jsonPath: ".status.name" },
      { name: "Function", type: "string", jsonPath: ".status.functionName" },
      { name: "Version", type: "string", jsonPath: ".status.functionVersion" },
      { name: "Weights", type: "string", jsonPath: ".status.routingConfig.additionalVersionWeights" },
      { name: "Provisioned", type: "integer", jsonPath: ".status.provisionedAvailable" },
      ready,
      age,
      reason,
      url,
    ],
    scale: {
      specReplicasPath: ".spec.provisionedConcurrencyConfig.provisionedConcurrentExecutions",
      statusReplicasPath: ".status.provisionedAllocated",
      labelSelectorPath: ".status.provisionedSelector",
    },
  },
  {
    ...layerKind,
    shortNames: [],
    description: "Layer is content that is merged into /opt, published as numbered versions",
    spec: layerSpecSchema,
    status: layerStatusSchema,
    rules: layerRules,
    columns: [{ name: "Latest", type: "integer", jsonPath: ".status.latestVersion" }, ready, age, reason],
  },
  {
    ...eventSourceMappingKind,
    shortNames: ["esm"],
    description: "EventSourceMapping polls a broker for a function",
    spec: eventSourceMappingSpecSchema,
    status: eventSourceMappingStatusSchema,
    rules: [],
    columns: [
      { name: "Function", type: "string", jsonPath: ".spec.functionName" },
      { name: "State", type: "string", jsonPath: ".status.state" },
      { name: "Lag", type: "integer", jsonPath: ".status.lag" },
      ready,
      age,
      reason,
    ],
  },
];
