/** Lists and maps with the bounds and the merging that Kubernetes wants, checked alike without an API server. */
import { z } from "zod";

/** Key → value, at most `max` of them. Keys have no pattern of their own in OpenAPI: rules check them. */
export function mapOf<V extends z.ZodType>(value: V, max: number): z.ZodRecord<z.ZodString, V> {
  return z
    .record(z.string(), value)
    .superRefine((map, context) => {
      if (Object.keys(map).length > max)
        context.addIssue({ code: "too_big", origin: "object", maximum: max, inclusive: true, input: map });
    })
    .meta({ maxProperties: max });
}

/** At most `max` values, none twice. */
export function setOf<V extends z.ZodType<string>>(value: V, max: number): z.ZodArray<V> {
  return z
    .array(value)
    .max(max)
    .superRefine((list, context) => {
      for (const [index, item] of list.entries()) {
        if (list.indexOf(item) < index)
          context.addIssue({ code: "custom", path: [index], message: "", params: { isDuplicate: true } });
      }
    })
    .meta({ "x-kubernetes-list-type": "set" });
}
