/** Conditions of all kinds: types, reasons with a sentence each, and the one function that writes them. */
import { z } from "zod";
import { dateTime, text } from "./text.ts";

/** kstatus' three (`Ready` sums up the others) and what they are made of. */
export const conditionTypes = {
  Ready: "The object is as its spec wants it and can be used",
  Reconciling: "Work is under way",
  Stalled: "Only a new spec helps",
  CodeResolved: "The code is in the package store, checked, and named by its digest",
  ContentResolved: "The layer's content is in the package store, checked, and named by its digest",
  SourceCurrent: "What the source names is what is used; only where recheckSeconds has it looked at again",
  LayersResolved: "Every layer of the function stands for one version of it; only on functions with layers",
  ImageCurrent: "The tag of the function's image still names what runs; only on functions that are images",
  RuntimeResolved: "The image of the function's runtime is known by its digest; only on zip functions on a cluster",
  VersionsResolved: "Every version that the alias sends calls to is published",
  ConcurrencyGranted: "The reserved concurrency is what the spec says; only on functions that have or had one",
  ProvisionedConcurrencyReady:
    "As many environments are kept ready as provisionedConcurrencyConfig says; only where there is one",
  EnvironmentsHealthy: "Execution environments that calls need come up",
  GenericPods:
    "Execution environments are pods that could be any function's until they are this one's; if not, the message says why",
  FieldsIgnored: "Fields that are accepted for manifests written for AWS and have another meaning, or none, here",
} as const;
export type ConditionType = keyof typeof conditionTypes;

/** Every reason that a condition can have; the sentence goes into the reference. */
export const reasons = {
  Available: "It can be used",
  Resolving: "The code or content is being fetched and checked",
  Resolved: "The code or content is in the package store",
  Publishing: "The next version is being kept under a number of its own",
  NumberUnavailable: "No number can be had from the namespace's ConfigMap kubelambda-ledger; it is tried again",
  LayerNotFound: "No such layer or version of a layer is there yet",
  LayerNotReady: "The layer has no version yet",
  LayerNotGranted: "The layer is another namespace's, whose allowedNamespaces does not name this one",
  LayerInOtherRegion: "The layer's ARN names another region than this installation's",
  LayerNamedTwice: "Two versions of one layer are named",
  LayersKept: "A layer is gone or closed; the version that the function has goes on",
  RestoreAwaited:
    "It came from a backup, and what holds the versions that it published has not come yet; so it publishes nothing for a minute",
  Published: "The version is kept under its number",
  Unchanged:
    "Code and configuration are those of the newest version: nothing new was published, and this is that version",
  FunctionNotFound: "No such function is there; what was published is kept",
  FunctionNotReady: "The function has no revision of its present spec yet",
  CodeDiffers: "$LATEST has other code than codeSHA256 says",
  VersionQueued: "Another Version of the function is published first",
  NumberTaken: "The number that is claimed was given to other code or configuration",
  SnapshotLost: "The ControllerRevision that held the version was deleted",
  OtherAccount: "The ARN names a function of another namespace or region",
  HeldByAlias: "An alias sends calls to it: it goes when no alias needs it any more",
  VersionNotFound: "A version that the alias names is not published yet",
  RoutingRefused: "Lambda does not split calls between these versions",
  Superseded: "A newer generation of the spec has not been looked at yet",
  UpdateFailed: "The new spec cannot run; what ran before goes on",
  CodeTooLarge: "The package is larger than Lambda allows: 50 MB zipped inline, 250 MB unzipped with all layers",
  UnsafeArchiveEntry: "An entry of the archive would leave its folder or is no file, directory or harmless link",
  DigestMismatch: "The bytes that were fetched are not those that sha256 names",
  InvalidArchive: "The package is not a zip that can be read",
  SourceUnreachable: "The source does not answer; it is tried again",
  SourceCorrupt: "The source's server sent other bytes than it had promised; it is tried again",
  SourceRefused:
    "The source must not be used, its address is closed to functions, or cannot be as it is asked for; it is tried again",
  SourceForbidden:
    "The source does not let the credentials that are given, or nobody without any, read it; it is tried again",
  SourceNotFound: "The source has no such object; it is tried again",
  SecretNotFound: "The Secret or a key of it is not there; it is tried again",
  FetchFailed: "The pod in the namespace that fetches what takes a Secret to read does not run; it is tried again",
  SourceUnchanged: "The source still names the bytes that are used",
  SourceNotServed: "This release does not take code from this kind of source",
  PackageNotFound: "No package of this digest was pushed to this namespace; it is looked for again",
  PackageStoreUnavailable: "The package store does not answer; it is tried again",
  ConfigMapNotFound: "The ConfigMap or its key is not there yet",
  InvalidImage: "The image's name or what the registry answers is no container image that can run",
  ImageArchitectureMismatch: "The image is not there for the function's architecture",
  ImageNotFound: "The registry has no such image; it is looked for again",
  ImageUnauthorized: "The registry wants credentials, or others than it got; it is tried again",
  ImageRefused: "The registry must not be asked: its address is closed or it speaks plain HTTP; it is tried again",
  RegistryUnreachable: "The registry does not answer; it is tried again",
  ImageCurrent: "The tag names what runs, or the image is named by its digest",
  ImageMoved: "The tag names another digest by now; what was resolved goes on",
  UnknownRuntime: "The chart's table of runtimes has no such identifier",
  DeprecatedRuntime: "The runtime is deprecated and runs on",
  BlockedRuntime: "The runtime is at the end of its life: no functions are made with it, or none changed either",
  RuntimeRemoved:
    "The chart's table of runtimes has the identifier no more; the function goes on with the image that it has, and cannot be changed",
  RuntimeNotPinned: "The chart names the runtime's image by a tag whose digest cannot be told; it is tried again",
  FieldNotServed: "The spec asks for something that this release does not do",
  NameTaken: "An older object of this namespace has the same Lambda name",
  Granted: "The account grants the concurrency that the spec asks for",
  ConcurrencyRefused:
    "The account has not so much concurrency left, or it does not go together with other settings; what was granted before goes on",
  ProvisioningInProgress: "Environments are made and initialised; until all are ready, calls run on demand",
  ProvisioningFailed:
    "Environments that shall be kept ready do not come up; calls run on demand, and it is tried again",
  ImagePullFailed: "An image of the environment cannot be pulled",
  ContainerNotConfigured: "A Secret, ConfigMap or key that environment.valueFrom names is not there; it is tried again",
  InitError: "The function's init phase fails",
  QuotaExceeded: "A quota of the namespace forbids more environments",
  EnvironmentLimitReached:
    "Calls need more environments than the chart's environments.maxPerFunction allows a function; they wait for one that is there",
  EnvironmentRefused:
    "The API server refuses the environment's pod: Pod Security, a LimitRange or a policy of the cluster forbids it",
  Unschedulable: "No node has room for the environment",
  EnvironmentFailed: "Environments end or fail before they are ready",
  Healthy: "No environment failed lately",
  GenericPods:
    "Nothing of the function has a place in the pod's spec, so pods are taken from the namespace's pool or made in the same form",
  OwnPods: "Pods are made for this function alone; the message says what for",
  FieldsIgnored: "The message names the fields and what they mean here",
  AllFieldsUsed: "No field is ignored",
  NotServed: "This release checks and keeps objects of this kind and does nothing with them",
  Deleting: "The object is being deleted",
  InternalError: "The operator failed on it; it is tried again, and its log says more",
} as const;
export type Reason = keyof typeof reasons;

