/** Layers and versions as tests of the operator's decisions begin with them. */
import { API_VERSION } from "../../crds/names.ts";
import { parseLayer, type LayerObject, type LayerSpecInput, type LayerStatus } from "../../crds/v1alpha1/layer.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";
import type { LayerUse } from "../../operator/controllers/function/layer-use.ts";
import type { LayerSeen } from "../../operator/controllers/layer/decide.ts";
import {
  layerVersionObject,
  type LayerVersion,
  type LayerVersionObject,
} from "../../operator/controllers/layer/layer-version.ts";
import { sha256 } from "./function-seen.ts";

export const layerPackage = {
  digest: `sha256:${sha256("layer")}`,
  codeSHA256: "bGF5ZXI=",
  zippedBytes: 100,
  unzippedBytes: 200,
  extensions: ["agent.sh"],
};

export function layerObject(spec: Partial<LayerSpecInput> = {}, status?: LayerStatus): Stored<LayerObject> {
  const metadata = {
    namespace: "team",
    name: "tools",
    uid: "uid-1",
    generation: 2,
    resourceVersion: "1",
    creationTimestamp: "2026-01-01T00:00:00Z",
  };
  const content = { files: { "a.txt": "" } };
  const parsed = parseLayer({ apiVersion: API_VERSION, kind: "Layer", metadata, spec: { content, ...spec } });
  if (!parsed.ok) throw new Error(parsed.error);
  return { ...parsed.value, metadata, ...(status !== undefined && { status }) };
}

export function layerVersion(version: number, changes: Partial<LayerVersion> = {}): LayerVersion {
  return {
    ...layerPackage,
    name: "tools",
    version,
    createdDate: "2026-01-02T00:00:00.000Z",
    sourceHash: "source",
    ...changes,
  };
}

export function keptVersion(version: number, changes: Partial<LayerVersion> = {}): Stored<LayerVersionObject> {
  const object = layerVersionObject(layerObject(), layerVersion(version, changes), sha256);
  const stored = { uid: `uid-v${version}`, resourceVersion: "1", creationTimestamp: "2026-01-02T00:00:00Z" };
  return { ...object, metadata: { ...object.metadata, ...stored } };
}

/** A Layer whose content is resolved, looked at for the first time. */
export function layerSeen(changes: Partial<LayerSeen> = {}): LayerSeen {
  return {
    object: layerObject(),
    content: { type: "resolved", sourceHash: "source", package: layerPackage },
    versions: [],
    region: "eu-west-1",
    hash: sha256,
    now: "2026-02-03T04:05:06.789Z",
    ...changes,
  };
}

export function layerUse(name: string, changes: Partial<LayerUse> = {}): LayerUse {
  const { zippedBytes, unzippedBytes } = layerPackage;
  const digest = `sha256:${sha256(name)}`;
  return { namespace: "team", name, version: 1, digest, zippedBytes, unzippedBytes, extensions: [], ...changes };
}
