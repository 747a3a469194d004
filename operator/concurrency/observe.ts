/** Reads what the decision about a function's concurrency needs. */
import type { FunctionObject } from "../../crds/v1alpha1/function.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";
import { namesOf, partsOf } from "../controllers/version/version-function.ts";
import type { OperatorCaches } from "../operator-caches.ts";
import type { ProvisionedWord } from "../scaling/provisioned.ts";
import type { AccountBook } from "./account-book.ts";
import { decideConcurrency, type ConcurrencyDecision } from "./decide.ts";
import { provisionedWishes } from "./wishes.ts";

export interface ConcurrencyObserverParts {
  readonly caches: Pick<OperatorCaches, "versions" | "aliases">;
  readonly book: AccountBook;
  /** Of a Function by its uid. */
  readonly provisionedOf: (functionUid: string) => ProvisionedWord;
  readonly region: string;
}

/** Lambda's word for it. Source: recorded from GetProvisionedConcurrencyConfig. */
const initFailure = "FUNCTION_ERROR_INIT_FAILURE";
/** So many tries in a row, and it has failed. */
const mostTries = 3;

/** Decides at once and takes it down, so that no other function is granted the same. */
export function grantConcurrency(
  { caches, book, provisionedOf, region }: ConcurrencyObserverParts,
  object: Stored<FunctionObject>,
): ConcurrencyDecision {
  const { namespace = "", uid } = object.metadata;
  const versions = partsOf(caches.versions, namespace, region, namesOf(object));
  const aliases = partsOf(caches.aliases, namespace, region, namesOf(object));
  const counts = Object.entries(provisionedOf(uid).counts);
  const decision = decideConcurrency({
    reserved: object.spec.reservedConcurrentExecutions,
    wishes: provisionedWishes(versions, aliases),
    granted: object.status?.concurrency,
    claimedByOthers: book.claimedByOthers(object),
    rules: book.rules,
    ready: Object.fromEntries(counts.map(([version, { ready }]) => [version, ready])),
    failures: Object.fromEntries(
      counts.flatMap(([version, { failedInits }]) => (failedInits >= mostTries ? [[version, initFailure]] : [])),
    ),
  });
  book.note(object, decision);
  return decision;
}
