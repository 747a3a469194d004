/** How many environments of a version are kept ready, and which of them go. Pure. */
import type { GrantedConcurrency } from "../../crds/v1alpha1/invoke-config.ts";
import type { EnvironmentDocument } from "../../crds/wire/environment.ts";
import type { Recipe } from "../controllers/function/recipe.ts";
import { isOld } from "./recycling.ts";
import type { EnvironmentSeen, ReplicaSeen, ScalingPlan } from "./decide.ts";

/** Version → how its environments that are kept ready do. */
export type ProvisionedCounts = Readonly<Record<string, ProvisionedCount>>;

export interface ProvisionedCount {
  /** Initialised, and there. */
  readonly ready: number;
  /** In a row. */
  readonly failedInits: number;
  /** Why the newest ones do not come up. */
  readonly trouble?: string;
}

/** What is known of a function's. */
export interface ProvisionedWord {
  readonly counts: ProvisionedCounts;
  /** False shortly after a start: there may be more. */
  readonly isSettled: boolean;
}

export interface KeptEnvironment extends EnvironmentSeen {
  readonly isReady: boolean;
  readonly hasFailedInit: boolean;
}

export interface ProvisionedSeen {
  /** Environments that shall be kept. */
  readonly wanted: number;
  /** Undefined: none can be made. */
  readonly revisionID: string | undefined;
  /** Of this version alone, also of its former revisions. */
  readonly environments: readonly KeptEnvironment[];
  readonly replicas: readonly ReplicaSeen[];
  /** Created and not seen yet. */
  readonly creating: number;
  readonly asked: ReadonlySet<string>;
  /** The last ones failed: one at a time is tried. */
  readonly isFailing: boolean;
  readonly backOffMs: number;
  /** An environment that is older is replaced. */
  readonly maxAgeMs: number;
  /** What those that are created and not seen yet replace. */
  readonly creatingFor: ReadonlySet<string>;
  readonly mayRelease: boolean;
  readonly createAtOnce: number;
}

/** Least limit of their init phase, ms. Source: Lambda developer guide, lambda-runtime-environment. */
const leastInitMs = 130_000;

/** Replaces what is over or old, asks back what is too much, and what is of a former revision or not heard once as many are ready as shall be. */
export function decideProvisioned(seen: ProvisionedSeen): Omit<ScalingPlan, "isAtMost"> {
  const present = seen.environments.filter(({ phase }) => phase !== "terminating");
  const isOver = ({ phase, hasFailedInit }: KeptEnvironment): boolean =>
    phase === "ended" || phase === "failed" || hasFailedInit;
  const alive = present.filter((environment) => !isOver(environment));
  const release = decideRelease(seen, alive);
  const staying = currentOf(seen, alive).filter(({ uid }) => !release.has(uid));
  const returned = alive.filter(({ uid }) => seen.asked.has(uid) && isReturned(uid, seen.replicas));
  return {
    create: decideCreate(seen, staying),
    replace: decideReplace(seen, staying),
    release: [...release].sort(),
    remove: [...present.filter(isOver), ...returned].map(({ uid }) => uid),
  };
}

function currentOf({ revisionID }: ProvisionedSeen, alive: readonly KeptEnvironment[]): readonly KeptEnvironment[] {
  return alive.filter((environment) => environment.revisionID === revisionID);
}

/** Whether it stands in the place of one that is still there. */
function isSuccessor({ replaces }: KeptEnvironment, all: readonly KeptEnvironment[]): boolean {
  return replaces !== undefined && all.some(({ uid }) => uid === replaces);
}

function decideCreate(seen: ProvisionedSeen, staying: readonly KeptEnvironment[]): number {
  const { revisionID, wanted, creating, creatingFor, backOffMs, isFailing, createAtOnce } = seen;
  if (revisionID === undefined || backOffMs > 0) return 0;
  const heard = staying.filter(({ isCutOff }) => isCutOff !== true);
  const counted = heard.filter((environment) => !isSuccessor(environment, heard));
  const successors = staying.filter(({ uid }) => creatingFor.has(uid)).length;
  const lacking = Math.max(0, wanted - counted.length - Math.max(0, creating - successors));
  if (!isFailing) return Math.min(lacking, createAtOnce);
  const isTrying = creating > 0 || staying.some(({ isReady }) => !isReady);
  return isTrying ? 0 : Math.min(lacking, 1);
}

