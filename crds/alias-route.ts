/** Which published versions an alias stands for: one rule for the operator's status and for the router's calls. Pure. */
import { LATEST } from "./names.ts";
import type { AliasSpec, AliasStatus } from "./v1alpha1/alias.ts";
import type { VersionObject } from "./v1alpha1/version.ts";

/** Where an alias' calls go. Additional version → probability, 0 to 1; the rest goes to the primary. */
export interface AliasRoute {
  /** A number or `$LATEST`. */
  readonly functionVersion: string;
  readonly additionalVersionWeights: Readonly<Record<string, number>>;
}

export type AliasResolution =
  | { readonly ok: true; readonly route: AliasRoute }
  /** `version`: what is not published; undefined: the function has no version at all. */
  | { readonly ok: false; readonly reason: "VersionNotFound"; readonly version: string | undefined }
  | { readonly ok: false; readonly reason: "RoutingRefused"; readonly message: string };

type VersionSeen = Pick<VersionObject, "metadata" | "status">;

/** What the spec says. `versions`: Version objects of the function, published or not. */
export function resolveAlias(
  { functionVersion, routingConfig }: Pick<AliasSpec, "functionVersion" | "routingConfig">,
  versions: readonly VersionSeen[],
): AliasResolution {
  const primary = findPrimary(functionVersion, versions);
  if (primary === undefined) return { ok: false, reason: "VersionNotFound", version: functionVersion };
  const additionalVersionWeights: Record<string, number> = {};
  for (const [named, weight] of Object.entries(routingConfig?.additionalVersionWeights ?? {})) {
    const additional = findNumber(named, versions);
    if (additional === undefined) return { ok: false, reason: "VersionNotFound", version: named };
    const message = refusal(primary, additional, versions);
    if (message !== undefined) return { ok: false, reason: "RoutingRefused", message };
    additionalVersionWeights[additional] = weight;
  }
  return { ok: true, route: { functionVersion: primary, additionalVersionWeights } };
}

/** What serves calls: the spec's route, and while that cannot be had the last one that could, as the status keeps it. */
export function effectiveRoute(
  { spec, status }: { readonly spec: AliasSpec; readonly status?: AliasStatus | undefined },
  versions: readonly VersionSeen[],
): AliasRoute | undefined {
  const wanted = resolveAlias(spec, versions);
  if (wanted.ok) return wanted.route;
  const { functionVersion, routingConfig } = status ?? {};
  const former = functionVersion === undefined ? undefined : { functionVersion, routingConfig };
  const kept = former === undefined ? undefined : resolveAlias(former, versions);
  return kept?.ok === true ? kept.route : undefined;
}

/** Versions that calls through a route can reach. */
export function versionsOf({ functionVersion, additionalVersionWeights }: AliasRoute): readonly string[] {
  return [functionVersion, ...Object.keys(additionalVersionWeights)];
}

function findPrimary(named: string | undefined, versions: readonly VersionSeen[]): string | undefined {
  if (named === LATEST) return LATEST;
  if (named === undefined) return newestOf(versions);
  if (/^[0-9]+$/.test(named)) return findNumber(named, versions);
  const number = versions.find(({ metadata }) => metadata.name === named)?.status?.version;
  return number === undefined ? undefined : String(number);
}

function findNumber(named: string, versions: readonly VersionSeen[]): string | undefined {
  return versions.some(({ status }) => status?.version === Number(named)) ? String(Number(named)) : undefined;
}

/** One that is being deleted is the newest only where there is no other: then the alias keeps it. */
function newestOf(versions: readonly VersionSeen[]): string | undefined {
  const published = versions.filter(({ status }) => status?.version !== undefined);
  const staying = published.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  const numbers = (staying.length > 0 ? staying : published).map(({ status }) => status?.version ?? 0);
  return numbers.length === 0 ? undefined : String(Math.max(...numbers));
}

/** Source: Lambda API reference, CreateAlias; Lambda developer guide, configuring-alias-routing. */
function refusal(primary: string, additional: string, versions: readonly VersionSeen[]): string | undefined {
  if (primary === LATEST) return "$LATEST is not supported for an alias pointing to more than 1 version";
  if (primary === additional) {
    return `Invalid function version ${primary}. Function version ${primary} is already included in routing configuration.`;
  }
  const [one, other] = [primary, additional].map((number) => settingsOf(number, versions));
  const field = comparedSettings.find((name) => one?.[name] !== other?.[name]);
  if (field === undefined) return undefined;
  return `Versions ${primary} and ${additional} differ in ${field}: an alias splits calls only between versions that have the same role and dead letter configuration`;
}

const comparedSettings = ["role", "serviceAccountName", "deadLetterTargetARN"] as const;

function settingsOf(number: string, versions: readonly VersionSeen[]): VersionSeen["status"] {
  return versions.find(({ status }) => status?.version === Number(number))?.status;
}
