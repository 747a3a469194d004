import { z } from "zod";

/** The name of another object in the same namespace. */
export const nameReferenceSchema = z.object({ name: z.string().min(1).max(253) });

/** One key of a Secret or ConfigMap in the same namespace. */
export const keyReferenceSchema = z.object({
  name: z.string().min(1).max(253),
  key: z.string().min(1).max(253),
  optional: z.boolean().optional(),
});