/** One at a time, and only where all are there. */
function decideReplace(seen: ProvisionedSeen, staying: readonly KeptEnvironment[]): readonly string[] {
  const { revisionID, wanted, creating, backOffMs, mayRelease, maxAgeMs } = seen;
  const isBusy = creating > 0 || backOffMs > 0 || staying.some(({ isReady }) => !isReady) || staying.length > wanted;
  if (revisionID === undefined || isBusy || !mayRelease) return [];
  const old = staying.filter((environment) => isOld(environment, maxAgeMs)).sort((a, b) => b.ageMs - a.ageMs);
  return old.slice(0, 1).map(({ uid }) => uid);
}

function decideRelease(seen: ProvisionedSeen, alive: readonly KeptEnvironment[]): ReadonlySet<string> {
  const { wanted, revisionID, replicas, asked, mayRelease } = seen;
  const release = new Set(alive.map(({ uid }) => uid).filter((uid) => asked.has(uid)));
  if (replicas.length === 0 || !mayRelease) return release;
  const staying = alive.filter(({ uid }) => !release.has(uid));
  const [cutOff, current] = partition(currentOf(seen, staying), ({ isCutOff }) => isCutOff === true);
  const ready = current.filter(({ isReady }) => isReady);
  const former = staying.filter((environment) => environment.revisionID !== revisionID);
  if (ready.length >= wanted) for (const { uid } of [...former, ...cutOff]) release.add(uid);
  for (const { replaces = "" } of ready) if (current.some(({ uid }) => uid === replaces)) release.add(replaces);
  const counted = current.filter(({ uid }) => !release.has(uid));
  const surplus = Math.max(0, counted.filter((one) => !isSuccessor(one, counted)).length - wanted);
  for (const { uid } of leastUsed(counted, replicas).slice(0, surplus)) release.add(uid);
  return release;
}

function partition<T>(all: readonly T[], test: (one: T) => boolean): readonly [readonly T[], readonly T[]] {
  return [all.filter(test), all.filter((one) => !test(one))];
}

/** What is not ready yet, then what is idle for longest; what is in use comes last. */
function leastUsed(current: readonly KeptEnvironment[], replicas: readonly ReplicaSeen[]): readonly KeptEnvironment[] {
  const rank = ({ isReady, phase, uid }: KeptEnvironment): number =>
    phase === "starting" && !isReady ? Infinity : idleForMs(uid, replicas);
  return current
    .map((environment) => ({ environment, rank: rank(environment) }))
    .sort((a, b) => b.rank - a.rank || (a.environment.uid < b.environment.uid ? -1 : 1))
    .map(({ environment }) => environment);
}

/** -1: nobody says that it is idle. */
export function idleForMs(uid: string, replicas: readonly ReplicaSeen[]): number {
  return Math.max(-1, ...replicas.map(({ idleForMsByUid }) => idleForMsByUid.get(uid) ?? -1));
}

function isReturned(uid: string, replicas: readonly ReplicaSeen[]): boolean {
  return replicas.length > 0 && replicas.every(({ confirmed }) => confirmed.has(uid));
}

/** Environments of each version that a status wants: what comes and what goes on until that is there. */
export function wantedByVersion(granted: GrantedConcurrency | undefined): ReadonlyMap<string, number> {
  const wanted = new Map<string, number>();
  for (const { functionVersion, requested, available } of granted?.provisioned ?? [])
    wanted.set(functionVersion, (wanted.get(functionVersion) ?? 0) + Math.max(requested, available));
  return wanted;
}

/** What environments that are kept ready are made from. */
export function provisionedRecipe(recipe: Recipe): Recipe {
  const { timeoutSeconds } = recipe.document;
  const document: EnvironmentDocument = {
    ...recipe.document,
    initializationType: "provisioned-concurrency",
    initTimeoutMs: Math.max(leastInitMs, timeoutSeconds * 1000),
  };
  return { ...recipe, document };
}

/** Under this their creations and failures are counted: apart from those on demand. */
export function provisionedGroup(revisionID: string): string {
  return `${revisionID}/provisioned`;
}
