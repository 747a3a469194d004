/** One published version of a layer: kept in a ControllerRevision, so that nothing changes it and the Layer may change. */
import { labels } from "../../../crds/names.ts";
import type { LayerObject } from "../../../crds/v1alpha1/layer.ts";
import type { ResolvedPackage } from "../../../crds/wire/packages.ts";
import { ownedBy, type KubernetesObject, type Stored } from "../../../lib/kubernetes/object.ts";

/** What a version is made of. */
export interface LayerContent extends ResolvedPackage {
  readonly description?: string;
  readonly licenseInfo?: string;
  /** Sorted, as are architectures. */
  readonly compatibleRuntimes?: readonly string[];
  readonly compatibleArchitectures?: readonly string[];
}

export interface LayerVersion extends LayerContent {
  /** Lambda name of the layer. */
  readonly name: string;
  readonly version: number;
  /** ISO 8601. */
  readonly createdDate: string;
  /** Hash of the source that the content was resolved from. */
  readonly sourceHash: string;
}

/** apps/v1 ControllerRevision: immutable `data`. */
export interface LayerVersionObject extends KubernetesObject {
  readonly data: LayerVersion;
  readonly revision: number;
}

/** The Lambda name: `spec.name`, else the object's. */
export function layerName({ metadata, spec }: LayerObject): string {
  return spec.name ?? metadata.name;
}

/** The object that keeps a version; the Layer owns it. `hash` is SHA-256, hex. */
export function layerVersionObject(
  layer: Stored<LayerObject>,
  version: LayerVersion,
  hash: (text: string) => string,
): LayerVersionObject {
  const { namespace = "", name, uid } = layer.metadata;
  return {
    apiVersion: "apps/v1",
    kind: "ControllerRevision",
    metadata: {
      namespace,
      name: `${shortened(name, hash)}-layer-${version.version}`,
      labels: { [labels.layerUid]: uid },
      ownerReferences: [ownedBy(layer)],
    },
    revision: version.version,
    data: version,
  };
}

/** Newest first. */
export function newestFirst(versions: readonly Stored<LayerVersionObject>[]): readonly LayerVersion[] {
  return versions.map(({ data }) => data).sort((a, b) => b.version - a.version);
}

/** Names have at most 253 characters. */
const longestStem = 230;

function shortened(name: string, hash: (text: string) => string): string {
  return name.length <= longestStem ? name : `${name.slice(0, 200)}-${hash(name).slice(0, 16)}`;
}
