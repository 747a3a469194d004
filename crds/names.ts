/** Names that cross processes: API group, labels, annotations, children, account ids, ARNs, qualifiers. */

export const API_GROUP = "kubelambda.dev";
export const API_VERSION = "kubelambda.dev/v1alpha1";
export const FIELD_MANAGER = "kubelambda";

export const labels = {
  /** Value `environment` on every pod that is an execution environment, `fetch` on those that fetch with a tenant's Secret. */
  component: "kubelambda.dev/component",
  /** The Function object's uid: names of functions do not fit into a label. */
  functionUid: "kubelambda.dev/function-uid",
  /** `status.revisionID` of the Function that the environment runs. */
  revision: "kubelambda.dev/revision",
  /** `status.configurationID` of the Function when the environment was made: while equal, it may stand in for one of a newer revision. */
  configuration: "kubelambda.dev/configuration",
  /** On generic pods: what they have in common with all that could be in their place, a hash of the pod's spec. Without `functionUid` it is nobody's yet. */
  generic: "kubelambda.dev/generic",
  /** The Layer object's uid, on each of its versions. */
  layerUid: "kubelambda.dev/layer-uid",
  /** On an environment that is kept ready for a published version: the version's number. */
  provisioned: "kubelambda.dev/provisioned",
  /** The number of a function's published version, on the snapshot that holds it. */
  version: "kubelambda.dev/version",
  /** On an environment's pod: uid of the pod that it was made to replace. */
  replaces: "kubelambda.dev/replaces",
} as const;

export const annotations = {
  /** JSON of `EnvironmentDocument` (wire/environment.ts): what the agent needs to know, never expanded by the kubelet. */
  environment: "kubelambda.dev/environment",
  /** The Lambda name of the function, for people. */
  functionName: "kubelambda.dev/function-name",
  /** JSON: file name of an extension that a layer brings → the agent's socket for its container `extension-<n>`. */
  extensions: "kubelambda.dev/extensions",
  /** On a Function or Layer the number of its last version, on a Version its own: backups keep it where they leave the status behind. */
  publishedVersion: "kubelambda.dev/published-version",
  /** On a Version or Alias that a Function made by itself: that object's name, by which it is known again after a backup. */
  publisher: "kubelambda.dev/publisher",
  /** On an environment's pod: epoch of the routers' roster when it was made. Its agent obeys no owner of an older one. */
  epoch: "kubelambda.dev/epoch",
} as const;

/** On a Version: its snapshot goes with it, and both stay while an alias needs them. */
export const VERSION_FINALIZER = "kubelambda.dev/version";

export const ENVIRONMENT_COMPONENT = "environment";
/** Of short-lived pods that read something with a namespace's own Secrets. */
export const FETCH_COMPONENT = "fetch";
export const LATEST = "$LATEST";

/** The 12-digit account id of a namespace: FNV-1a (64 bit) of its name, modulo 10^12. Stable, so ARNs survive a reinstall. */
export function accountIdOf(namespace: string): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(namespace)) {
    hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn;
  }
  return (hash % 1_000_000_000_000n).toString().padStart(12, "0");
}

export interface FunctionArn {
  readonly region: string;
  readonly accountId: string;
  readonly name: string;
  readonly qualifier?: string | undefined;
}

/** `arn:aws:lambda:<region>:<account>:function:<name>[:<qualifier>]` */
export function functionArn({ region, accountId, name, qualifier }: FunctionArn): string {
  const arn = `arn:aws:lambda:${region}:${accountId}:function:${name}`;
  return qualifier === undefined ? arn : `${arn}:${qualifier}`;
}

/** Pattern of Invoke's FunctionName, printed in its ValidationException. Source: Lambda API model, NamespacedFunctionName. */
export const NAMESPACED_FUNCTION_NAME_PATTERN =
  "(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:)?(\\d{12}:)?(function:)?([a-zA-Z0-9-_\\.]+)(:(\\$LATEST(\\.PUBLISHED)?|[a-zA-Z0-9-_]+))?";
/** Pattern of a Qualifier. Source: Lambda API model, Qualifier. */
export const QUALIFIER_PATTERN = "\\$(LATEST(\\.PUBLISHED)?)|[a-zA-Z0-9-_$]+";

const namePattern =
  /^(?:arn:(?:aws[a-zA-Z-]*)?:lambda:)?(?:((?:eusc-)?[a-z]{2}(?:-gov|-iso[a-z]?)?-[a-z]+-\d):)?(?:(\d{12}):)?(?:function:)?([a-zA-Z0-9\-_.]+)(?::(\$LATEST(?:\.PUBLISHED)?|[a-zA-Z0-9\-_]+))?$/;

export interface FunctionReference {
  readonly name: string;
  readonly region?: string;
  readonly accountId?: string;
  readonly qualifier?: string;
}

/**
 * Takes apart a bare name, partial ARN or ARN, each with an optional qualifier; undefined when the pattern is broken.
 * A lone `function` is a name. Source: Lambda API model, NamespacedFunctionName.
 */
export function parseFunctionName(text: string): FunctionReference | undefined {
  if (text.length > 256) return undefined;
  const match = namePattern.exec(text);
  const name = match?.[3];
  if (match === null || name === undefined) return undefined;
  return {
    name,
    ...(match[1] !== undefined && { region: match[1] }),
    ...(match[2] !== undefined && { accountId: match[2] }),
    ...(match[4] !== undefined && { qualifier: match[4] }),
  };
}

export interface LayerArn {
  readonly region: string;
  readonly accountId: string;
  readonly name: string;
  readonly version?: number | undefined;
}

/** `arn:aws:lambda:<region>:<account>:layer:<name>[:<version>]` */
export function layerArn({ region, accountId, name, version }: LayerArn): string {
  const arn = `arn:aws:lambda:${region}:${accountId}:layer:${name}`;
  return version === undefined ? arn : `${arn}:${version}`;
}

/** A layer as a function's spec names it; without a version the newest is meant. */
export interface LayerReference {
  readonly name: string;
  readonly version?: number;
  /** Of an ARN. */
  readonly region?: string;
  readonly accountId?: string;
}

const layerPattern = /^(?:arn:aws[a-zA-Z-]*:lambda:([a-z0-9-]+):([0-9]{12}):layer:)?([a-zA-Z0-9\-_]+)(?::([0-9]+))?$/;

/** Takes apart `name`, `name:3` or a layer version's ARN; undefined when it is none of them. */
export function parseLayerReference(text: string): LayerReference | undefined {
  const match = layerPattern.exec(text);
  const name = match?.[3];
  if (match === null || name === undefined) return undefined;
  return {
    name,
    ...(match[4] !== undefined && { version: Number(match[4]) }),
    ...(match[1] !== undefined && { region: match[1] }),
    ...(match[2] !== undefined && { accountId: match[2] }),
  };
}
