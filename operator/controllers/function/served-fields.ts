/** What of a Function's spec this release runs, ignores or refuses. Pure. */
import type { ConditionDraft, Reason } from "../../../crds/v1alpha1/condition.ts";
import type { FunctionSpec } from "../../../crds/v1alpha1/function.ts";
import { findUnservedSource } from "../../package-source.ts";
import { ignoredOfTemplate } from "./pod-template.ts";

/** Why a spec cannot be run; only another spec, chart or object helps. */
export interface Problem {
  readonly reason: Reason;
  readonly message: string;
}

/** Fields that would change what runs, so that running without them would be wrong. */
export function findUnservedField(spec: FunctionSpec): Problem | undefined {
  const { code, fileSystemConfigs, tenancyConfig } = spec;
  const source = findUnservedSource("code", code);
  if (source !== undefined) return source;
  const unclaimed = (fileSystemConfigs ?? []).find(({ persistentVolumeClaim }) => persistentVolumeClaim === undefined);
  if (unclaimed !== undefined) {
    const { arn, localMountPath } = unclaimed;
    const what = arn === undefined ? "no volume is named" : `"${arn}" is a file system of AWS`;
    const message = `Cannot mount "${localMountPath}": ${what}; set fileSystemConfigs[].persistentVolumeClaim.name to a PersistentVolumeClaim of this namespace (one of an EFS access point by the EFS CSI driver, e.g.)`;
    return { reason: "FieldNotServed", message };
  }
  if (tenancyConfig?.tenantIsolationMode !== undefined) {
    const message = `Cannot isolate tenants as ${tenancyConfig.tenantIsolationMode}: this release shares environments between all callers of a function; make a function for each tenant`;
    return { reason: "FieldNotServed", message };
  }
  return undefined;
}

const meanings = {
  role: "permissions are those of serviceAccountName",
  roleRef: "permissions are those of serviceAccountName",
  vpcConfig: "the network is the pod's, limited by NetworkPolicies",
  kmsKeyARN: "encryption at rest is the cluster's",
  kmsKeyRef: "encryption at rest is the cluster's",
  codeSigningConfigARN: "sha256 is what is checked",
  codeSigningConfigRef: "sha256 is what is checked",
  durableConfig: "this release has no durable executions",
  snapStart: "environments start without snapshots",
  functionEventInvokeConfig: "this release has no asynchronous invocations",
  deadLetterConfig: "this release has no asynchronous invocations",
  tracingConfig: "this release sends no traces; Active decides which calls are sampled, for the function's own",
} as const satisfies Partial<Record<keyof FunctionSpec, string>>;

/** What was accepted for AWS's sake, or for a later release's, with what it means here. */
export function ignoredFields(spec: FunctionSpec): readonly string[] {
  const names = Object.keys(meanings) as (keyof typeof meanings)[];
  const whole = names.filter((name) => isSet(spec, name)).map((name) => `spec.${name}: ${meanings[name]}`);
  return [...whole, ...ignoredMembers(spec)];
}

/** The same of members of fields, and of fields that another one makes meaningless. */
function ignoredMembers({ packageType, runtime, handler, loggingConfig, fileSystemConfigs = [] }: FunctionSpec) {
  const isImage = packageType === "Image";
  const hasBoth = fileSystemConfigs.some(
    ({ arn, persistentVolumeClaim }) => (arn && persistentVolumeClaim) !== undefined,
  );
  return [
    ...(isImage && runtime !== undefined ? ["spec.runtime: an image brings its own"] : []),
    ...(isImage && handler !== undefined
      ? ["spec.handler: an image has it as its command; set imageConfig.command"]
      : []),
    ...(loggingConfig?.logGroup !== undefined
      ? ["spec.loggingConfig.logGroup: the function is told the name; its log is its container's"]
      : []),
    ...(hasBoth ? ["spec.fileSystemConfigs[].arn: persistentVolumeClaim is what is mounted"] : []),
  ];
}

/** The condition that says so. `more`: what else has another meaning here. */
export function fieldsIgnored(spec: FunctionSpec, more: readonly string[] = []): ConditionDraft {
  const fields = ignoredFields(spec);
  const template = ignoredOfTemplate(spec.podTemplate).map((path) => `spec.podTemplate.${path}: the operator's own`);
  const all = [...fields, ...more, ...template];
  if (all.length === 0)
    return { type: "FieldsIgnored", status: "False", reason: "AllFieldsUsed", message: "No field is ignored" };
  return { type: "FieldsIgnored", status: "True", reason: "FieldsIgnored", message: all.join("; ") };
}

function isSet(spec: FunctionSpec, name: keyof typeof meanings): boolean {
  switch (name) {
    case "snapStart":
      return spec.snapStart?.applyOn === "PublishedVersions";
    case "tracingConfig":
      return spec.tracingConfig?.mode === "Active";
    default:
      return spec[name] !== undefined;
  }
}
