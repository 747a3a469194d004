import { reservationOf } from "../../crds/granted-concurrency.ts";
import type { FunctionObject } from "../../crds/v1alpha1/function.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";
import type { Recipe } from "../controllers/function/recipe.ts";
import type { EnvironmentSeen, ScalingSeen, ScalingTarget } from "./decide.ts";
import type { EnvironmentState } from "./environment-state.ts";
import type { FunctionScaling } from "./function-scaling.ts";
import type { LoadBoard } from "./load-board.ts";
import { recentMs } from "./recycling.ts";
import type { ScalingGroup } from "./scaling-targets.ts";

/** What the installation sets for functions that do not say. */
export interface ScalingDefaults {
  readonly keepAliveMs: number;
  /** Of an environment; Infinity: none. */
  readonly maxAgeMs: number;
  /** Of a function without reserved concurrency. */
  readonly maxEnvironments: number;
}

export interface ScalingSources extends Pick<ScalingSeen, "mayRelease" | "createAtOnce"> {
  readonly object: Stored<FunctionObject>;
  readonly scaling: FunctionScaling;
  readonly board: LoadBoard;
  readonly defaults: ScalingDefaults;
  readonly clock: Clock;
}

/** All that the decision about one group of a function's environments goes by. */
export function observeScaling(
  sources: ScalingSources,
  { recipe, environments }: ScalingGroup<EnvironmentState>,
): ScalingSeen {
  const { object, scaling, board, clock, mayRelease, createAtOnce } = sources;
  const { uid, namespace = "", deletionTimestamp } = object.metadata;
  const revisionID = recipe?.document.revisionID;
  return {
    isWanted: deletionTimestamp === undefined,
    ...(revisionID !== undefined && { target: targetOf(sources, revisionID) }),
    environments: seenOf(sources, recipe, environments),
    replicas: board.of(namespace, uid, revisionID),
    creatingFor: scaling.creatingFor(),
    creating: revisionID === undefined ? 0 : scaling.creating(revisionID),
    asked: scaling.asked,
    backOffMs: revisionID === undefined ? 0 : scaling.backOffMs(revisionID, clock.monotonicMs()),
    mayRelease,
    createAtOnce,
  };
}

/** Infinity: none. */
export function maxAgeOf(
  { spec: { maxAgeSeconds } }: FunctionObject,
  defaults: Pick<ScalingDefaults, "maxAgeMs">,
): number {
  return maxAgeSeconds === undefined ? defaults.maxAgeMs : maxAgeSeconds * 1000;
}

function targetOf({ object, defaults }: ScalingSources, revisionID: string): ScalingTarget {
  const { idleTimeoutSeconds } = object.spec;
  return {
    revisionID,
    maxEnvironments: reservationOf(object) ?? defaults.maxEnvironments,
    keepAliveMs: idleTimeoutSeconds === undefined ? defaults.keepAliveMs : idleTimeoutSeconds * 1000,
    maxAgeMs: maxAgeOf(object, defaults),
  };
}

function seenOf(
  { object: { metadata }, scaling, board, clock }: ScalingSources,
  recipe: Recipe | undefined,
  environments: readonly EnvironmentState[],
): readonly EnvironmentSeen[] {
  const unreachable = board.unreachable(metadata.uid);
  return environments.map((state) => ({
    ...state,
    ageMs: clock.nowMs() - state.createdAtMs,
    standsIn: recipe !== undefined && standsInFor(recipe, state),
    isMissed: scaling.isMissed(state, () => state.hasRun && board.wasUsed(metadata.uid, state.uid, recentMs)),
    isCutOff: state.isCutOff === true || unreachable.has(state.uid),
  }));
}

/** It differs from what is made now in what the installation sets alone. */
function standsInFor({ configurationID, document }: Recipe, state: EnvironmentState): boolean {
  const isSame = configurationID !== undefined && state.configurationID === configurationID;
  return isSame && state.revisionID !== document.revisionID;
}
