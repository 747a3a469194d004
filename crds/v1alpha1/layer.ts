/** Kind Layer: content that is merged into /opt, published as numbered versions. Limits: Lambda API reference, PublishLayerVersion. */
import { z } from "zod";
import { API_VERSION } from "../names.ts";
import { parseObject, type ParseResult } from "../parse.ts";
import { immutable, withRules } from "../rule.ts";
import { contentSchema } from "./code.ts";
import { conditionsSchema } from "./condition.ts";
import type { CustomObject } from "./object-meta.ts";

const set = { "x-kubernetes-list-type": "set" } as const;

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
    compatibleRuntimes: z
      .array(z.string().min(1).max(128))
      .max(15)
      .meta(set)
      .optional()
      .describe("A hint, not enforced"),
    compatibleArchitectures: z
      .array(z.enum(["x86_64", "arm64"]))
      .max(2)
      .meta(set)
      .optional()
      .describe("A hint, not enforced"),
    licenseInfo: z.string().max(512).optional(),
    description: z.string().max(256).optional(),
    allowedNamespaces: z
      .array(z.string().min(1).max(63))
      .max(256)
      .meta(set)
      .optional()
      .describe("Other namespaces that may use it; * for all"),
  }),
  [immutable("name")],
);
export type LayerSpec = z.output<typeof layerSpecSchema>;

export const layerStatusSchema = z.object({
  versions: z
    .array(
      z.object({
        version: z.int().min(1),
        sha256: z.string().max(64),
        size: z.int().min(0).describe("Zipped, bytes"),
        extensions: z.array(z.string().max(255)).max(64).meta({ "x-kubernetes-list-type": "atomic" }).optional(),
        createdDate: z.string().meta({ format: "date-time" }).optional(),
      }),
    )
    .max(1000)
    .meta({ "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["version"] })
    .optional(),
  latestVersion: z.int().min(1).optional(),
  layerARN: z.string().max(400).optional(),
  conditions: conditionsSchema.optional(),
  observedGeneration: z.int().min(0).optional(),
});
export type LayerStatus = z.infer<typeof layerStatusSchema>;
export type LayerObject = CustomObject<LayerSpec, LayerStatus>;

export const layerKind = { apiVersion: API_VERSION, kind: "Layer", plural: "layers", namespaced: true } as const;

export function parseLayer(object: unknown): ParseResult<LayerObject> {
  return parseObject<typeof layerSpecSchema, LayerStatus>({ ...layerKind, spec: layerSpecSchema }, object);
}
