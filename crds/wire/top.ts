/** What `kubelambda top` asks a router, and routers each other: what runs and waits, function by function. */
import { z } from "zod";

const count = z.number().int().min(0);

export const topRowSchema = z.object({
  namespace: z.string().max(63),
  /** The Lambda name. */
  function: z.string().max(140),
  /** Execution environments that could take a call now. */
  ready: count,
  /** Those that run one. */
  busy: count,
  /** Those that are there and have not said yet that they could. */
  starting: count,
  /** Calls that wait for an environment. */
  waiting: count,
  /** Most calls at once, where the function has a reservation of its own. */
  reserved: count.optional(),
  /** Within the last minute. */
  calls: count,
  errors: count,
  throttled: count,
});
export type TopRow = z.infer<typeof topRowSchema>;

export const topAnswerSchema = z.object({
  functions: z.array(topRowSchema).max(200_000),
  /** uids of routers' pods that did not say what they know: the numbers of their accounts are missing. */
  silent: z.array(z.string().max(64)).max(1000),
});
export type TopAnswer = z.infer<typeof topAnswerSchema>;

/** Who asks, since the API server passes no Authorization on: a token that it takes itself, or one of the audience `top`. */
export const topTokenHeader = "x-kubelambda-token";
/** Parameter of the query; absent: all namespaces. */
export const topNamespaceParameter = "namespace";
