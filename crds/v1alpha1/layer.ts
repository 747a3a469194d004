/** Kind Layer: content that is merged into /opt, published as numbered versions. Limits: Lambda API reference, PublishLayerVersion. */
import { z } from "zod";
import { API_VERSION } from "../names.ts";
import { parseObject, type ParseResult } from "../parse.ts";
import { immutable, withRules } from "../rule.ts";
import { contentSchema } from "./code.ts";
import { conditionsSchema, observedGenerationSchema } from "./condition.ts";
import { objectNameRule } from "./lambda-name.ts";
import type { CustomObject } from "./object-meta.ts";
import { setOf } from "./collections.ts";
import { sourceReadSchema } from "./source-read.ts";
import { dateTime, text } from "./text.ts";

export const layerSpecSchema = withRules(
  z.object({
    name: z
      .string()
      .min(1)
      .max(140)
      .regex(/^[a-zA-Z0-9\-_]+$/)
      .optional()
      .describe("Lambda's name of the layer; default: metadata.name"),
    content: contentSchema,
    compatibleRuntimes: setOf(text(128, 1), 15).optional().describe("A hint, not enforced"),
    compatibleArchitectures: setOf(z.enum(["x86_64", "arm64"]), 2)
      .optional()
      .describe("A hint, not enforced"),
    licenseInfo: text(512).optional(),
    description: text(256).optional(),
    allowedNamespaces: setOf(text(63, 1), 256).optional().describe("Other namespaces that may use it; * for all"),
  }),
  [immutable("name")],
);
export type LayerSpec = z.output<typeof layerSpecSchema>;
export type LayerSpecInput = z.input<typeof layerSpecSchema>;

export const layerRules = [
  objectNameRule(
    /^[a-z0-9-]{1,140}$/,
    "spec.name is needed: metadata.name is no layer name, for it has a dot or is longer than 140",
  ),
];

export const layerStatusSchema = z.object({
  source: sourceReadSchema.optional(),
  versions: z
    .array(
      z.object({
        version: z.int().min(1),
        sha256: text(64).describe("Of the zip, hex"),
        size: z.int().min(0).describe("Zipped, bytes"),
        extensions: z
          .array(text(255))
          .max(64)
          .meta({ "x-kubernetes-list-type": "atomic" })
          .optional()
          .describe("Files that run as extensions beside the function"),
        description: text(256).optional(),
        compatibleRuntimes: z.array(text(128)).max(15).meta({ "x-kubernetes-list-type": "atomic" }).optional(),
        compatibleArchitectures: z.array(text(16)).max(2).meta({ "x-kubernetes-list-type": "atomic" }).optional(),
        createdDate: dateTime().optional(),
      }),
    )
    .max(1000)
    .meta({ "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["version"] })
    .optional()
    .describe("The newest ones; each is kept in a ControllerRevision, and goes when that is deleted"),
  latestVersion: z.int().min(1).optional(),
  layerARN: text(400).optional(),
  conditions: conditionsSchema.optional(),
  observedGeneration: observedGenerationSchema.optional(),
});
export type LayerStatus = z.infer<typeof layerStatusSchema>;
export type LayerObject = CustomObject<LayerSpec, LayerStatus>;

export const layerKind = { apiVersion: API_VERSION, kind: "Layer", plural: "layers", namespaced: true } as const;

/** Checks a Layer as the API server would, and fills in defaults; with `old` also that it may become this. */
export function parseLayer(object: unknown, old?: LayerObject): ParseResult<LayerObject> {
  return parseObject<typeof layerSpecSchema, LayerStatus>(
    { ...layerKind, spec: layerSpecSchema, rules: layerRules },
    object,
    old,
  );
}
