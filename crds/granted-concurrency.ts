/** What of a function's concurrency is in force: one rule for operator and router. Pure. */
import type { ProvisionedShare } from "./v1alpha1/invoke-config.ts";
import type { FunctionSpec, FunctionStatus } from "./v1alpha1/function.ts";

/** Until the operator has looked, what the spec says: so nothing changes when it comes to functions that were there before it. */
export function reservationOf({
  spec,
  status,
}: {
  readonly spec: FunctionSpec;
  readonly status?: FunctionStatus | undefined;
}): number | undefined {
  return status?.concurrency === undefined
    ? spec.reservedConcurrentExecutions
    : status.concurrency.reservedConcurrentExecutions;
}

/** Of one version, over all that is configured for it. */
export interface ProvisionedSize {
  /** What it takes out of the limits. */
  readonly claimed: number;
  /** What calls may use: 0 until all of it is ready. */
  readonly usable: number;
}

/** By version. */
export function provisionedSizes(shares: readonly ProvisionedShare[]): Readonly<Record<string, ProvisionedSize>> {
  const sizes: Record<string, ProvisionedSize> = {};
  for (const { functionVersion, allocated, available } of shares) {
    const { claimed = 0, usable = 0 } = sizes[functionVersion] ?? {};
    sizes[functionVersion] = { claimed: claimed + allocated, usable: usable + available };
  }
  return sizes;
}
