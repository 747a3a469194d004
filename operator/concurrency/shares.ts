/** How a number of environments that are kept ready gets from one version to another: made before anything is broken. Pure. */
import type { ProvisionedShare } from "../../crds/v1alpha1/invoke-config.ts";

/** Whole environments by share of the calls; what is left over goes where most of one is missing. Version → environments. */
export function shareOut(size: number, shares: Readonly<Record<string, number>>): ReadonlyMap<string, number> {
  const exact = Object.entries(shares).map(([version, share]) => ({ version, exact: size * share }));
  const whole = new Map(exact.map((part) => [part.version, Math.floor(part.exact + 1e-9)]));
  let left = size - [...whole.values()].reduce((total, number) => total + number, 0);
  for (const { version, exact: wanted } of exact.toSorted((a, b) => fraction(b.exact) - fraction(a.exact))) {
    if (left <= 0 || wanted === 0) continue;
    whole.set(version, (whole.get(version) ?? 0) + 1);
    left -= 1;
  }
  return new Map([...whole].filter(([, number]) => number > 0));
}

export interface StepSeen {
  readonly qualifier: string;
  /** Version → environments. */
  readonly target: ReadonlyMap<string, number>;
  /** Where it has got to. */
  readonly former: readonly ProvisionedShare[];
  /** Ready environments of a version that are nobody else's. */
  readonly readyOf: (version: string) => number;
  /** Version → why its environments do not come up. */
  readonly failures: Readonly<Record<string, string>>;
}

/** All of the target is used at once when all of it is ready; until then calls go on with what they had, and that alone is claimed twice by nobody. */
export function takeStep({ qualifier, target, former, readyOf, failures }: StepSeen): readonly ProvisionedShare[] {
  const size = [...target.values()].reduce((total, number) => total + number, 0);
  const usable = shrink(former, size);
  const lacking = [...target].filter(([version, number]) => number > (usable.get(version) ?? 0));
  if (lacking.every(([version, number]) => readyOf(version) >= number)) {
    return [...target].map(([functionVersion, number]) => ({
      ...{ qualifier, functionVersion, requested: number, allocated: number, available: number },
    }));
  }
  const failed = new Map(lacking.flatMap(([version, number]) => failureOf(version, number, former, failures)));
  let unclaimed = failed.size > 0 ? 0 : size - [...usable.values()].reduce((total, number) => total + number, 0);
  const versions = new Set([...target.keys(), ...usable.keys()]);
  return [...versions].sort(byNumber).map((version) => {
    const [requested, available] = [target.get(version) ?? 0, usable.get(version) ?? 0];
    const claimed = Math.min(unclaimed, Math.max(0, requested - available));
    unclaimed -= claimed;
    const failure = failed.get(version);
    return {
      ...{ qualifier, functionVersion: version, requested, allocated: available + claimed, available },
      ...(failure !== undefined && { failure }),
    };
  });
}

/** What has failed counts as failed until it is asked for otherwise, or comes up. */
function failureOf(
  version: string,
  requested: number,
  former: readonly ProvisionedShare[],
  failures: Readonly<Record<string, string>>,
): readonly (readonly [string, string])[] {
  const before = former.find((known) => known.functionVersion === version && known.requested === requested);
  const failure = failures[version] ?? before?.failure;
  return failure === undefined ? [] : [[version, failure]];
}

/** What calls use already, no more than so many: what is too much is taken from the largest first. */
function shrink(former: readonly ProvisionedShare[], size: number): ReadonlyMap<string, number> {
  const usable = new Map(former.map(({ functionVersion, available }) => [functionVersion, available]));
  let excess = [...usable.values()].reduce((total, number) => total + number, 0) - size;
  for (const [version, number] of [...usable].sort(([, a], [, b]) => b - a)) {
    if (excess <= 0) break;
    const less = Math.min(number, excess);
    usable.set(version, number - less);
    excess -= less;
  }
  return new Map([...usable].filter(([, number]) => number > 0));
}

function fraction(number: number): number {
  return number - Math.floor(number + 1e-9);
}

function byNumber(a: string, b: string): number {
  return Number(a) - Number(b);
}
