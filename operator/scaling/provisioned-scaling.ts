import type { FunctionObject } from "../../crds/v1alpha1/function.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";
import type { Recipe } from "../controllers/function/recipe.ts";
import type { EnvironmentHands } from "./environment-hands.ts";
import type { EnvironmentState } from "./environment-state.ts";
import type { FunctionScaling } from "./function-scaling.ts";
import type { LoadBoard } from "./load-board.ts";
import {
  decideProvisioned,
  idleForMs,
  provisionedGroup,
  provisionedRecipe,
  wantedByVersion,
  type ProvisionedCount,
  type ProvisionedCounts,
} from "./provisioned.ts";
import type { FunctionTargets } from "./scaling-targets.ts";

export interface ProvisionedScalingParts {
  readonly board: LoadBoard;
  readonly hands: EnvironmentHands;
  /** Counts of a function changed. */
  readonly onChange: (object: Stored<FunctionObject>) => void;
}

/** One look at a function. */
export interface ProvisionedLook {
  readonly object: Stored<FunctionObject>;
  readonly scaling: FunctionScaling;
  readonly targets: FunctionTargets;
  /** Those that are kept ready, of all versions. */
  readonly environments: readonly EnvironmentState[];
  readonly nowMs: number;
  readonly wallMs: number;
  readonly maxAgeMs: number;
  readonly mayRelease: boolean;
  readonly createAtOnce: number;
}

export interface ProvisionedScaled {
  readonly isConcerned: boolean;
  /** uids, as of ScalingPlan. */
  readonly release: readonly string[];
  readonly remove: readonly string[];
}

interface Known {
  /** uids of environments that were seen initialised: that does not change any more. */
  ready: ReadonlySet<string>;
  counts: ProvisionedCounts;
  told: string;
}

/** Keeps as many environments ready as statuses of Functions say, and counts them. What it remembers can be lost: reports say it again. */
export class ProvisionedScaling {
  readonly #parts: ProvisionedScalingParts;
  readonly #knownByUid = new Map<string, Known>();

  constructor(parts: ProvisionedScalingParts) {
    this.#parts = parts;
  }

  countsOf(functionUid: string): ProvisionedCounts {
    return this.#knownByUid.get(functionUid)?.counts ?? {};
  }

  forget(functionUid: string): void {
    this.#knownByUid.delete(functionUid);
  }

  /** Creates what lacks; answers what routers shall give back, what is to be removed, and whether there is anything to keep ready. */
  scale(look: ProvisionedLook): ProvisionedScaled {
    const { object, environments } = look;
    const { uid } = object.metadata;
    const wanted =
      object.metadata.deletionTimestamp === undefined
        ? wantedByVersion(object.status?.concurrency)
        : new Map<string, number>();
    if (wanted.size === 0 && environments.length === 0) {
      this.forget(uid);
      return { isConcerned: false, release: [], remove: [] };
    }
    const known = this.#know(look);
    const versions = new Set([...wanted.keys(), ...environments.map(({ provisionedFor = "" }) => provisionedFor)]);
    const plans = [...versions].map((version) =>
      this.#scaleVersion(look, { version, wanted: wanted.get(version) ?? 0, known }),
    );
    known.counts = Object.fromEntries(plans.map(({ version, count }) => [version, count]));
    const told = JSON.stringify([known.counts, look.mayRelease]);
    if (told !== known.told) {
      known.told = told;
      this.#parts.onChange(object);
    }
    const [release, remove] = [plans.flatMap(({ plan }) => plan.release), plans.flatMap(({ plan }) => plan.remove)];
    return { isConcerned: true, release, remove };
  }

