/** Which provisionedConcurrencyConfigs of a function exclude each other. Pure. */
import type { ProvisionedShare } from "../../crds/v1alpha1/invoke-config.ts";

export interface ProvisionedWish {
  /** Name of the Alias, or number of the Version. */
  readonly qualifier: string;
  /** Sorts by age, the oldest first. */
  readonly order: string;
  readonly requested: number;
  /** Version → share of the calls, 0 to 1, adding up to 1. Empty: it leads nowhere yet. */
  readonly shares: Readonly<Record<string, number>>;
}

export interface Refusal {
  readonly qualifier: string;
  readonly message: string;
}

/** Who holds a version keeps it, then the older comes first. Source of the words: Lambda's answers to PutProvisionedConcurrencyConfig. */
export function findConflicts(
  wishes: readonly ProvisionedWish[],
  former: readonly ProvisionedShare[],
): { readonly standing: readonly ProvisionedWish[]; readonly refused: Refusal[] } {
  const holds = (qualifier: string, version: string): boolean =>
    former.some((share) => share.qualifier === qualifier && share.functionVersion === version && share.requested > 0);
  /** 0: it holds all its versions; 1: some, as with a weight too small for an environment; 2: none. */
  const rankOf = ({ qualifier, shares }: ProvisionedWish): number => {
    const held = Object.keys(shares).map((version) => holds(qualifier, version));
    return held.every(Boolean) ? 0 : held.some(Boolean) ? 1 : 2;
  };
  const inOrder = wishes
    .filter(({ shares }) => Object.keys(shares).length > 0)
    .map((wish) => ({ wish, key: `${rankOf(wish)} ${wish.order}` }))
    .sort((a, b) => (a.key < b.key ? -1 : 1));
  const standing: ProvisionedWish[] = [];
  const refused: Refusal[] = [];
  const takenBy = { version: new Set<string>(), alias: new Set<string>() };
  for (const { wish } of inOrder) {
    const [own, other] = isVersion(wish) ? (["version", "alias"] as const) : (["alias", "version"] as const);
    const versions = Object.keys(wish.shares);
    if (versions.some((version) => takenBy[other].has(version))) {
      refused.push({ qualifier: wish.qualifier, message: messages[own] });
      continue;
    }
    for (const version of versions) takenBy[own].add(version);
    standing.push(wish);
  }
  return { standing, refused };
}

const messages = {
  version: "Version is pointed by a Provisioned Concurrency alias",
  alias: "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version",
} as const;

/** No alias is called by a number. */
function isVersion({ qualifier }: ProvisionedWish): boolean {
  return /^[0-9]+$/.test(qualifier);
}
