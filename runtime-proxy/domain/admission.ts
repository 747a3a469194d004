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
  /** All calls of the account, in whatever they run. */
  readonly accountRunning: number;
  /** Of the function; absent: it has none. */
  readonly reserved: number | undefined;
  /** Provisioned sum over all versions of the function. */
  readonly provisionedSum: number;
  /** All calls of the function. */
  readonly running: number;
  /** On-demand calls of the function. */
  readonly onDemandRunning: number;
  /** Of the version: environments that are provisioned and may be used, and calls in them. */
  readonly provisioned: number;
  readonly provisionedRunning: number;
  /** The rate of the version's provisioned environments is used up. */
  readonly isProvisionedRateUsedUp: boolean;
  /** One of these environments is there at once. */
  readonly isProvisionedFree: boolean;
}

/**
 * Provisioned first, then what is left of the reservation, then what the account has left for all; what is provisioned and about to
 * come free is waited for rather than refused. However numbers change while calls run: never more than the reservation nor the account's
 * limit, whatever is granted to whom.
 */
export function decidePool(seen: LimitsSeen): ConcurrencyPool | ThrottleReason {
  const { reserved } = seen;
  const reason =
    reserved === undefined ? "ConcurrentInvocationLimitExceeded" : "ReservedFunctionConcurrentInvocationLimitExceeded";
  if (reserved !== undefined && seen.running >= reserved) return reason;
  // A reservation that has just been raised finds its room taken: it has it when calls of others have ended.
  if (seen.accountRunning >= seen.accountLimit) return "ConcurrentInvocationLimitExceeded";
  const isProvisioned = seen.provisionedRunning < seen.provisioned && !seen.isProvisionedRateUsedUp;
  if (isProvisioned && seen.isProvisionedFree) return "provisioned";
  if (hasRoomOnDemand(seen)) return "onDemand";
  return isProvisioned ? "provisioned" : reason;
}

function hasRoomOnDemand(seen: LimitsSeen): boolean {
  const { reserved } = seen;
  if (reserved !== undefined) return seen.onDemandRunning < reserved - seen.provisionedSum;
  return seen.unreservedRunning < seen.accountLimit - seen.claimed;
}

/** What a function takes out of its account's limit, whether or not anything of it runs. */
export function claimOf({ reserved, provisionedSum }: Pick<LimitsSeen, "reserved" | "provisionedSum">): number {
  return reserved ?? provisionedSum;
}