  /** Idle or in use at a router, an environment has been initialised. */
  #know({ object, environments }: ProvisionedLook): Known {
    const { board } = this.#parts;
    const { uid } = object.metadata;
    const known = this.#knownByUid.get(uid) ?? { ready: new Set(), counts: {}, told: "" };
    this.#knownByUid.set(uid, known);
    const replicas = board.of(object.metadata.namespace ?? "", uid, undefined);
    const failed = board.initFailedOf(uid);
    const inUse = board.inUseOf(uid);
    const isReady = ({ uid: podUid }: EnvironmentState): boolean =>
      !failed.has(podUid) && (known.ready.has(podUid) || inUse.has(podUid) || idleForMs(podUid, replicas) >= 0);
    known.ready = new Set(environments.filter(isReady).map((environment) => environment.uid));
    return known;
  }

  #scaleVersion(look: ProvisionedLook, { version, wanted, known }: { version: string; wanted: number; known: Known }) {
    const { object, scaling, nowMs, wallMs, maxAgeMs, mayRelease, createAtOnce } = look;
    const { board, hands } = this.#parts;
    const recipe = recipeOf(look.targets, version);
    const revisionID = recipe?.document.revisionID;
    const own = look.environments.filter(({ provisionedFor }) => provisionedFor === version);
    const failed = board.initFailedOf(object.metadata.uid);
    const unreachable = board.unreachable(object.metadata.uid);
    const environments = own.map((state) => ({
      ...state,
      ageMs: wallMs - state.createdAtMs,
      isReady: known.ready.has(state.uid),
      hasFailedInit: failed.has(state.uid),
      isCutOff: state.isCutOff === true || unreachable.has(state.uid),
    }));
    const isHere = ({ phase, isCutOff }: EnvironmentState): boolean =>
      (phase === "starting" || phase === "running") && isCutOff !== true;
    const ready = environments.filter((environment) => environment.isReady && isHere(environment));
    const group = provisionedGroup(revisionID ?? "");
    if (ready.some((environment) => environment.createdAtMs >= lastFailureAt(scaling, group, nowMs, wallMs)))
      scaling.forgetFailures(group);
    for (const { uid } of environments.filter(({ hasFailedInit }) => hasFailedInit))
      scaling.failOnce(
        uid,
        { revisionID: group, failure: this.#initFailure(object, revisionID), isSlowToMend: true },
        nowMs,
      );
    const plan = decideProvisioned({
      ...{ wanted, revisionID, environments, maxAgeMs, mayRelease, createAtOnce },
      creatingFor: scaling.creatingFor(),
      replicas: board.of(object.metadata.namespace ?? "", object.metadata.uid, revisionID),
      creating: scaling.creating(group),
      asked: scaling.asked,
      isFailing: scaling.failuresOf(group) !== undefined,
      backOffMs: scaling.backOffMs(group, nowMs),
    });
    if (recipe !== undefined) {
      const creation = { object, recipe: provisionedRecipe(recipe), scaling, provisionedFor: version };
      for (const replaces of plan.replace) hands.create({ ...creation, replaces });
      for (let made = 0; made < plan.create; made += 1) hands.create(creation);
    }
    return { version, plan, count: countOf(scaling, group, ready.length, own) };
  }

  #initFailure({ metadata }: Stored<FunctionObject>, revisionID: string | undefined) {
    const reported = this.#parts.board.failureOf(metadata.uid, revisionID);
    const why = reported === undefined ? "no reason given" : `${reported.errorType}: ${reported.errorMessage}`;
    return { reason: initFailed, message: `The init phase fails: ${why}` };
  }
}

const initFailed = "InitFailed";

function recipeOf({ versions }: FunctionTargets, version: string): Recipe | undefined {
  return [...versions.values()].find(({ document }) => document.version === version);
}

/** On the wall clock, as pods have it, to the second. */
function lastFailureAt(scaling: FunctionScaling, group: string, nowMs: number, wallMs: number): number {
  const lastAtMs = scaling.failuresOf(group)?.lastAtMs;
  return lastAtMs === undefined ? Infinity : Math.floor((wallMs - (nowMs - lastAtMs)) / 1000) * 1000;
}

function countOf(
  scaling: FunctionScaling,
  group: string,
  ready: number,
  own: readonly EnvironmentState[],
): ProvisionedCount {
  const failures = scaling.failuresOf(group);
  const waiting = own.find(({ phase, failure }) => phase === "starting" && failure !== undefined)?.failure;
  const trouble = failures?.failure.message ?? waiting?.message;
  return {
    ready,
    failedInits: failures?.countByReason[initFailed] ?? 0,
    ...(trouble !== undefined && { trouble: trouble.slice(0, 1000) }),
  };
}
