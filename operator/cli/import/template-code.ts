/** Where a template says the code of a function or the content of a layer is. Pure. */
import { isAbsolute, join } from "node:path";
import type { CodeFound, Draft } from "./found.ts";
import { Unresolved, unknownText } from "./template-values.ts";
import type { Resource } from "./template-resource.ts";

/** `member`: SAM's; CloudFormation's own resources have `Code` and `Content`. */
export function codeOfResource(
  { properties, metadata }: Resource,
  directory: string,
  member: "CodeUri" | "ContentUri",
): CodeFound {
  const asset = metadata["aws:asset:path"];
  if (typeof asset === "string") return pathFound(asset, directory);
  const image = properties["ImageUri"];
  if (typeof image === "string") return { type: "spec", code: { imageURI: image } };
  const inline = properties["InlineCode"];
  if (typeof inline === "string") return inlineFound(inline, properties);
  const given = properties[member] ?? properties["Code"] ?? properties["Content"] ?? image ?? inline;
  if (given instanceof Unresolved) return { type: "missing", reason: unknownText(member, given) };
  if (typeof given === "string") return uriFound(given, directory);
  if (typeof given === "object" && given !== null) return objectFound(given as Draft, properties, member);
  const isImage = properties["PackageType"] === "Image";
  return {
    type: "missing",
    reason: isImage ? "ImageUri is missing: run sam build and sam package" : `${member} is missing`,
  };
}

function uriFound(uri: string, directory: string): CodeFound {
  const [, bucket, key] = /^s3:\/\/([^/]+)\/(.+)$/.exec(uri) ?? [];
  if (bucket !== undefined && key !== undefined) return { type: "spec", code: { s3Bucket: bucket, s3Key: key } };
  return pathFound(uri, directory);
}

function pathFound(path: string, directory: string): CodeFound {
  return { type: "path", path: isAbsolute(path) ? path : join(directory, path) };
}

function objectFound(given: Draft, properties: Draft, member: string): CodeFound {
  const unresolved = Object.entries(given).find(([, value]) => value instanceof Unresolved);
  if (unresolved !== undefined)
    return { type: "missing", reason: unknownText(`${member}.${unresolved[0]}`, unresolved[1] as Unresolved) };
  if (typeof given["ZipFile"] === "string") return inlineFound(given["ZipFile"], properties);
  if (typeof given["ImageUri"] === "string") return { type: "spec", code: { imageURI: given["ImageUri"] } };
  const version = given["S3ObjectVersion"] ?? given["Version"];
  return {
    type: "spec",
    code: {
      s3Bucket: given["S3Bucket"] ?? given["Bucket"],
      s3Key: given["S3Key"] ?? given["Key"],
      ...(version !== undefined && { s3ObjectVersion: version }),
    },
  };
}

/** CloudFormation places it in a file named index. */
function inlineFound(text: string, { Runtime }: Draft): CodeFound {
  const extension = typeof Runtime === "string" && Runtime.startsWith("python") ? "py" : "js";
  return { type: "spec", code: { files: { [`index.${extension}`]: text } } };
}
