/** What functions take out of their account's limit, and what has to be left. Pure. */
import type { GrantedConcurrency } from "../../crds/v1alpha1/invoke-config.ts";

export interface AccountRules {
  /** Concurrent invocations of the account. */
  readonly limit: number;
  /** What always stays for functions without a reservation. Source: Lambda developer guide, lambda-concurrency, 100. */
  readonly unreservedMinimum: number;
}

/** An account that is not larger than the minimum keeps a tenth, as Lambda's does of its 1,000: something can be reserved in the smallest. */
export function minimumOf({ limit, unreservedMinimum }: AccountRules): number {
  return limit > unreservedMinimum ? unreservedMinimum : Math.ceil(limit / 10);
}

/** A reservation, or else the provisioned sum, whether or not anything of it runs. */
export function claimedBy(granted: GrantedConcurrency | undefined): number {
  const { reservedConcurrentExecutions, provisioned = [] } = granted ?? {};
  return reservedConcurrentExecutions ?? provisioned.reduce((total, { allocated }) => total + allocated, 0);
}
