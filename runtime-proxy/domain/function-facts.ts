import type { ProvisionedSize } from "../../crds/granted-concurrency.ts";
import type { ProvisionedShare } from "../../crds/v1alpha1/invoke-config.ts";
import type { AliasRoute } from "../../crds/alias-route.ts";

/** Account-visible state of a function. Source: Lambda API model, State. */
export type FunctionState = "Pending" | "Active" | "Inactive" | "Failed";

/** What the router knows of a function's $LATEST, or of one of its versions: the part that a call depends on. */
export interface FunctionFacts {
  /** Of the Function, also for a version: concurrency is counted over all of them. */
  readonly uid: string;
  /** `$LATEST` or a number. */
  readonly version: string;
  readonly namespace: string;
  /** `metadata.name`. */
  readonly objectName: string;
  /** The Lambda name, unique in its namespace. */
  readonly name: string;
  /** Unqualified. */
  readonly arn: string;
  readonly state: FunctionState;
  readonly stateReason?: string;
  readonly stateReasonCode?: string;
  /** What calls run now; absent until the code has been resolved for the first time. */
  readonly revisionID?: string;
  /** Environments of other revisions that have it too may take calls while there is none of this. */
  readonly configurationID?: string;
  /** Longest run of one call. */
  readonly timeoutSeconds: number;
  /** Absent: the function shares what the account has not reserved. */
  readonly reservedConcurrency?: number;
  /** Of $LATEST alone, by version. Absent: nothing is kept ready. */
  readonly provisioned?: Readonly<Record<string, ProvisionedSize>>;
  /** Environments that are kept ready, by the Alias or Version that wants them; of $LATEST alone. */
  readonly provisionedShares?: readonly ProvisionedShare[];
  /** Tracing mode Active: calls without a sampling decision get one. */
  readonly isTraced?: boolean;
  /** A chain of calls may come back to it without end. */
  readonly allowsLoops?: boolean;
  /** Why environments do not come up, as the function's conditions say. */
  readonly trouble?: { readonly reason: string; readonly message: string };
}

/** Troubles that no waiting mends: somebody has to bring what is missing. */
const troublesToMend: readonly string[] = ["ContainerNotConfigured", "EnvironmentRefused", "ImagePullFailed"];

/** Calls of it wait in vain unless somebody mends it. */
export function isToBeMended({ trouble }: FunctionFacts): boolean {
  return trouble !== undefined && troublesToMend.includes(trouble.reason);
}

/** Functions as Kubernetes says they are. */
export interface FunctionDirectory {
  /** False while there may be functions that have not been heard of. */
  isCurrent(): boolean;
  /** $LATEST, as are `findByUid` and `all`. */
  find(namespace: string, name: string): FunctionFacts | undefined;
  findByUid(uid: string): FunctionFacts | undefined;
  /** $LATEST or a published version of a function. */
  findVersion(uid: string, version: string): FunctionFacts | undefined;
  /** Where an alias of a function leads; undefined: there is none, or none of its versions is published. */
  findAlias(uid: string, name: string): AliasRoute | undefined;
  /** $LATEST and all published versions of a function. */
  versionsOf(uid: string): readonly FunctionFacts[];
  /** Namespaces behind an account id, of those that have functions: more than one where their names give the same id. */
  namespacesOf(accountId: string): readonly string[];
  all(): Iterable<FunctionFacts>;
  /** Calls with every function that came, changed (also in its versions or aliases) or (`undefined`) went; also once for each that is there already. */
  onChange(listener: (uid: string, facts: FunctionFacts | undefined) => void): void;
}
