/** What a function's conditions say of the concurrency that its account grants. Pure. */
import { removeCondition, type Condition, type ConditionDraft } from "../../../crds/v1alpha1/condition.ts";
import type { FunctionObject } from "../../../crds/v1alpha1/function.ts";
import type { ConcurrencyDecision } from "../../concurrency/decide.ts";

interface ConcurrencyInput {
  readonly object: FunctionObject;
  readonly concurrency?: ConcurrencyDecision | undefined;
}

/** A function whose reservation is refused takes calls, and is not what its spec says. */
export function withConcurrency(
  { object, concurrency }: ConcurrencyInput,
  drafts: readonly ConditionDraft[],
): readonly ConditionDraft[] {
  if (concurrency === undefined || !hasCondition(object)) return drafts;
  const type = "ConcurrencyGranted";
  const { reservedRefusal, granted } = concurrency;
  const reserved = granted.reservedConcurrentExecutions;
  if (reservedRefusal === undefined) {
    const message = reserved === undefined ? "Nothing is reserved" : `${reserved} concurrent executions are reserved`;
    return [...drafts, { type, status: "True", reason: "Granted", message }];
  }
  const goesOn = reserved === undefined ? "nothing is reserved" : `${reserved} stay reserved`;
  const refused = { reason: "ConcurrencyRefused", message: `${reservedRefusal}; ${goesOn}` } as const;
  const isReady = drafts.some((draft) => draft.type === "Ready" && draft.status === "True");
  const others = isReady ? drafts.filter((draft) => draft.type !== "Ready" && draft.type !== "Stalled") : drafts;
  return [
    ...others,
    { type, status: "False", ...refused },
    ...(isReady
      ? ([
          {
            type: "Ready",
            status: "False",
            reason: "ConcurrencyRefused",
            message: `The function can be invoked, but: ${refused.message}`,
          },
          { type: "Stalled", status: "True", ...refused },
        ] as const)
      : []),
  ];
}

/** Without a reservation, and none before, nothing is said of it. */
export function withoutConcurrency(object: FunctionObject, conditions: Condition[]): Condition[] {
  return hasCondition(object) ? conditions : removeCondition(conditions, "ConcurrencyGranted");
}

function hasCondition({ spec }: FunctionObject): boolean {
  return spec.reservedConcurrentExecutions !== undefined;
}