export const conditionSchema = z
  .object({
    type: text(316),
    status: z.enum(["True", "False", "Unknown"]),
    observedGeneration: z.int().min(0).optional(),
    lastTransitionTime: dateTime(),
    reason: text(1024, 1),
    message: text(32768),
  })
  .describe("One aspect of the object's state");
export type Condition = z.infer<typeof conditionSchema>;

/** Of a status: keyed by type, so that server-side apply merges it. */
export const conditionsSchema = z
  .array(conditionSchema)
  .max(32)
  .meta({ "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"] })
  .describe("Ready sums up the others");

/** A status that says nothing else is of an object that nobody has looked at: without it kstatus takes the object for current. */
export const unseenStatus = { observedGeneration: -1 } as const;

/** Of a status. */
export const observedGenerationSchema = z
  .int()
  .min(unseenStatus.observedGeneration)
  .describe("Generation of the spec that the status is about; -1 until the first look");

export interface ConditionDraft {
  readonly type: ConditionType;
  readonly status: Condition["status"];
  readonly reason: Reason;
  readonly message: string;
}

const longestMessage = 4096;

/** The list with one condition set, sorted by type; `lastTransitionTime` moves only when the status changes. `now` is ISO 8601. */
export function setCondition(
  conditions: readonly Condition[],
  { type, status, reason, message }: ConditionDraft,
  { observedGeneration, now }: { readonly observedGeneration: number; readonly now: string },
): Condition[] {
  const before = conditions.find((condition) => condition.type === type);
  const lastTransitionTime = before?.status === status ? before.lastTransitionTime : `${now.slice(0, 19)}Z`;
  const set = {
    type,
    status,
    observedGeneration,
    lastTransitionTime,
    reason,
    message: message.slice(0, longestMessage),
  };
  return [...conditions.filter((condition) => condition.type !== type), set].sort((a, b) => (a.type < b.type ? -1 : 1));
}

/** The list without one condition. */
export function removeCondition(conditions: readonly Condition[], type: ConditionType): Condition[] {
  return conditions.filter((condition) => condition.type !== type);
}
