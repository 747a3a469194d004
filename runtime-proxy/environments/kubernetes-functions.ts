import { AccountNamespaces } from "../../crds/account-namespaces.ts";
import type { AliasRoute } from "../../crds/alias-route.ts";
import { functionReferenceKeys } from "../../crds/function-reference.ts";
import { provisionedSizes, reservationOf } from "../../crds/granted-concurrency.ts";
import { accountIdOf, functionArn, LATEST } from "../../crds/names.ts";
import type { FunctionObject } from "../../crds/v1alpha1/function.ts";
import { withoutManagedFields, type ObjectCache } from "../../lib/kubernetes/object-cache.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";
import type { FunctionDirectory, FunctionFacts } from "../domain/function-facts.ts";
import type { FunctionUrl, FunctionUrlDirectory } from "../domain/function-url.ts";
import { KubernetesVersions, urlIdOf, type PublishedVersions, type VersionCaches } from "./kubernetes-versions.ts";

type Listener = (uid: string, facts: FunctionFacts | undefined) => void;

/** Default of `spec.timeout`, in seconds. Source: Lambda API reference, CreateFunction, Timeout. */
const defaultTimeoutSeconds = 3;

/** For the `ObjectCache` of functions. */
export const functionIndexes = { url: urlIdOf };

/** For the same: inline code may have a megabyte, and variables are nobody's business here. */
export function withoutContent(object: Stored<FunctionObject>): Stored<FunctionObject> {
  const { environment: _variables, ...spec } = object.spec;
  return { ...withoutManagedFields(object), spec: { ...spec, code: {} } };
}

interface Claim {
  readonly facts: FunctionFacts;
  readonly createdAt: string;
  /** Read when it is asked for, and anew after a change. */
  published?: PublishedVersions | undefined;
}

/** Functions of the watch cache by namespace and Lambda name, with what is published of them. Of two that claim one name the older has it. */
export class KubernetesFunctions implements FunctionDirectory, FunctionUrlDirectory {
  readonly #cache: ObjectCache<FunctionObject>;
  readonly #region: string;
  readonly #claimByUid = new Map<string, Claim>();
  readonly #claimsByName = new Map<string, readonly Claim[]>();
  readonly #accounts = new AccountNamespaces();
  readonly #listeners: Listener[] = [];
  readonly #versions: KubernetesVersions;
  /** As Versions and Aliases name a function → its uid. */
  readonly #uidsByReference = new Map<string, ReadonlySet<string>>();

