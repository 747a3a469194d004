/** Versions and aliases of the watch caches, by the function that they are of. */
import { effectiveRoute, type AliasRoute } from "../../crds/alias-route.ts";
import { parseFunctionUrl } from "../../crds/function-url.ts";
import {
  functionReferenceKey,
  functionReferenceKeys,
  isOwnFunction,
  type FunctionReferenceSpec,
} from "../../crds/function-reference.ts";
import type { AliasObject } from "../../crds/v1alpha1/alias.ts";
import type { VersionObject } from "../../crds/v1alpha1/version.ts";
import type { ObjectCache } from "../../lib/kubernetes/object-cache.ts";
import type { KubernetesObject, Stored } from "../../lib/kubernetes/object.ts";
import type { FunctionFacts } from "../domain/function-facts.ts";
import { GoneUrls } from "./gone-urls.ts";

/** For `ObjectCache`: the key that `KubernetesVersions` looks under. */
export const partIndexes = {
  function: ({ metadata, spec }: KubernetesObject & { readonly spec: FunctionReferenceSpec }) => [
    functionReferenceKey(metadata.namespace ?? "", spec),
  ],
};

/** The id of an object's function URL, under which it is found. */
export function urlIdOf({
  status,
}: {
  readonly status?: { readonly functionURL?: string | undefined };
}): readonly string[] {
  const id = parseFunctionUrl(status?.functionURL);
  return id === undefined ? [] : [id];
}

/** For the `ObjectCache` of aliases. */
export const aliasIndexes = { ...partIndexes, url: urlIdOf };

export interface VersionCaches {
  readonly versions: ObjectCache<VersionObject>;
  readonly aliases: ObjectCache<AliasObject>;
}

/** What is published of one function. */
export interface PublishedVersions {
  readonly factsByVersion: ReadonlyMap<string, FunctionFacts>;
  readonly routeByAlias: ReadonlyMap<string, AliasRoute>;
}

export class KubernetesVersions {
  readonly #caches: VersionCaches;
  readonly #region: string;
  readonly #goneUrls = new GoneUrls();

  constructor(caches: VersionCaches, region: string) {
    this.#caches = caches;
    this.#region = region;
    caches.aliases.onChange(({ type, object }) => {
      const isGone = type === "deleted" || object.metadata.deletionTimestamp !== undefined;
      this.#goneUrls.see(object, urlIdOf(object), isGone);
    });
  }

  get isCurrent(): boolean {
    return this.#caches.versions.isCurrent && this.#caches.aliases.isCurrent;
  }

  /** Calls with the reference key of whatever names a function and came, changed or went. */
  onChange(listener: (referenceKey: string) => void): void {
    const tell = ({ metadata, spec }: KubernetesObject & { readonly spec: FunctionReferenceSpec }): void =>
      listener(functionReferenceKey(metadata.namespace ?? "", spec));
    this.#caches.versions.onChange(({ object }) => tell(object));
    this.#caches.aliases.onChange(({ object }) => tell(object));
  }

  /** The alias that has the URL, and the reference key by which it names its function. */
  aliasOfUrl(id: string): { readonly alias: Stored<AliasObject>; readonly functionKey: string } | undefined {
    const alias = [...this.#caches.aliases.byIndex("url", id)]
      .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
      .sort(youngerFirst)
      .at(-1);
    if (alias === undefined) return undefined;
    return { alias, functionKey: functionReferenceKey(alias.metadata.namespace ?? "", alias.spec) };
  }

  /** Whether an alias had the URL that is not there any more. */
  hadAlias(id: string): boolean {
    return this.#goneUrls.has(id);
  }

  /** `latest`: of the function. */
  of(latest: FunctionFacts): PublishedVersions {
    const versions = this.#named(this.#caches.versions, latest);
    const factsByVersion = new Map<string, FunctionFacts>();
    for (const version of versions) {
      const facts = versionFacts(latest, version);
      if (facts !== undefined) factsByVersion.set(facts.version, facts);
    }
    const routeByAlias = new Map<string, AliasRoute>();
    for (const alias of this.#named(this.#caches.aliases, latest).toSorted(youngerFirst)) {
      if (alias.metadata.deletionTimestamp !== undefined) continue;
      const name = alias.spec.name ?? alias.metadata.name;
      const route = effectiveRoute(alias, versions);
      // Of two of one name the older has it, also while it leads nowhere.
      if (route === undefined) routeByAlias.delete(name);
      else routeByAlias.set(name, route);
    }
    return { factsByVersion, routeByAlias };
  }

  #named<T extends KubernetesObject & { readonly spec: FunctionReferenceSpec }>(
    cache: ObjectCache<T>,
    { namespace, objectName, name }: FunctionFacts,
  ): readonly Stored<T>[] {
    return functionReferenceKeys(namespace, { objectName, name })
      .flatMap((key) => cache.byIndex("function", key))
      .filter(({ spec }) => isOwnFunction(spec, { namespace, region: this.#region }));
  }
}

function youngerFirst({ metadata: a }: Stored, { metadata: b }: Stored): number {
  return `${a.creationTimestamp} ${a.uid}` < `${b.creationTimestamp} ${b.uid}` ? 1 : -1;
}

/** Undefined until it is published. */
function versionFacts(latest: FunctionFacts, { status }: Stored<VersionObject>): FunctionFacts | undefined {
  if (status?.version === undefined) return undefined;
  const { stateReason: _reason, stateReasonCode: _code, trouble: _trouble, ...others } = latest;
  const { revisionID: _revision, configurationID: _configuration, ...rest } = others;
  const { provisioned: _provisioned, provisionedShares: _shares, ...shared } = rest;
  const unhealthy = status.conditions?.find(
    ({ type, status: value }) => type === "EnvironmentsHealthy" && value === "False",
  );
  return {
    ...shared,
    version: String(status.version),
    state: status.revisionID === undefined ? "Pending" : "Active",
    timeoutSeconds: status.timeout ?? latest.timeoutSeconds,
    ...(status.revisionID !== undefined && { revisionID: status.revisionID }),
    ...(unhealthy !== undefined && { trouble: { reason: unhealthy.reason, message: unhealthy.message } }),
  };
}
