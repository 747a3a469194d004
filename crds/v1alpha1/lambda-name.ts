import { z } from "zod";

/** A Lambda name: what object names do not allow (upper case, `_`) is allowed. Source: Lambda API reference, FunctionName. */
export const lambdaNameSchema = z
  .string()
  .min(1)
  .max(64)
  .regex(/^[a-zA-Z0-9\-_]+$/);
