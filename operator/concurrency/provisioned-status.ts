/** What an Alias or a Version says of the environments that are kept ready for it. Pure. */
import { labels } from "../../crds/names.ts";
import type { ConditionDraft } from "../../crds/v1alpha1/condition.ts";
import type { GrantedConcurrency, ProvisionedShare, ProvisionedStatus } from "../../crds/v1alpha1/invoke-config.ts";
import type { ProvisionedWord } from "../scaling/provisioned.ts";
import { shareOut } from "./shares.ts";

export interface ProvisionedSeen {
  /** Of the spec. */
  readonly requested: number;
  /** Name of the Alias, or number of the Version; undefined: none yet. */
  readonly qualifier: string | undefined;
  /** Why nobody hears it: the object stands for nothing, or another speaks for the same. */
  readonly unheard?: string | undefined;
  /** Where it leads now: version → share of the calls. */
  readonly shares: Readonly<Record<string, number>>;
  /** Of the Function's status. */
  readonly granted: GrantedConcurrency | undefined;
  /** Undefined without a Function. */
  readonly word: ProvisionedWord | undefined;
  readonly before: ProvisionedStatus | undefined;
}

type Settled =
  | { readonly status: "IN_PROGRESS" | "READY" }
  | { readonly status: "FAILED"; readonly reason: string; readonly isRefused: boolean };

/** Source of the states and numbers: Lambda API reference, GetProvisionedConcurrencyConfig. */
export function provisionedStatus(seen: ProvisionedSeen): ProvisionedStatus {
  const { requested, before, word } = seen;
  const shares = sharesOf(seen);
  const settled = settle(seen, shares);
  const usable = shares.filter(({ available }) => available > 0);
  const allocated = usable.reduce((sum, { available }) => sum + available, 0);
  const present = usable.reduce(
    (sum, { functionVersion: version, available }) => sum + Math.min(available, word?.counts[version]?.ready ?? 0),
    0,
  );
  // Until all is known, what was said before stands where it is more.
  const told = word?.isSettled === true ? 0 : Math.min(allocated, before?.provisionedAvailable ?? 0);
  const available = Math.max(present, told);
  const reason =
    settled.status === "FAILED" ? settled.reason : settled.status === "READY" ? undefined : troubleOf(seen, shares);
  return {
    provisionedRequested: requested,
    provisionedAllocated: allocated,
    provisionedAvailable: available,
    provisionedStatus: settled.status,
    ...(reason !== undefined && { provisionedStatusReason: reason }),
  };
}

/** For the object's conditions. */
export function provisionedCondition(seen: ProvisionedSeen): ConditionDraft {
  const type = "ProvisionedConcurrencyReady";
  const settled = settle(seen, sharesOf(seen));
  const { requested } = seen;
  const noun = requested === 1 ? "environment is" : "environments are";
  switch (settled.status) {
    case "READY":
      return { type, status: "True", reason: "Granted", message: `${requested} ${noun} kept ready` };
    case "IN_PROGRESS": {
      const trouble = troubleOf(seen, sharesOf(seen));
      const message = `${requested} ${noun} being made ready; until then calls run with what was ready before, else on demand${trouble === undefined ? "" : `: ${trouble}`}`;
      return { type, status: "False", reason: "ProvisioningInProgress", message };
    }
    case "FAILED":
      return settled.isRefused
        ? { type, status: "False", reason: "ConcurrencyRefused", message: settled.reason }
        : {
            type,
            status: "False",
            reason: "ProvisioningFailed",
            message: failedMessage(settled.reason, troubleOf(seen, sharesOf(seen))),
          };
  }
}

/** Of an Alias: the pods that are kept ready for the versions it leads to. */
export function provisionedSelector(functionUid: string, shares: Readonly<Record<string, number>>): string {
  const versions = Object.keys(shares).sort((a, b) => Number(a) - Number(b));
  return `${labels.functionUid}=${functionUid},${labels.provisioned} in (${versions.join(",")})`;
}

function sharesOf({ granted, qualifier, unheard }: ProvisionedSeen): readonly ProvisionedShare[] {
  if (unheard !== undefined) return [];
  return (granted?.provisioned ?? []).filter((share) => share.qualifier === qualifier);
}

function settle(seen: ProvisionedSeen, shares: readonly ProvisionedShare[]): Settled {
  const { granted, qualifier, requested, unheard } = seen;
  if (unheard !== undefined) return { status: "FAILED", reason: unheard, isRefused: true };
  const refusal = granted?.refused?.find((refused) => refused.qualifier === qualifier)?.message;
  if (refusal !== undefined) return { status: "FAILED", reason: refusal, isRefused: true };
  const failure = shares.find((share) => share.failure !== undefined)?.failure;
  if (failure !== undefined) return { status: "FAILED", reason: failure, isRefused: false };
  // What the Function says may be about the spec or the route before.
  const target = shareOut(requested, seen.shares);
  const isCurrent =
    shares.length === target.size && shares.every((share) => target.get(share.functionVersion) === share.available);
  return { status: shares.length > 0 && isCurrent ? "READY" : "IN_PROGRESS" };
}

function troubleOf({ word }: ProvisionedSeen, shares: readonly ProvisionedShare[]): string | undefined {
  const lacking = shares.filter(({ requested, available }) => requested > available);
  return lacking
    .map(({ functionVersion }) => word?.counts[functionVersion]?.trouble)
    .find((trouble) => trouble !== undefined);
}

function failedMessage(reason: string, trouble: string | undefined): string {
  const why = trouble === undefined ? "" : `: ${trouble}`;
  return `${reason}: environments that shall be kept ready do not get through their init, so calls run on demand; it is tried again${why}`;
}
