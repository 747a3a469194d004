/** From a Function's spec and its resolved code to the recipe of its environments. Pure. */
import { accountIdOf, functionArn, LATEST } from "../../../crds/names.ts";
import type { FunctionObject, FunctionSpec } from "../../../crds/v1alpha1/function.ts";
import type { EnvironmentDocument } from "../../../crds/wire/environment.ts";
import type { ResolvedPackage } from "../../../crds/wire/packages.ts";
import type { Stored } from "../../../lib/kubernetes/object.ts";
import type { Recipe, ValueFromEntry } from "./recipe.ts";

export interface RecipeInput {
  readonly object: Stored<FunctionObject>;
  readonly code: Pick<ResolvedPackage, "digest" | "codeSHA256" | "zippedBytes">;
  readonly sourceHash: string;
  /** Of the runtime. */
  readonly image: string;
  readonly region: string;
  /** Public keys of the routers: an environment obeys no others, so new keys need new environments. */
  readonly routerKeys: readonly string[];
  /** SHA-256, hex. */
  readonly hash: (text: string) => string;
}

/** Init phase on demand, ms. Source: Lambda developer guide, execution environment lifecycle. */
const initTimeoutMs = 10_000;
const nodeArchitectures = { x86_64: "amd64", arm64: "arm64" } as const;

/** The recipe, its revision id computed from all of it: equal inputs give equal ids, and any difference another. */
export function decideRecipe(input: RecipeInput): Recipe {
  const { object, code, image } = input;
  const { spec } = object;
  const document = environmentDocument(input);
  const recipe: Omit<Recipe, "document"> = {
    image,
    valueFrom: valueFromEntries(spec.environment),
    ...(spec.serviceAccountName !== undefined && { serviceAccountName: spec.serviceAccountName }),
    ...(spec.podTemplate !== undefined && { podTemplate: spec.podTemplate }),
    nodeArchitecture: nodeArchitectures[spec.architectures[0] ?? "x86_64"],
    ephemeralStorage: spec.ephemeralStorage.size,
    sourceHash: input.sourceHash,
    code: { digest: code.digest, codeSHA256: code.codeSHA256, zippedBytes: code.zippedBytes },
  };
  // Where the code came from makes no difference to an environment.
  const { sourceHash: _, ...relevant } = recipe;
  const revisionID = revisionIDOf({ document, ...relevant, routerKeys: input.routerKeys }, input.hash);
  return { ...recipe, document: { ...document, revisionID } };
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

function environmentDocument({ object, code, region }: RecipeInput): Omit<EnvironmentDocument, "revisionID"> {
  const { spec } = object;
  const functionName = lambdaName(object);
  const { logFormat = "Text", applicationLogLevel, logGroup } = spec.loggingConfig ?? {};
  return {
    namespace: object.metadata.namespace ?? "",
    functionName,
    functionUid: object.metadata.uid,
    functionArn: arnOf(object, region),
    region,
    version: LATEST,
    packageType: "Zip",
    ...(spec.runtime !== undefined && { runtime: spec.runtime }),
    ...(spec.handler !== undefined && { handler: spec.handler }),
    memorySize: spec.memorySize,
    timeoutSeconds: spec.timeout,
    initTimeoutMs,
    initializationType: "on-demand",
    logGroup: logGroup ?? `/aws/lambda/${functionName}`,
    logFormat,
    ...(logFormat === "JSON" && { applicationLogLevel: applicationLogLevel ?? "INFO" }),
    variables: spec.environment?.variables ?? {},
    variablesFrom: {},
    code: code.digest,
    layers: [],
  };
}

function valueFromEntries(environment: FunctionSpec["environment"]): readonly ValueFromEntry[] {
  return Object.entries(environment?.valueFrom ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, valueFrom]) => ({ name, valueFrom }));
}

/** In the form of AWS's RevisionId. */
function revisionIDOf(relevant: unknown, hash: (text: string) => string): string {
  const hex = hash(canonicalJson(relevant));
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join("-");
}

/** JSON with sorted member names, so that equal values are equal texts. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_name, member: unknown) =>
    typeof member === "object" && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
}
