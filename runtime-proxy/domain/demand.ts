/** What the router reports to the operator: absolute numbers, so that a lost report costs nothing. */
import type { FunctionLoad } from "../../crds/wire/load-report.ts";
import { isIdle, isInDoubt, isReleased, type Environment, type EnvironmentPod } from "./environment.ts";
import type { FunctionFacts } from "./function-facts.ts";

export interface FunctionDemand {
  /** Of one version. */
  readonly facts: FunctionFacts;
  /** All of the function. */
  readonly environments: Iterable<Environment>;
  /** One load of a function lists what is idle or given back of all its versions; the others list none. */
  readonly listsEnvironments: boolean;
  /** Of all versions: what runs of one of these is in its load. Default: none. */
  readonly revisions?: ReadonlySet<string>;
  /** Calls that wait for an environment. */
  readonly waiting: number;
  /** Most calls that the function's limits allow at once. */
  readonly ceiling: number;
  readonly failure?: FunctionLoad["failure"];
}

/** A version's part of a report; undefined while it has no revision, since nothing can run it. */
export function functionLoad(demand: FunctionDemand, nowMs: number): FunctionLoad | undefined {
  const { facts, waiting, ceiling, failure, listsEnvironments } = demand;
  if (facts.revisionID === undefined) return undefined;
  let running = 0;
  let initialized = 0;
  const idle: { podUid: string; idleForMs: number }[] = [];
  const released: string[] = [];
  const inDoubt: { podUid: string; forMs: number }[] = [];
  const unreachable: string[] = [];
  const initFailed: string[] = [];
  const inUse: string[] = [];
  for (const environment of demand.environments) {
    const { podUid, provisionedFor } = environment.pod;
    // What is kept ready is there whether calls need it or not.
    const isNeeded = provisionedFor === undefined && serves(environment.pod, facts);
    if (isNeeded && isRunning(environment)) running += 1;
    const isOwn = provisionedFor === undefined && environment.pod.revisionID === facts.revisionID;
    if (isOwn && isInitialized(environment)) initialized += 1;
    if (!listsEnvironments) continue;
    if (isIdle(environment)) idle.push({ podUid, idleForMs: wholeMs(nowMs - environment.idleSinceMs) });
    if (isInDoubt(environment)) inDoubt.push({ podUid, forMs: wholeMs(nowMs - environment.mayRunSinceMs) });
    if (environment.isUnreachable) unreachable.push(podUid);
    if (isReleased(environment)) released.push(podUid);
    if (provisionedFor !== undefined && environment.hasFailedInit) initFailed.push(podUid);
    const isElsewhere = provisionedFor === undefined && demand.revisions?.has(environment.pod.revisionID) === true;
    if (!isNeeded && !isElsewhere && isBusy(environment)) inUse.push(podUid);
  }
  return {
    namespace: facts.namespace,
    name: facts.objectName,
    functionUid: facts.uid,
    revisionID: facts.revisionID,
    // What runs keeps running after a limit was lowered, and is needed until it ends.
    needed: Math.max(running, Math.min(running + waiting, ceiling)),
    initialized,
    idle,
    released,
    ...(inDoubt.length > 0 && { inDoubt }),
    ...(unreachable.length > 0 && { unreachable }),
    ...(initFailed.length > 0 && { initFailed }),
    ...(inUse.length > 0 && { inUse }),
    ...(failure !== undefined && { failure }),
  };
}

/** One whose agent is gone from us holds its slot, and takes no environment's place. */
function isRunning(environment: Environment): boolean {
  const { isInUse, mayRun, isUnreachable } = environment;
  return isInUse || (mayRun && !isUnreachable && !isInDoubt(environment));
}

function isInitialized(environment: Environment): boolean {
  return isBusy(environment) || environment.standing === "ready";
}

function isBusy({ isInUse, standing }: Environment): boolean {
  return isInUse || standing === "busy";
}

function wholeMs(ms: number): number {
  return Math.max(0, Math.round(ms));
}

function serves({ revisionID, configurationID }: EnvironmentPod, facts: FunctionFacts): boolean {
  const standsIn = configurationID !== undefined && configurationID === facts.configurationID;
  return revisionID === facts.revisionID || standsIn;
}

/** False when the operator learns nothing from it: nothing needed, nothing there, nothing failed. */
export function isWorthReporting({ needed, idle, released, ...load }: FunctionLoad): boolean {
  const isInTrouble = load.failure !== undefined || load.unreachable !== undefined || load.initFailed !== undefined;
  const isUsed = needed > 0 || load.inUse !== undefined || load.inDoubt !== undefined;
  return isUsed || idle.length > 0 || released.length > 0 || isInTrouble;
}
