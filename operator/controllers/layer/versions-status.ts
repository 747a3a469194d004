import type { LayerStatus } from "../../../crds/v1alpha1/layer.ts";
import type { LayerVersion } from "./layer-version.ts";

type VersionStatus = NonNullable<LayerStatus["versions"]>[number];

/** Of a status: an object holds about 1.5 MB. */
const longestStatus = 512 * 1024;
/** The schema's bound. */
const mostVersions = 1000;

/** The newest versions, as many as a status holds, by their numbers. */
export function decideVersions(newestFirst: readonly LayerVersion[]): VersionStatus[] {
  const shown: VersionStatus[] = [];
  let length = 0;
  for (const version of newestFirst.slice(0, mostVersions)) {
    const status = toStatus(version);
    length += JSON.stringify(status).length;
    if (length > longestStatus) break;
    shown.push(status);
  }
  return shown.reverse();
}

function toStatus(version: LayerVersion): VersionStatus {
  const { description, compatibleRuntimes, compatibleArchitectures, extensions } = version;
  return {
    version: version.version,
    sha256: version.digest.replace(/^sha256:/, ""),
    size: version.zippedBytes,
    ...(extensions.length > 0 && { extensions: [...extensions] }),
    ...(description !== undefined && { description }),
    ...(compatibleRuntimes !== undefined && { compatibleRuntimes: [...compatibleRuntimes] }),
    ...(compatibleArchitectures !== undefined && { compatibleArchitectures: [...compatibleArchitectures] }),
    createdDate: version.createdDate,
  };
}
