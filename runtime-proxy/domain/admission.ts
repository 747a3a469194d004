/** The order in which a call finds its place among an account's limits. Source: Lambda developer guide, lambda-concurrency. */

/** Source: Lambda API model, ThrottleReason. */
export type ThrottleReason =
  | "ReservedFunctionConcurrentInvocationLimitExceeded"
  | "ConcurrentInvocationLimitExceeded"
  | "ReservedFunctionInvocationRateLimitExceeded"
  | "FunctionInvocationRateLimitExceeded";

/** Which number the call counts in. */
export type ConcurrencyPool = "provisioned" | "onDemand";

export interface LimitsSeen {
  /** Of the account. */
  readonly accountLimit: number;
  /** All that functions have claimed of it: a reservation, or else the provisioned sum. */
  readonly claimed: number;
  /** On-demand calls of all functions without reservation. */
  readonly unreservedRunning: number;
  /** Of the function; absent: it has none. */
  readonly reserved: number | undefined;
  /** Provisioned sum over all versions of the function. */
  readonly provisionedSum: number;
  /** On-demand calls of the function. */
  readonly onDemandRunning: number;
  /** Of the version: environments that are provisioned and may be used, and calls in them. */
  readonly provisioned: number;
  readonly provisionedRunning: number;
  /** The rate of the version's provisioned environments is used up. */
  readonly isProvisionedRateUsedUp: boolean;
}

/** Provisioned first, then what is left of the reservation, then what the account has left for all. */
export function decidePool(seen: LimitsSeen): ConcurrencyPool | ThrottleReason {
  if (seen.provisionedRunning < seen.provisioned && !seen.isProvisionedRateUsedUp) return "provisioned";
  const { reserved } = seen;
  if (reserved !== undefined) {
    const room = reserved - seen.provisionedSum;
    return seen.onDemandRunning < room ? "onDemand" : "ReservedFunctionConcurrentInvocationLimitExceeded";
  }
  const unreserved = seen.accountLimit - seen.claimed;
  return seen.unreservedRunning < unreserved ? "onDemand" : "ConcurrentInvocationLimitExceeded";
}

/** What a function takes out of its account's limit, whether or not anything of it runs. */
export function claimOf({ reserved, provisionedSum }: Pick<LimitsSeen, "reserved" | "provisionedSum">): number {
  return reserved ?? provisionedSum;
}
