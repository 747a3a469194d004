/** What the operator tells an environment (EnvironmentDocument), what an environment tells the router, and how it is invoked. */
import { z } from "zod";
import type { Position } from "./position.ts";

/**
 * Everything one execution environment runs by, as JSON in the pod's annotation `kubelambda.dev/environment`.
 * The agent and `assemble` read it through a downward API variable, which no kubelet expands.
 */
export const environmentDocumentSchema = z.object({
  namespace: z.string(),
  /** Lambda name of the function. */
  functionName: z.string(),
  functionUid: z.string(),
  /** Unqualified. */
  functionArn: z.string(),
  region: z.string(),
  /** `$LATEST` or a number. */
  version: z.string(),
  revisionID: z.string(),
  /** When the pod was made for it, ms since 1970, of which the API server keeps whole seconds; absent where the pod was there before. */
  createdAtMs: z.number().optional(),
  packageType: z.enum(["Zip", "Image"]),
  /** Runtime identifier, absent for images. */
  runtime: z.string().optional(),
  handler: z.string().optional(),
  /** MB. */
  memorySize: z.number(),
  timeoutSeconds: z.number(),
  /** Limit of the init phase, in ms: 10,000 on demand. */
  initTimeoutMs: z.number(),
  initializationType: z.enum(["on-demand", "provisioned-concurrency", "snap-start"]),
  logGroup: z.string(),
  logFormat: z.enum(["Text", "JSON"]),
  applicationLogLevel: z.string().optional(),
  /** Least level of the platform's own JSON lines: DEBUG, INFO or WARN; absent: INFO. */
  systemLogLevel: z.string().optional(),
  /** Between invocations the supervisors stop the processes by signal. */
  stopsBetweenInvocations: z.boolean().optional(),
  /** Of a streamed response after its first 6 MiB, bytes per second; 0 or absent: no limit. */
  streamBytesPerSecond: z.number().optional(),
  /** The function's own variables, literal. */
  variables: z.record(z.string(), z.string()),
  /** Name of a function's variable → name of the variable of the agent's container that the kubelet filled from a Secret or ConfigMap. */
  variablesFrom: z.record(z.string(), z.string()),
  /** `sha256:<hex>`; absent for images. */
  code: z.string().optional(),
  /** Digests in merge order: later ones win. */
  layers: z.array(z.object({ name: z.string(), digest: z.string() })),
  /** argv of an image; absent: the first bootstrap found (packages-layers-env.md 4). */
  argv: z.array(z.string()).optional(),
  /** Default `/var/task`. */
  workingDirectory: z.string().optional(),
});
export type EnvironmentDocument = z.infer<typeof environmentDocumentSchema>;

/** States in which an environment announces itself. Only `ready` takes invocations. */
export type EnvironmentState = "starting" | "ready" | "busy" | "draining";

/** Agent → router, on every change that matters to it, until acknowledged; also the agent's answer to `routes.state`. */
export interface EnvironmentAnnouncement {
  readonly podUid: string;
  /** Where invocations go: `host:port`. */
  readonly address: string;
  readonly state: EnvironmentState;
  /** Rises with every change: an older announcement never overwrites a newer one. */
  readonly sequence: number;
  /** Set once init has ended: a failed one still takes calls, and repeats the init inside the call. */
  readonly init?: {
    readonly ok: boolean;
    readonly durationMs: number;
    readonly errorType?: string;
    readonly errorMessage?: string;
  };
  /** An invocation has been let in and has no answer yet. */
  readonly isRunning?: boolean;
  /** What the agent has seen last: it takes no grant that stands before. */
  readonly position?: Position;
  /** The agent's own clock, ms; it comes back with every grant. */
  readonly atMs?: number;
}

export const environmentAnnouncementSchema = z.object({
  podUid: z.string().max(64),
  address: z.string().max(300),
  state: z.enum(["starting", "ready", "busy", "draining"]),
  sequence: z.number(),
  init: z
    .object({
      ok: z.boolean(),
      durationMs: z.number(),
      errorType: z.string().max(1024).optional(),
      errorMessage: z.string().max(8192).optional(),
    })
    .optional(),
  isRunning: z.boolean().optional(),
  position: z.object({ epoch: z.number(), turn: z.number() }).optional(),
  atMs: z.number().optional(),
});

/**
 * Headers of router → agent (`POST /v1/invocations/<requestId>`), besides `authorization`, `content-type`, `x-amzn-trace-id`.
 * The body is the event, complete, with its content-length.
 */
export const invocationHeaders = {
  /** ARN as invoked, with the caller's qualifier. */
  functionArn: "x-kubelambda-function-arn",
  /** As the caller sent it: base64 of JSON. */
  clientContext: "x-amz-client-context",
  /** `Tail` asks for `logResult`. */
  logType: "x-amz-log-type",
  /** `streaming`: the caller takes the payload as it comes; absent: whole. */
  responseMode: "x-kubelambda-response-mode",
  tenantId: "x-amz-tenant-id",
} as const;

/**
 * Headers of the agent's 200, whose body is the payload for the caller. Anything else (401 Unauthorized, 409 Busy, 409 Stale, 503 Draining,
 * each with `AgentRefusal`) means that nothing was started, so the router may try elsewhere.
 */
export const invocationAnswerHeaders = {
  functionError: "x-amz-function-error",
  logResult: "x-amz-log-result",
  executedVersion: "x-amz-executed-version",
  /** `streaming`: the payload comes in chunks and `streamTrailers` say how it ended; absent: it is whole. */
  responseMode: "x-kubelambda-response-mode",
  /** From the event's hand-over to the runtime until its answer, ms with fractions; absent on streams. */
  durationMs: "x-kubelambda-duration-ms",
  /** Of the init phase that went before, ms; only on an environment's first answer, a streamed one too, as are the next three. */
  initMs: "x-kubelambda-init-ms",
  /** From the pod's making until its agent began the init, less `fetchMs`: scheduling, containers, processes; by the clocks of operator and node. */
  startMs: "x-kubelambda-start-ms",
  /** Until code and layers were in their places, ms. */
  fetchMs: "x-kubelambda-fetch-ms",
  /** From the end of init until the call's event was handed over: less than the call has waited when the environment came up for it. */
  readyMs: "x-kubelambda-ready-ms",
  /** Of the call before, ms: what extensions took after the runtime was done; absent where none hears of calls. */
  extensionsMs: "x-kubelambda-extensions-ms",
} as const;

/** Trailers of a streamed payload. A connection that breaks before them: the agent was lost. */
export const streamTrailers = {
  /** `Complete`, `Truncated` (by the runtime or a reset) or `Oversized`. */
  endOfResponse: "end-of-response",
  /** Set when the invocation failed in mid-stream; body: base64 of the error's JSON. */
  errorType: "lambda-runtime-function-error-type",
  errorBody: "lambda-runtime-function-error-body",
  logResult: "x-amz-log-result",
} as const;

export interface AgentRefusal {
  /** `Stale`: by its grant the call may not run here (position.ts). */
  readonly code: "Unauthorized" | "Busy" | "Stale" | "Draining" | "BadRequest";
  readonly message: string;
}

/** What a router's claim says: who may be invoked until when. Signed with Ed25519 (lib/http/signed-claim.ts). */
export interface RouterClaim {
  readonly podUid: string;
  /** Seconds since 1970. */
  readonly expiresAt: number;
  /** `assign` (wire/assignment.ts), from the operator; absent from routers. */
  readonly purpose?: string;
}
