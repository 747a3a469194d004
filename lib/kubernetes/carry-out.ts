import type { Applier } from "./apply.ts";
import type { KubernetesClient } from "./client.ts";
import { type KindTable, refOf } from "./kinds.ts";
import { isKubernetesError, KubernetesError } from "./kubernetes-error.ts";
import { controllerOf, type KindRef, type KubernetesObject, type ObjectRef, type Stored } from "./object.ts";
import type { Adoption, CarryOutFailure, Plan, Removal } from "./plan.ts";
import { patchStatus } from "./status-patch.ts";
import { toKubernetesError } from "./to-kubernetes-error.ts";

export interface Hands {
  readonly client: KubernetesClient;
  readonly applier: Applier;
  readonly kindOf: KindTable;
  /** The cached state of a child that is to be applied, which may save the request. */
  readonly cachedOf?: ((object: KubernetesObject) => Stored | undefined) | undefined;
  readonly signal: AbortSignal;
}

/** Pods are created and removed so many at a time: a burst must not queue, nor fill all connections. */
const atOnce = 8;

type Step = CarryOutFailure["step"];

/**
 * Does what a plan wants: finalizers, apply, create, adopt, remove, then the status (also after a failure, since it is true
 * anyway), and finalizers go last. Answers with the first failure; every step may be done twice.
 */
export async function carryOut(
  hands: Hands,
  kind: KindRef,
  seen: Stored,
  plan: Plan<unknown>,
): Promise<CarryOutFailure | undefined> {
  let object = seen;
  const own = refOf(kind, seen);
  const add = plan.finalizers?.add ?? [];
  const failure =
    (await attempt("finalizers", own, async () => {
      object = await setMetadata(hands, kind, object, { add, annotate: plan.annotate });
    })) ?? (await changeChildren(hands, plan));
  const statusFailure = await attempt("status", own, async () => {
    if (plan.status === undefined) return;
    const patched = await patchStatus(hands.client, { kind, object, status: plan.status, signal: hands.signal });
    object = patched ?? object;
  });
  if (statusFailure !== undefined && !isKubernetesError(statusFailure.error, "NotFound")) {
    return failure ?? statusFailure;
  }
  if (failure !== undefined) return failure;
  const remove = plan.finalizers?.remove ?? [];
  return await attempt("finalizers", own, async () => {
    object = await setMetadata(hands, kind, object, { remove });
  });
}

async function changeChildren(hands: Hands, plan: Plan<unknown>): Promise<CarryOutFailure | undefined> {
  const { applier, cachedOf, kindOf, signal } = hands;
  for (const child of plan.apply) {
    const failure = await attempt("apply", refOf(kindOf(child), child), async () => {
      await applier.apply(child, cachedOf?.(child), { signal });
    });
    if (failure !== undefined) return failure;
  }
  return (
    (await eachAtOnce(plan.create, (child) =>
      attempt("create", refOf(kindOf(child), child), () => createOnce(hands, child)),
    )) ??
    (await eachAtOnce(plan.adopt ?? [], (adoption) =>
      attempt("adopt", refOf(kindOf(adoption.object), adoption.object), () => adopt(hands, adoption)),
    )) ??
    (await eachAtOnce(plan.remove, (removal) => attempt("remove", removal, () => removeOnce(hands, removal))))
  );
}

/** By merge patch: server-side apply would write the rest anew, and what is immutable may not even be written in another order. */
async function adopt({ client, kindOf, signal }: Hands, { object, owner, labels }: Adoption): Promise<void> {
  const { resourceVersion, ownerReferences = [] } = object.metadata;
  const changes = { ownerReferences: [...ownerReferences, owner], ...(labels !== undefined && { labels }) };
  const patch = { metadata: { resourceVersion, ...changes } };
  await client.patch(refOf(kindOf(object), object), patch, { signal });
}

async function createOnce({ client, kindOf, signal }: Hands, child: KubernetesObject): Promise<void> {
  try {
    await client.create(child, { signal });
  } catch (error) {
    if (!isKubernetesError(error, "AlreadyExists")) throw error;
    const existing = await client.get(refOf(kindOf(child), child), { signal });
    const isOurs = controllerOf(existing)?.uid === controllerOf(child)?.uid;
    if (isOurs && existing.metadata.deletionTimestamp === undefined) return;
    const serverMessage = isOurs ? "the former one is still being deleted" : "it exists and belongs to another owner";
    throw new KubernetesError({ code: "Conflict", action: error.action, serverMessage, cause: error });
  }
}

async function removeOnce({ client, signal }: Hands, removal: Removal): Promise<void> {
  const { uid, gracePeriodSeconds } = removal;
  try {
    await client.delete(removal, { uid, gracePeriodSeconds, signal });
  } catch (error) {
    // Gone, or another one of the same name: the one that we meant is no more.
    if (!isKubernetesError(error, "NotFound", "Conflict")) throw error;
  }
}

interface MetadataChange {
  /** Finalizers. */
  readonly add?: readonly string[];
  readonly remove?: readonly string[];
  readonly annotate?: Readonly<Record<string, string>> | undefined;
}

async function setMetadata(
  { client, signal }: Hands,
  kind: KindRef,
  object: Stored,
  change: MetadataChange,
): Promise<Stored> {
  const { finalizers: present = [], annotations = {}, resourceVersion } = object.metadata;
  const kept = present.filter((name) => !(change.remove ?? []).includes(name));
  const finalizers = [...kept, ...(change.add ?? []).filter((name) => !kept.includes(name))];
  const isSame = finalizers.length === present.length && finalizers.every((name, i) => name === present[i]);
  const annotated = Object.entries(change.annotate ?? {}).filter(([name, value]) => annotations[name] !== value);
  if (isSame && annotated.length === 0) return object;
  const changes = {
    ...(!isSame && { finalizers }),
    ...(annotated.length > 0 && { annotations: Object.fromEntries(annotated) }),
  };
  try {
    return await client.patch(refOf(kind, object), { metadata: { resourceVersion, ...changes } }, { signal });
  } catch (error) {
    // The last finalizer may have gone in a request whose answer was lost.
    if (isKubernetesError(error, "NotFound") && change.remove !== undefined) return object;
    throw error;
  }
}

/** Runs all, a few at a time; after a failure begins no more. */
async function eachAtOnce<T>(
  items: readonly T[],
  act: (item: T) => Promise<CarryOutFailure | undefined>,
): Promise<CarryOutFailure | undefined> {
  let failure: CarryOutFailure | undefined;
  const rest = items.values();
  const hand = async (): Promise<void> => {
    for (const item of rest) {
      const failed = await act(item);
      failure ??= failed;
      if (failure !== undefined) return;
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, hand));
  return failure;
}

async function attempt(step: Step, ref: ObjectRef, act: () => Promise<void>): Promise<CarryOutFailure | undefined> {
  try {
    await act();
    return undefined;
  } catch (error) {
    return { step, ref, error: toKubernetesError(`${step} ${ref.kind.plural} "${ref.name}"`, error) };
  }
}
