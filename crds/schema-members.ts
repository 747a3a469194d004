/** What stands at which place of a schema; fields that no schema knows are refused, as kubectl refuses them. */
import { z } from "zod";

type Path = readonly string[];

/** Their paths, e.g. `spec.memory`; empty where the schema keeps what it does not know. */
export function unknownFields(schema: z.core.$ZodType, value: unknown, path: Path): string[] {
  const inner = unwrap(schema);
  if (Array.isArray(value)) {
    if (!(inner instanceof z.ZodArray)) return [];
    return value.flatMap((item, index) =>
      unknownFields(inner.element, item, [...path.slice(0, -1), `${path.at(-1) ?? ""}[${index}]`]),
    );
  }
  if (typeof value !== "object" || value === null) return [];
  if (inner instanceof z.ZodRecord) {
    return Object.entries(value).flatMap(([name, member]) => unknownFields(inner.valueType, member, [...path, name]));
  }
  if (!(inner instanceof z.ZodObject)) return [];
  if (inner.def.catchall !== undefined) return [];
  const shape = inner.shape as Readonly<Record<string, z.core.$ZodType>>;
  return Object.entries(value).flatMap(([name, member]) => {
    const known = shape[name];
    return known === undefined ? [[...path, name].join(".")] : unknownFields(known, member, [...path, name]);
  });
}

/** The schema of one member, and whether it stands under a key that the user chose. */
export function memberOf(
  schema: z.core.$ZodType | undefined,
  name: PropertyKey,
): { readonly member: z.core.$ZodType | undefined; readonly isKey: boolean } {
  const inner = schema === undefined ? undefined : unwrap(schema);
  if (inner instanceof z.ZodArray) return { member: inner.element, isKey: false };
  if (inner instanceof z.ZodRecord) return { member: inner.valueType, isKey: true };
  if (!(inner instanceof z.ZodObject)) return { member: undefined, isKey: false };
  return { member: (inner.shape as Readonly<Record<PropertyKey, z.core.$ZodType>>)[name], isKey: false };
}

/** What a schema is made of. */
export type SchemaNode =
  | { readonly type: "object"; readonly members: Readonly<Record<string, z.core.$ZodType>> }
  | { readonly type: "list" | "map"; readonly values: z.core.$ZodType }
  | { readonly type: "value"; readonly of: "string" | "number" | "boolean" | "other" };

export function nodeOf(schema: z.core.$ZodType): SchemaNode {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodArray) return { type: "list", values: inner.element };
  if (inner instanceof z.ZodRecord) return { type: "map", values: inner.valueType };
  if (!(inner instanceof z.ZodObject)) return { type: "value", of: valueType(inner) };
  return { type: "object", members: inner.shape };
}

function valueType(schema: z.core.$ZodType): "string" | "number" | "boolean" | "other" {
  if (schema instanceof z.ZodString || schema instanceof z.ZodEnum) return "string";
  if (schema instanceof z.ZodNumber) return "number";
  return schema instanceof z.ZodBoolean ? "boolean" : "other";
}

export function isInteger(schema: z.core.$ZodType | undefined): boolean {
  return schema !== undefined && unwrap(schema) instanceof z.ZodNumberFormat;
}

function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault) return unwrap(schema.def.innerType);
  return schema;
}
