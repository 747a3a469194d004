/** From a Function's spec and its resolved code to the recipe of its environments. Pure. */
import { accountIdOf, functionArn, LATEST } from "../../../crds/names.ts";
import type { FunctionObject, FunctionSpec } from "../../../crds/v1alpha1/function.ts";
import type { EnvironmentDocument } from "../../../crds/wire/environment.ts";
import type { ResolvedImage } from "../../../crds/wire/images.ts";
import { canonicalJson } from "../../../lib/canonical-json.ts";
import type { PackageFacts } from "../../package-source.ts";
import type { Stored } from "../../../lib/kubernetes/object.ts";
import { imageProcess } from "./image-code.ts";
import { layerTitle, type LayerUse } from "./layer-use.ts";
import type { Recipe, ValueFromEntry } from "./recipe.ts";
import { recipeIdentity } from "./recipe-identity.ts";

export interface RecipeInput {
  readonly object: Stored<FunctionObject>;
  readonly code: PackageFacts;
  /** In merge order. */
  readonly layers: readonly LayerUse[];
  readonly sourceHash: string;
  /** Of the runtime, or the function's own. */
  readonly image: string;
  /** Of packageType Zip where there are containers. */
  readonly runtimeImage?: Recipe["runtimeImage"];
  /** Of packageType Image. */
  readonly resolvedImage?: ResolvedImage | undefined;
  readonly region: string;
  /** Public keys of the routers: an environment obeys no others, so new keys need new environments. */
  readonly routerKeys: readonly string[];
  readonly stopsBetweenInvocations: boolean;
  /** 0: no limit. */
  readonly streamBytesPerSecond: number;
  /** SHA-256, hex. */
  readonly hash: (text: string) => string;
}

/** Init phase on demand, ms. Source: Lambda developer guide, execution environment lifecycle. */
const initTimeoutMs = 10_000;
const nodeArchitectures = { x86_64: "amd64", arm64: "arm64" } as const;

/** Value of the node label kubernetes.io/arch. */
export function nodeArchitectureOf({ architectures }: FunctionSpec): "amd64" | "arm64" {
  return nodeArchitectures[architectures[0] ?? "x86_64"];
}

/** The recipe, its revision id computed from all of it: equal inputs give equal ids, and any difference another. */
export function decideRecipe(input: RecipeInput): Recipe {
  const { object, code, image } = input;
  const { spec } = object;
  const document = environmentDocument(input);
  const recipe: Omit<Recipe, "document"> = {
    image,
    ...(input.runtimeImage !== undefined && { runtimeImage: input.runtimeImage }),
    ...(input.resolvedImage !== undefined && { resolvedImage: input.resolvedImage }),
    valueFrom: valueFromEntries(spec.environment),
    ...(spec.serviceAccountName !== undefined && { serviceAccountName: spec.serviceAccountName }),
    ...(spec.podTemplate !== undefined && { podTemplate: spec.podTemplate }),
    nodeArchitecture: nodeArchitectureOf(spec),
    ...fileSystemsOf(spec),
    ephemeralStorage: spec.ephemeralStorage.size,
    sourceHash: input.sourceHash,
    code: { digest: code.digest, codeSHA256: code.codeSHA256, zippedBytes: code.zippedBytes },
    ...(input.layers.length > 0 && { layers: input.layers }),
  };
  // Where code and runtime came from makes no difference to an environment.
  const { sourceHash: _, resolvedImage: __, runtimeImage: ___, ...relevant } = recipe;
  const revisionID = revisionIDOf({ document, ...relevant, routerKeys: input.routerKeys }, input.hash);
  // An environment obeys the routers that it knows, and no others.
  const same = {
    ...recipeIdentity({ ...recipe, document: { ...document, revisionID } }),
    routerKeys: input.routerKeys,
  };
  const configurationID = revisionIDOf(same, input.hash);
  const unzipped = code.unzippedBytes === undefined ? {} : { unzippedBytes: code.unzippedBytes };
  return { ...recipe, configurationID, code: { ...recipe.code, ...unzipped }, document: { ...document, revisionID } };
}

/** The Lambda name: `spec.name`, else the object's. */
export function lambdaName({ metadata, spec }: FunctionObject): string {
  return spec.name ?? metadata.name;
}

/** Unqualified; the account is the namespace. */
export function arnOf(object: FunctionObject, region: string): string {
  const accountId = accountIdOf(object.metadata.namespace ?? "");
  return functionArn({ region, accountId, name: lambdaName(object) });
}

function environmentDocument({
  object,
  code,
  region,
  layers,
  resolvedImage,
  ...input
}: RecipeInput): Omit<EnvironmentDocument, "revisionID"> {
  const { spec } = object;
  const functionName = lambdaName(object);
  const own = { namespace: object.metadata.namespace ?? "", region };
  const { logFormat = "Text", applicationLogLevel, systemLogLevel, logGroup } = spec.loggingConfig ?? {};
  return {
    namespace: own.namespace,
    functionName,
    functionUid: object.metadata.uid,
    functionArn: arnOf(object, region),
    region,
    version: LATEST,
    packageType: spec.packageType,
    ...(spec.runtime !== undefined && { runtime: spec.runtime }),
    ...(spec.handler !== undefined && { handler: spec.handler }),
    memorySize: spec.memorySize,
    timeoutSeconds: spec.timeout,
    initTimeoutMs,
    initializationType: "on-demand",
    logGroup: logGroup ?? `/aws/lambda/${functionName}`,
    logFormat,
    ...(logFormat === "JSON" && { applicationLogLevel: applicationLogLevel ?? "INFO" }),
    ...(systemLogLevel !== undefined && { systemLogLevel }),
    ...(input.stopsBetweenInvocations && { stopsBetweenInvocations: true }),
    ...(input.streamBytesPerSecond > 0 && { streamBytesPerSecond: input.streamBytesPerSecond }),
    variables: spec.environment?.variables ?? {},
    variablesFrom: {},
    ...(resolvedImage === undefined ? { code: code.digest } : imageProcess(resolvedImage, spec.imageConfig)),
    layers: layers.map((layer) => ({ name: `${layerTitle(layer, own)}:${layer.version}`, digest: layer.digest })),
  };
}

/** What has no claim is refused before. */
function fileSystemsOf({ fileSystemConfigs = [] }: FunctionSpec): Pick<Recipe, "fileSystems"> {
  const fileSystems = fileSystemConfigs.flatMap(({ persistentVolumeClaim, localMountPath }) =>
    persistentVolumeClaim === undefined ? [] : [{ claimName: persistentVolumeClaim.name, mountPath: localMountPath }],
  );
  return fileSystems.length === 0 ? {} : { fileSystems };
}

function valueFromEntries(environment: FunctionSpec["environment"]): readonly ValueFromEntry[] {
  return Object.entries(environment?.valueFrom ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, valueFrom]) => ({ name, valueFrom }));
}

/** In the form of AWS's RevisionId. */
export function revisionIDOf(relevant: unknown, hash: (text: string) => string): string {
  const hex = hash(canonicalJson(relevant));
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join("-");
}
