/** Functions, recipes and settings as tests of the operator's decisions begin with them. */
import { createHash } from "node:crypto";
import { API_VERSION } from "../../crds/names.ts";
import { parseFunction, type FunctionObject, type FunctionSpecInput } from "../../crds/v1alpha1/function.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";
import type { ResolvedImage } from "../../crds/wire/images.ts";
import { imagePackage } from "../../operator/controllers/function/image-code.ts";
import type { EnvironmentSettings } from "../../operator/environment-settings.ts";
import type { FunctionSeen } from "../../operator/controllers/function/decide.ts";
import type { LayerUse } from "../../operator/controllers/function/layer-use.ts";
import type { ControllerRevision, Recipe } from "../../operator/controllers/function/recipe.ts";
import { decideRecipe } from "../../operator/controllers/function/revision.ts";

export const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
const packageDigest = `sha256:${sha256("package")}`;
export const resolvedPackage = {
  digest: packageDigest,
  codeSHA256: "cGFja2FnZQ==",
  zippedBytes: 100,
  unzippedBytes: 200,
  extensions: [],
};
export const functionSettings = {
  region: "eu-west-1",
  s3: { endpoint: "", region: "eu-west-1" },
  runtimes: {
    "nodejs24.x": { image: "nodejs:24", state: "supported" },
    "nodejs20.x": { image: "nodejs:20", state: "deprecated" },
    "nodejs12.x": { state: "updateBlocked" },
  },
  routerKeys: ["key"],
  stopsBetweenInvocations: false,
  streamBytesPerSecond: 0,
  hasPodResources: true,
  urlOf: (owner: object) => `https://${Object.values(owner).join("-")}/`,
} as const;

export const environmentSettings: EnvironmentSettings = {
  image: "kubelambda:1",
  assembleCommand: ["node", "/kubelambda/assemble.cjs"],
  agentCommand: ["node", "/kubelambda/agent.cjs"],
  imagePullPolicy: "IfNotPresent",
  packagesUrl: "http://packages:8200",
  cacheUrl: "",
  routerUrl: "http://router:19002",
  lambdaUrl: "http://router",
  routerKeys: ["key-1", "key-2"],
  cpuPolicy: "burst",
  cpuRequestPercent: 100,
  memoryRequestPercent: 100,
  tmpMedium: "",
  nodeLostSeconds: 30,
  genericPods: false,
  agentsFill: false,
  hasPodResources: false,
};

export function functionObject(
  spec: Partial<FunctionSpecInput> = {},
  status?: FunctionObject["status"],
): Stored<FunctionObject> {
  const metadata = {
    namespace: "team",
    name: "hello",
    uid: "uid-1",
    generation: 2,
    resourceVersion: "1",
    creationTimestamp: "2026-01-01T00:00:00Z",
  };
  const base = { runtime: "nodejs24.x", handler: "index.handler", code: { files: { "index.mjs": "" } } };
  const parsed = parseFunction({ apiVersion: API_VERSION, kind: "Function", metadata, spec: { ...base, ...spec } });
  if (!parsed.ok) throw new Error(parsed.error);
  return { ...parsed.value, metadata, ...(status !== undefined && { status }) };
}

export const resolvedImage: ResolvedImage = {
  reference: `registry.test/team/image@sha256:${"a".repeat(64)}`,
  digest: `sha256:${"a".repeat(64)}`,
  namedDigest: `sha256:${"b".repeat(64)}`,
  tag: "1",
  entryPoint: ["/entry"],
  command: ["index.handler"],
  workingDirectory: "/var/task",
  platform: "linux/amd64",
  compressedBytes: 1000,
};

/** A Function that is an image. */
export function imageFunction(
  spec: Partial<FunctionSpecInput> = {},
  status?: FunctionObject["status"],
): Stored<FunctionObject> {
  const image = { packageType: "Image", code: { imageURI: "registry.test/team/image:1" } } as const;
  return functionObject({ ...image, runtime: undefined, handler: undefined, ...spec }, status);
}

export function imageRecipe(object: Stored<FunctionObject>, image = resolvedImage): Recipe {
  return decideRecipe({
    ...functionSettings,
    object,
    code: imagePackage(image),
    layers: [],
    sourceHash: "source",
    image: image.reference,
    resolvedImage: image,
    hash: sha256,
  });
}

export function recipeFor(object: Stored<FunctionObject>, layers: readonly LayerUse[] = []): Recipe {
  const image = functionSettings.runtimes["nodejs24.x"].image;
  return decideRecipe({
    ...functionSettings,
    object,
    code: resolvedPackage,
    layers,
    sourceHash: "source",
    image,
    hash: sha256,
  });
}

export function keptRecipe(recipe: Recipe): Stored<ControllerRevision> {
  return {
    apiVersion: "apps/v1",
    kind: "ControllerRevision",
    metadata: {
      namespace: "team",
      name: `hello-${recipe.document.revisionID}`,
      uid: `uid-${recipe.document.revisionID}`,
      resourceVersion: "1",
      creationTimestamp: "2026-01-01T00:00:00Z",
    },
    revision: 1,
    data: recipe,
  };
}

/** A Function whose code is resolved, looked at for the first time. */
export function functionSeen(changes: Partial<FunctionSeen> = {}): FunctionSeen {
  return {
    object: functionObject(),
    code: { type: "resolved", sourceHash: "source", package: resolvedPackage },
    layers: { type: "resolved", layers: [], kept: [] },
    recipes: [],
    environments: { total: 0, ready: 0 },
    settings: functionSettings,
    hash: sha256,
    now: "2026-02-03T04:05:06.789Z",
    ...changes,
  };
}
