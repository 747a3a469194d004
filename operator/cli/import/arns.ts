/** What the names that AWS prints say. Pure. */
import { parseFunctionName, parseLayerReference } from "../../../crds/names.ts";
import type { LayerUse } from "./found.ts";

export interface FunctionNamed {
  readonly name: string;
  /** Absent for `$LATEST`. */
  readonly qualifier?: string;
  readonly region?: string;
}

/** Of a name or an ARN, each perhaps with a qualifier; undefined where it is none. */
export function functionNamed(text: string): FunctionNamed | undefined {
  const parsed = parseFunctionName(text);
  if (parsed === undefined) return undefined;
  const { name, qualifier, region } = parsed;
  const isOwn = qualifier === undefined || qualifier === "$LATEST";
  return { name, ...(!isOwn && { qualifier }), ...(region !== undefined && { region }) };
}

/** Of the ARN of a layer's version; undefined where it is none. */
export function layerNamed(arn: string): LayerUse | undefined {
  const parsed = parseLayerReference(arn);
  if (parsed?.accountId === undefined || parsed.version === undefined) return undefined;
  const { name, accountId, version } = parsed;
  return { key: arn, name, origin: { arn, accountId, version } };
}

/** `--region eu-west-1` with a space before it, for a command of the AWS CLI. */
export function regionFlag(region: string | undefined): string {
  return region === undefined ? "" : ` --region ${region}`;
}

export function hexOfBase64(base64: string): string {
  return Buffer.from(base64, "base64").toString("hex");
}
