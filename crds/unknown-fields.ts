/** Fields that no schema knows: an API server prunes them and kubectl refuses them; so do we. */
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
  if (typeof value !== "object" || value === null || !(inner instanceof z.ZodObject)) return [];
  if (inner.def.catchall !== undefined) return [];
  const shape = inner.shape as Readonly<Record<string, z.core.$ZodType>>;
  return Object.entries(value).flatMap(([name, member]) => {
    const known = shape[name];
    return known === undefined ? [[...path, name].join(".")] : unknownFields(known, member, [...path, name]);
  });
}

function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault) return unwrap(schema.def.innerType);
  return schema;
}
