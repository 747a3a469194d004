/** Members of AWS' outputs and of templates that our specs do not have: what to say of them. Pure. */
import { own } from "./own.ts";

/** Facts about a deployment in AWS that say nothing about what to deploy. */
const facts = new Set([
  "FunctionArn",
  "FunctionName",
  "LastModified",
  "RevisionId",
  "CodeSize",
  "CodeSha256",
  "ConfigSha256",
  "Version",
  "State",
  "StateReason",
  "StateReasonCode",
  "LastUpdateStatus",
  "LastUpdateStatusReason",
  "LastUpdateStatusReasonCode",
  "MasterArn",
  "SigningJobArn",
  "SigningProfileVersionArn",
  "VpcConfig.VpcId",
  "SnapStart.OptimizationStatus",
  "RuntimeVersionConfig",
  "AliasArn",
  "LayerArn",
  "LayerVersionArn",
  "LayerName",
  "CreatedDate",
  "UUID",
  "EventSourceMappingArn",
  "LastProcessingResult",
  "StateTransitionReason",
  "FunctionUrl",
  "CreationTime",
  "LastModifiedTime",
  "Status",
  "StatusReason",
  "AvailableProvisionedConcurrentExecutions",
  "AllocatedProvisionedConcurrentExecutions",
]);

const meanings: Readonly<Record<string, string>> = {
  CapacityProviderConfig: "environments run on the cluster's nodes; choose them by spec.podTemplate",
  "VpcConfig.Ipv6AllowedForDualStack": "the network is the pod's",
  "DurableConfig.KMSKeyArn": "encryption at rest is the cluster's",
  "Environment.Error": "AWS did not show the variables: add them to spec.environment.variables",
  "ImageConfig.Error": "AWS did not show the image's configuration: add it to spec.imageConfig",
  KMSKeyArn: "encryption at rest is the cluster's",
  FilterCriteriaError: "AWS did not show the filters: add them to spec.filterCriteria",
  Policies: "permissions in the cluster are those of spec.serviceAccountName",
  PermissionsBoundary: "permissions in the cluster are those of spec.serviceAccountName",
  AssumeRolePolicyDocument: "permissions in the cluster are those of spec.serviceAccountName",
  RolePath: "permissions in the cluster are those of spec.serviceAccountName",
  DeploymentPreference: "shift calls by spec.routingConfig of an Alias",
  RuntimeManagementConfig: "a version keeps the runtime image that it was published with",
  RecursiveLoop: "loops are not looked for",
  SourceKMSKeyArn: "encryption at rest is the cluster's",
  VersionDeletionPolicy: "spec.revisionHistoryLimit says how many versions are kept",
  AutoPublishCodeSha256: "a version is published when code or configuration change",
  AutoPublishAliasAllProperties: "a version is published when code or configuration change",
  PropagateTags: "tags are those of the Function",
  RetentionPolicy: "versions of a layer stay until they are deleted",
  "ScalingConfig.MinExecutionEnvironments": "see reservedConcurrentExecutions and provisionedConcurrencyConfig",
};

/** A sentence for each path that a user should know of. */
export function notesOf(left: readonly string[]): readonly string[] {
  return left
    .filter((path) => !facts.has(path))
    .map((path) => `${path} has no counterpart here: ${own(meanings, path) ?? "it is left out"}`);
}