  constructor(cache: ObjectCache<FunctionObject>, published: VersionCaches, region: string) {
    this.#cache = cache;
    this.#region = region;
    this.#versions = new KubernetesVersions(published, region);
    this.#versions.onChange((key) => {
      for (const uid of this.#uidsByReference.get(key) ?? []) this.#publishedChanged(uid);
    });
    for (const object of cache.list()) this.#put(object);
    cache.onChange(({ type, object }) => {
      if (type === "deleted" || object.metadata.deletionTimestamp !== undefined) this.#remove(object.metadata.uid);
      else this.#put(object);
    });
  }

  isCurrent(): boolean {
    return this.#cache.isCurrent && this.#versions.isCurrent;
  }

  find(namespace: string, name: string): FunctionFacts | undefined {
    return this.#claimsByName.get(`${namespace}/${name}`)?.[0]?.facts;
  }

  findByUid(uid: string): FunctionFacts | undefined {
    return this.#claimByUid.get(uid)?.facts;
  }

  findVersion(uid: string, version: string): FunctionFacts | undefined {
    const claim = this.#claimByUid.get(uid);
    if (claim === undefined) return undefined;
    return version === LATEST ? claim.facts : this.#publishedOf(claim).factsByVersion.get(version);
  }

  findAlias(uid: string, name: string): AliasRoute | undefined {
    const claim = this.#claimByUid.get(uid);
    return claim === undefined ? undefined : this.#publishedOf(claim).routeByAlias.get(name);
  }

  versionsOf(uid: string): readonly FunctionFacts[] {
    const claim = this.#claimByUid.get(uid);
    return claim === undefined ? [] : [claim.facts, ...this.#publishedOf(claim).factsByVersion.values()];
  }

  namespacesOf(accountId: string): readonly string[] {
    return this.#accounts.namespacesOf(accountId);
  }

  *all(): Iterable<FunctionFacts> {
    for (const { facts } of this.#claimByUid.values()) yield facts;
  }

  findUrl(id: string): FunctionUrl | undefined {
    for (const { metadata, spec } of this.#cache.byIndex("url", id)) {
      const latest = this.#nameHolder([metadata.uid]);
      if (latest !== undefined && spec.functionURLConfig !== undefined)
        return { id, latest, config: spec.functionURLConfig };
    }
    const { alias, functionKey = "" } = this.#versions.aliasOfUrl(id) ?? {};
    const latest = this.#nameHolder(this.#uidsByReference.get(functionKey) ?? []);
    if (latest === undefined || alias?.spec.functionURLConfig === undefined) return undefined;
    return { id, latest, aliasName: alias.spec.name ?? alias.metadata.name, config: alias.spec.functionURLConfig };
  }

  hadAlias(id: string): boolean {
    return this.#versions.hadAlias(id);
  }

  /** The one of these that its name leads to. */
  #nameHolder(uids: Iterable<string>): FunctionFacts | undefined {
    for (const uid of uids) {
      const facts = this.#claimByUid.get(uid)?.facts;
      if (facts !== undefined && this.find(facts.namespace, facts.name)?.uid === uid) return facts;
    }
    return undefined;
  }

  onChange(listener: Listener): void {
    this.#listeners.push(listener);
    for (const { facts } of this.#claimByUid.values()) listener(facts.uid, facts);
  }

  #put(object: Stored<FunctionObject>): void {
    const facts = toFacts(object, this.#region);
    const claim: Claim = { facts, createdAt: object.metadata.creationTimestamp };
    this.#unlist(facts.uid);
    this.#claimByUid.set(facts.uid, claim);
    const key = `${facts.namespace}/${facts.name}`;
    this.#claimsByName.set(key, [...(this.#claimsByName.get(key) ?? []), claim].sort(olderFirst));
    this.#accounts.add(facts.namespace);
    for (const reference of functionReferenceKeys(facts.namespace, facts)) this.#refer(reference, facts.uid, true);
    this.#tell(facts.uid, facts);
  }

  #remove(uid: string): void {
    if (!this.#claimByUid.has(uid)) return;
    this.#unlist(uid);
    this.#tell(uid, undefined);
  }

  #unlist(uid: string): void {
    const claim = this.#claimByUid.get(uid);
    if (claim === undefined) return;
    this.#claimByUid.delete(uid);
    const { namespace, name } = claim.facts;
    const others = (this.#claimsByName.get(`${namespace}/${name}`) ?? []).filter((other) => other !== claim);
    if (others.length > 0) this.#claimsByName.set(`${namespace}/${name}`, others);
    else this.#claimsByName.delete(`${namespace}/${name}`);
    for (const reference of functionReferenceKeys(namespace, claim.facts)) this.#refer(reference, uid, false);
    this.#accounts.remove(namespace);
  }

  #refer(reference: string, uid: string, isThere: boolean): void {
    const uids = new Set(this.#uidsByReference.get(reference));
    if (isThere) uids.add(uid);
    else uids.delete(uid);
    if (uids.size > 0) this.#uidsByReference.set(reference, uids);
    else this.#uidsByReference.delete(reference);
  }

  #publishedOf(claim: Claim): PublishedVersions {
    claim.published ??= this.#versions.of(claim.facts);
    return claim.published;
  }

  #publishedChanged(uid: string): void {
    const claim = this.#claimByUid.get(uid);
    if (claim === undefined) return;
    claim.published = undefined;
    this.#tell(uid, claim.facts);
  }

  #tell(uid: string, facts: FunctionFacts | undefined): void {
    for (const listener of this.#listeners) listener(uid, facts);
  }
}

function olderFirst(left: Claim, right: Claim): number {
  return compare(left.createdAt, right.createdAt) || compare(left.facts.uid, right.facts.uid);
}

function compare(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

/** The part of a Function object that calls depend on. */
export function toFacts({ metadata, spec, status }: Stored<FunctionObject>, region: string): FunctionFacts {
  const namespace = metadata.namespace ?? "default";
  const name = spec.name ?? metadata.name;
  const reserved = reservationOf({ spec, status });
  const shares = status?.concurrency?.provisioned ?? [];
  const trouble = (status?.conditions ?? []).find(
    ({ type, status: value }) => type === "EnvironmentsHealthy" && value === "False",
  );
  return {
    uid: metadata.uid,
    version: LATEST,
    namespace,
    objectName: metadata.name,
    name,
    arn: functionArn({ region, accountId: accountIdOf(namespace), name }),
    state: status?.state ?? "Pending",
    // A stored object may be older than a default of the schema.
    timeoutSeconds: (spec as Partial<FunctionObject["spec"]>).timeout ?? defaultTimeoutSeconds,
    ...(status?.stateReason !== undefined && { stateReason: status.stateReason }),
    ...(status?.stateReasonCode !== undefined && { stateReasonCode: status.stateReasonCode }),
    ...(status?.revisionID !== undefined && { revisionID: status.revisionID }),
    ...(status?.configurationID !== undefined && { configurationID: status.configurationID }),
    ...(reserved !== undefined && { reservedConcurrency: reserved }),
    ...(shares.length > 0 && { provisionedShares: shares, provisioned: provisionedSizes(shares) }),
    ...(spec.tracingConfig?.mode === "Active" && { isTraced: true }),
    ...(spec.recursiveLoop === "Allow" && { allowsLoops: true }),
    ...(trouble !== undefined && { trouble: { reason: trouble.reason, message: trouble.message } }),
  };
}
