import { z } from "zod";
import { text } from "./text.ts";

/** The name of another object in the same namespace. */
export const nameReferenceSchema = z.object({ name: text(253, 1) });

/** One key of a Secret or ConfigMap in the same namespace. */
export const keyReferenceSchema = z.object({
  name: text(253, 1),
  key: text(253, 1),
  optional: z.boolean().optional(),
});

/** A reference as ACK writes it. */
export const ackReferenceSchema = z.object({
  from: z.object({ name: text(253).optional(), namespace: text(63).optional() }).optional(),
});
export type AckReference = z.output<typeof ackReferenceSchema>;
