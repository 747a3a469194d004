/** What of a function's wishes its account grants: how much is reserved for it, and how much is kept ready. Pure. */
import type { GrantedConcurrency, ProvisionedShare } from "../../crds/v1alpha1/invoke-config.ts";
import { findConflicts, type ProvisionedWish } from "./conflicts.ts";
import { claimedBy, minimumOf, type AccountRules } from "./claims.ts";
import { shareOut, takeStep } from "./shares.ts";

export interface ConcurrencySeen {
  /** Of the spec; absent: the function shares what the account has left. */
  readonly reserved: number | undefined;
  /** One for each Alias and Version with a provisionedConcurrencyConfig. */
  readonly wishes: readonly ProvisionedWish[];
  /** What was granted before; absent: nobody has looked yet. */
  readonly granted: GrantedConcurrency | undefined;
  /** What the account's other functions take out of its limit. */
  readonly claimedByOthers: number;
  readonly rules: AccountRules;
  /** Version → environments that are kept for it and have been initialised. */
  readonly ready: Readonly<Record<string, number>>;
  /** Version → why its environments do not come up, in Lambda's words. */
  readonly failures: Readonly<Record<string, string>>;
}

export interface ConcurrencyDecision {
  readonly granted: GrantedConcurrency;
  /** Why the reservation is not what the spec says, in Lambda's words. */
  readonly reservedRefusal?: string;
  /** What the function would take out of the limit if it got all that it wants. */
  readonly wantedClaim: number;
}

/** Who has something keeps it; what is refused leaves everything as it was. Source of the rules: Lambda developer guide, lambda-concurrency. */
export function decideConcurrency(seen: ConcurrencySeen): ConcurrencyDecision {
  const former = seen.granted?.provisioned ?? [];
  const { standing, refused } = findConflicts(seen.wishes, former);
  const kept = standing.map((wish) => ({
    ...wish,
    former: former.filter(({ qualifier }) => qualifier === wish.qualifier),
  }));
  const leastSize = sum(kept.map((wish) => Math.min(wish.requested, sizeOf(wish.former))));
  const reserved = decideReserved(seen, leastSize);
  const claims = new Map(kept.map((wish) => [wish.qualifier, Math.min(wish.requested, claimOf(wish.former))]));
  const provisioned: ProvisionedShare[] = [];
  let wanted = 0;
  for (const [at, wish] of kept.entries()) {
    const others = sum([...claims].filter(([qualifier]) => qualifier !== wish.qualifier).map(([, claim]) => claim));
    const decided = decideWish(seen, wish, {
      reserved: reserved.value,
      others,
      shares: [...provisioned, ...kept.slice(at + 1).flatMap((later) => later.former)],
    });
    claims.set(wish.qualifier, claimOf(decided.shares));
    provisioned.push(...decided.shares);
    // What has failed waits for no room.
    wanted += decided.refusal === undefined ? claimOf(decided.shares) : wish.requested;
    if (decided.refusal !== undefined) refused.push({ qualifier: wish.qualifier, message: decided.refusal });
  }
  return {
    granted: {
      ...(reserved.value !== undefined && { reservedConcurrentExecutions: reserved.value }),
      ...(provisioned.length > 0 && { provisioned }),
      ...(refused.length > 0 && { refused: refused.sort((a, b) => (a.qualifier < b.qualifier ? -1 : 1)) }),
    },
    ...(reserved.refusal !== undefined && { reservedRefusal: reserved.refusal }),
    wantedClaim: seen.reserved ?? wanted,
  };
}

/** Source of the words: Lambda's answers to PutFunctionConcurrency, with their blanks. */
function decideReserved(
  { reserved, granted, claimedByOthers, rules }: ConcurrencySeen,
  provisioned: number,
): { readonly value: number | undefined; readonly refusal?: string } {
  const value = granted?.reservedConcurrentExecutions;
  if (reserved === undefined || reserved === value) return { value: reserved };
  if (reserved < provisioned) {
    const refusal = ` ReservedConcurrentExecutions  ${reserved} should not be lower than function's total provisioned concurrency [${provisioned}].`;
    return { value, refusal };
  }
  const minimum = minimumOf(rules);
  if (reserved > claimedBy(granted) && rules.limit - claimedByOthers - reserved < minimum) {
    const refusal = `Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [${minimum}].`;
    return { value, refusal };
  }
  return { value: reserved };
}

type KeptWish = ProvisionedWish & { readonly former: readonly ProvisionedShare[] };

interface Surroundings {
  /** As it is granted now. */
  readonly reserved: number | undefined;
  /** What the function's other configurations claim. */
  readonly others: number;
  /** Of these others: as decided just now, else as before. */
  readonly shares: readonly ProvisionedShare[];
}

function decideWish(
  seen: ConcurrencySeen,
  wish: KeptWish,
  around: Surroundings,
): { readonly shares: readonly ProvisionedShare[]; readonly refusal?: string } {
  const step = (size: number): readonly ProvisionedShare[] =>
    takeStep({
      qualifier: wish.qualifier,
      target: shareOut(size, wish.shares),
      former: wish.former,
      readyOf: (version) => (seen.ready[version] ?? 0) - takenBy(around.shares, version),
      failures: seen.failures,
    });
  const shares = step(wish.requested);
  const before = claimOf(wish.former);
  if (claimOf(shares) <= before) return { shares };
  const refusal = findRefusal(seen, wish.requested, around);
  if (refusal === undefined) return { shares };
  return { shares: before === 0 ? [] : step(Math.min(before, wish.requested)), refusal };
}

/** Source of the words: Lambda's answers to PutProvisionedConcurrencyConfig. */
function findRefusal(
  { claimedByOthers, rules }: ConcurrencySeen,
  requested: number,
  { reserved, others }: Surroundings,
): string | undefined {
  if (reserved !== undefined) {
    if (requested <= reserved - others) return undefined;
    return "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function";
  }
  const unreserved = Math.max(0, rules.limit - claimedByOthers - others);
  if (requested > unreserved)
    return `Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [${unreserved}].`;
  const minimum = minimumOf(rules);
  if (unreserved - requested < minimum)
    return `Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [${minimum}].`;
  return undefined;
}

/** Ready environments of a version that calls of other configurations may use. */
function takenBy(shares: readonly ProvisionedShare[], version: string): number {
  const others = shares.filter(({ functionVersion }) => functionVersion === version);
  return sum(others.map(({ available }) => available));
}

function sizeOf(shares: readonly ProvisionedShare[]): number {
  return sum(shares.map(({ requested }) => requested));
}

function claimOf(shares: readonly ProvisionedShare[]): number {
  return sum(shares.map(({ allocated }) => allocated));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
