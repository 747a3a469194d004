/** From what is seen of an Alias to its status: what it stands for, and what to tell. */
import { effectiveRoute, resolveAlias, type AliasRoute } from "../../../crds/alias-route.ts";
import type { FunctionUrlOwner } from "../../../crds/function-url.ts";
import { accountIdOf, functionArn } from "../../../crds/names.ts";
import type { AliasObject, AliasStatus } from "../../../crds/v1alpha1/alias.ts";
import type { VersionObject } from "../../../crds/v1alpha1/version.ts";
import type { Stored } from "../../../lib/kubernetes/object.ts";
import type { GrantedConcurrency } from "../../../crds/v1alpha1/invoke-config.ts";
import { emptyPlan, type Plan } from "../../../lib/kubernetes/plan.ts";
import { provisionedSelector, provisionedStatus, type ProvisionedSeen } from "../../concurrency/provisioned-status.ts";
import { sharesOf } from "../../concurrency/wishes.ts";
import type { ProvisionedWord } from "../../scaling/provisioned.ts";
import { aliasName } from "./alias-name.ts";
import { decideConditions, decideEvents, type Progress } from "./conditions.ts";

export interface AliasSeen {
  readonly object: Stored<AliasObject>;
  /** `metadata.name` of the older Alias that has the same name for the same function. */
  readonly nameHolder?: string | undefined;
  /** The ARN is another account's or region's. */
  readonly isForeign: boolean;
  /** As the spec names it. */
  readonly functionTitle: string;
  /** Lambda name; undefined while the Function is not there. */
  readonly functionName: string | undefined;
  /** Versions of the function, published or not. */
  readonly versions: readonly Stored<VersionObject>[];
  /** Of the function; undefined: nobody has looked yet. */
  readonly granted?: GrantedConcurrency | undefined;
  /** How environments that are kept ready do; undefined without a Function. */
  readonly provisioned?: ProvisionedWord | undefined;
  /** Of the Function; undefined while it is not there. */
  readonly functionUid?: string | undefined;
  readonly region: string;
  readonly urlOf: (owner: FunctionUrlOwner) => string;
  /** ISO 8601. */
  readonly now: string;
}

/** While the spec's versions are not there, the alias stands for what it stood for. */
export function decideAlias(seen: AliasSeen): Plan<AliasStatus> {
  const { object } = seen;
  if (object.metadata.deletionTimestamp !== undefined) return emptyPlan;
  const route = seen.isForeign || seen.nameHolder !== undefined ? undefined : effectiveRoute(object, seen.versions);
  const progress = decideProgress(seen, route);
  const status = decideStatus(seen, progress, route);
  const outcome = progress.type === "ready" ? "done" : progress.type === "failed" ? "stalled" : "waiting";
  return { ...emptyPlan, status, events: decideEvents(object, status), outcome };
}

function decideProgress(seen: AliasSeen, route: AliasRoute | undefined): Progress {
  const { object, nameHolder, isForeign, functionTitle, functionName, versions } = seen;
  const name = aliasName(object);
  if (isForeign) {
    const message = `Cannot route to "${functionTitle}": it is no function of this namespace and region; name one by its bare name`;
    return { type: "failed", reason: "OtherAccount", message };
  }
  if (nameHolder !== undefined) {
    const message = `Cannot be alias "${name}" of "${functionTitle}": Alias "${nameHolder}" is older and has that name; set another spec.name`;
    return { type: "failed", reason: "NameTaken", message };
  }
  if (functionName === undefined) {
    const message = `Cannot route to "${functionTitle}": there is no such Function in this namespace; waiting for it`;
    return { type: "waiting", reason: "FunctionNotFound", message, kept: undefined };
  }
  const wanted = resolveAlias(object.spec, versions);
  if (wanted.ok) return { type: "ready", route: wanted.route };
  if (wanted.reason === "RoutingRefused") return { type: "failed", ...wanted, kept: route };
  return { type: "waiting", reason: wanted.reason, message: missingText(seen, wanted.version), kept: route };
}

/** Source of the text: Lambda's answer to CreateAlias. */
function missingText(seen: AliasSeen, version: string | undefined): string {
  const { functionName = "", functionTitle } = seen;
  if (version === undefined) return `Function "${functionTitle}" has no published version yet; waiting for one`;
  if (!/^[0-9]+$/.test(version)) return `Version "${version}" is not published yet; waiting for it`;
  return `Function not found: ${arnOf(seen, functionName, version)}; waiting for it to be published`;
}

function arnOf({ object, region }: AliasSeen, name: string, qualifier: string): string {
  return functionArn({ region, accountId: accountIdOf(object.metadata.namespace ?? ""), name, qualifier });
}

function decideStatus(seen: AliasSeen, progress: Progress, route: AliasRoute | undefined): AliasStatus {
  const { object, functionName, now } = seen;
  const name = aliasName(object);
  const weights = route?.additionalVersionWeights ?? {};
  const provisioned = seeProvisioned(seen, route);
  return {
    name,
    ...(route !== undefined && { functionVersion: route.functionVersion }),
    ...(Object.keys(weights).length > 0 && { routingConfig: { additionalVersionWeights: { ...weights } } }),
    ...(functionName !== undefined && { functionName, aliasARN: arnOf(seen, functionName, name) }),
    ...functionUrl(seen),
    ...(provisioned !== undefined && {
      ...provisionedStatus(provisioned),
      ...(seen.functionUid !== undefined && {
        provisionedSelector: provisionedSelector(seen.functionUid, provisioned.shares),
      }),
    }),
    conditions: decideConditions({ object, progress, provisioned, now }),
    observedGeneration: object.metadata.generation ?? 0,
  };
}

/** Undefined: it wants none, or stands for nothing. */
function seeProvisioned(
  { object, granted, provisioned: word, isForeign, nameHolder }: AliasSeen,
  route: AliasRoute | undefined,
): ProvisionedSeen | undefined {
  const requested = object.spec.provisionedConcurrencyConfig?.provisionedConcurrentExecutions;
  if (requested === undefined || isForeign || nameHolder !== undefined) return undefined;
  const qualifier = aliasName(object);
  return { requested, qualifier, shares: sharesOf(route), granted, word, before: object.status };
}

/** Of the one that has the name, whether it leads anywhere or not. */
function functionUrl({
  object,
  functionName,
  isForeign,
  nameHolder,
  urlOf,
}: AliasSeen): Pick<AliasStatus, "functionURL"> {
  const isWanted = object.spec.functionURLConfig !== undefined && !isForeign && nameHolder === undefined;
  if (!isWanted || functionName === undefined) return {};
  const owner = { namespace: object.metadata.namespace ?? "", functionName, aliasName: aliasName(object) };
  return { functionURL: urlOf(owner) };
}
