/**
 * Router → operator: absolute numbers, on every change and once a second. No report means: keep what is there. A report is of all functions, or,
 * where the operator has said which one it has (`heard`), of those that have changed since.
 */
import { z } from "zod";

export const functionLoadSchema = z.object({
  namespace: z.string(),
  /** metadata.name of the Function. */
  name: z.string(),
  functionUid: z.string(),
  revisionID: z.string(),
  /** Environments of this revision that calls need now: running plus waiting, bounded. Those in doubt and those that are unreachable are not among them. */
  needed: z.number().int().min(0),
  /**
   * Environments of this revision whose init has ended, idle or in use, as far as the router has heard; those that are kept ready are not among
   * them. Absent: a router of an earlier release.
   */
  initialized: z.number().int().min(0).optional(),
  /** Environments that this router could hand out, also those of older revisions. */
  idle: z.array(z.object({ podUid: z.string(), idleForMs: z.number() })),
  /** Environments that the operator asked back and that this router will not hand out again and is not using. */
  released: z.array(z.string()),
  /** Environments that are to be kept ready and whose init has failed: they take no calls. */
  initFailed: z.array(z.string()).optional(),
  /**
   * Environments that run a call and are not in `needed`: those that are kept ready and those of former revisions. Without them it would look as if
   * the router had none. Absent: none, or a router of an earlier release.
   */
  inUse: z.array(z.string()).optional(),
  /**
   * Environments that count as running because nobody knows: a new owner has not heard of them, or whoever carried their call is gone.
   * How long it has been so: one that lives says within moments what it runs.
   */
  inDoubt: z.array(z.object({ podUid: z.string(), forMs: z.number() })).optional(),
  /** Environments that answered once and do not answer any more: they serve nobody. */
  unreachable: z.array(z.string()).optional(),
  /** The newest failed init or start that a caller saw, for the Function's conditions. */
  failure: z.object({ podUid: z.string(), errorType: z.string(), errorMessage: z.string() }).optional(),
});
export type FunctionLoad = z.infer<typeof functionLoadSchema>;

export const loadReportSchema = z.object({
  /** uid of the router's pod. Numbers of several replicas add up. */
  replica: z.string(),
  sequence: z.number(),
  /** Number of a report that the operator has: functions that are not named here are as they were, each as a whole. Absent: there are no others. */
  since: z.number().optional(),
  functions: z.array(functionLoadSchema).max(20_000),
  /** With `since`: uids of functions of which there is nothing to say any more. */
  gone: z.array(z.string()).max(20_000).optional(),
});
export type LoadReport = z.infer<typeof loadReportSchema>;

/** The operator's answer: the whole set of environments it wants back, absolute. What is missing from it is the router's again. */
export interface LoadReportAnswer {
  readonly release: readonly string[];
  /** Number of the report that this answers: the next one may say `since`. Absent: it was not taken, so the next is to name all functions. */
  readonly heard?: number;
}
