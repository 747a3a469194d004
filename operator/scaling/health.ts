/** What a function's condition EnvironmentsHealthy says. Pure. */
import type { Reason } from "../../crds/v1alpha1/condition.ts";
import type { FunctionLoad } from "../../crds/wire/load-report.ts";
import type { Health } from "../controllers/function/conditions.ts";
import type { EnvironmentState } from "./environment-state.ts";
import type { StartFailures } from "./start-failures.ts";

export interface HealthSeen {
  readonly revisionID: string | undefined;
  readonly environments: readonly EnvironmentState[];
  readonly failures: StartFailures | undefined;
  /** The newest failed init that a caller saw. */
  readonly reported: FunctionLoad["failure"];
  /** Calls need more environments than this, which is as many as there may be; absent: there may be as many as they need. */
  readonly most?: number | undefined;
  readonly nowMs: number;
}

/** So long after a failure a running environment proves that it was overcome: what crashes runs for a moment too. */
const quietMs = 10_000;

const reasonOf: Readonly<Record<string, Reason>> = {
  ImagePullFailed: "ImagePullFailed",
  QuotaExceeded: "QuotaExceeded",
  EnvironmentRefused: "EnvironmentRefused",
  ContainerNotConfigured: "ContainerNotConfigured",
  Unschedulable: "Unschedulable",
};

/** Undefined: nothing is known, so what was said before stands. */
export function decideHealth({
  revisionID,
  environments,
  failures,
  reported,
  most,
  nowMs,
}: HealthSeen): Health | undefined {
  if (reported !== undefined) {
    return {
      ok: false,
      reason: "InitError",
      message: `The init phase fails: ${reported.errorType}: ${reported.errorMessage}`,
    };
  }
  const current = environments.filter((environment) => environment.revisionID === revisionID);
  const waiting = current.find(({ phase, failure }) => phase === "starting" && failure !== undefined)?.failure;
  if (waiting !== undefined) {
    return { ok: false, reason: reasonOf[waiting.reason] ?? "EnvironmentFailed", message: waiting.message };
  }
  const isRunning = current.some(({ phase }) => phase === "running");
  const recent = failures?.revisionID === revisionID ? failures : undefined;
  const isOvercome = recent === undefined || (isRunning && nowMs - recent.lastAtMs >= quietMs);
  if (!isOvercome) {
    const { reason, message } = recent.failure;
    return { ok: false, reason: reasonOf[reason] ?? "EnvironmentFailed", message };
  }
  if (most !== undefined) return { ok: false, reason: "EnvironmentLimitReached", message: atMost(most) };
  return isRunning ? { ok: true } : undefined;
}

function atMost(most: number): string {
  const remedy = "raise it, or give the function reservedConcurrentExecutions, which takes its place";
  return `Calls need more than ${most} environments, the most that the chart's environments.maxPerFunction allows, and wait for one of these: ${remedy}`;
}
