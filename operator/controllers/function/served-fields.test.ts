import assert from "node:assert/strict";
import { describe, it } from "mocha";
import type { FunctionSpec, FunctionSpecInput } from "../../../crds/v1alpha1/function.ts";
import { functionObject, imageFunction } from "../../../test/kit/function-seen.ts";
import { findUnservedField, ignoredFields } from "./served-fields.ts";

const role = "arn:aws:iam::123456789012:role/r";
const claimed = { persistentVolumeClaim: { name: "data" }, localMountPath: "/mnt/data" };

/** Every field of a Function, so that a new one has to be put here: done as it says, or what is told when it is set like this. */
const fates: Record<keyof FunctionSpec, "done" | Partial<FunctionSpecInput>> = {
  ...{ name: "done", runtime: "done", handler: "done", packageType: "done", code: "done", layers: "done" },
  ...{ environment: "done", memorySize: "done", timeout: "done", ephemeralStorage: "done", architectures: "done" },
  ...{ imageConfig: "done", reservedConcurrentExecutions: "done", functionURLConfig: "done", recursiveLoop: "done" },
  ...{ description: "done", tags: "done", publish: "done", autoPublishAlias: "done", serviceAccountName: "done" },
  ...{
    podTemplate: "done",
    idleTimeoutSeconds: "done",
    maxAgeSeconds: "done",
    revisionHistoryLimit: "done",
    fileSystemConfigs: "done",
  },
  loggingConfig: { loggingConfig: { logGroup: "/aws/lambda/other" } },
  functionEventInvokeConfig: { functionEventInvokeConfig: { maximumRetryAttempts: 0 } },
  deadLetterConfig: { deadLetterConfig: { targetARN: "arn:aws:sqs:eu-west-1:123456789012:q" } },
  tracingConfig: { tracingConfig: { mode: "Active" } },
  role: { role },
  roleRef: { roleRef: { from: { name: "r" } } },
  vpcConfig: { vpcConfig: { subnetIDs: ["subnet-1"] } },
  kmsKeyARN: { kmsKeyARN: "arn:aws:kms:eu-west-1:123456789012:key/k" },
  kmsKeyRef: { kmsKeyRef: { from: { name: "k" } } },
  snapStart: { snapStart: { applyOn: "PublishedVersions" } },
  codeSigningConfigARN: { codeSigningConfigARN: "arn:aws:lambda:eu-west-1:123456789012:code-signing-config:csc-0" },
  codeSigningConfigRef: { codeSigningConfigRef: { from: { name: "c" } } },
  durableConfig: { durableConfig: { executionTimeout: 60 } },
  tenancyConfig: { tenancyConfig: { tenantIsolationMode: "PER_TENANT" } },
};

describe("fields of a Function that are not done as they say", () => {
  for (const [field, spec] of Object.entries(fates)) {
    if (spec === "done") continue;
    it(`${field} is told`, () => {
      const object = functionObject(spec).spec;
      const told = [...ignoredFields(object), findUnservedField(object)?.message ?? ""].join("; ");
      assert.match(told, new RegExp(`^(spec\\.${field}|Cannot isolate tenants)`));
    });
  }

  it("none is told of a plain function, nor of one with a file system that can be had", () => {
    for (const spec of [{}, { fileSystemConfigs: [claimed] }]) {
      assert.deepEqual(ignoredFields(functionObject(spec).spec), []);
      assert.equal(findUnservedField(functionObject(spec).spec), undefined);
    }
  });

  it("an ARN beside a claim is told, and runtime and handler of an image", () => {
    const arn = "arn:aws:elasticfilesystem:eu-west-1:123456789012:access-point/fsap-1";
    assert.match(ignoredFields(functionObject({ fileSystemConfigs: [{ ...claimed, arn }] }).spec).join(), /\[\]\.arn/);
    const told = ignoredFields(imageFunction({ runtime: "nodejs24.x", handler: "a.b" }).spec);
    assert.deepEqual(
      told.map((text) => text.slice(0, text.indexOf(":"))),
      ["spec.runtime", "spec.handler"],
    );
  });
});
