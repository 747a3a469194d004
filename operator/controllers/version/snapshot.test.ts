import assert from "node:assert/strict";
import { describe, it } from "mocha";
import type { FunctionSpecInput } from "../../../crds/v1alpha1/function.ts";
import {
  functionObject,
  imageFunction,
  imageRecipe,
  recipeFor,
  resolvedImage,
  sha256,
} from "../../../test/kit/function-seen.ts";
import { layerUse } from "../../../test/kit/layer-seen.ts";
import { candidate, snapshot } from "../../../test/kit/version-seen.ts";
import { candidateOf, versionRecipe } from "./snapshot.ts";

const inputs = {
  functionUid: "uid-1",
  routerKeys: ["key"],
  stopsBetweenInvocations: false,
  streamBytesPerSecond: 0,
  hash: sha256,
};

function identityWith(spec: Partial<FunctionSpecInput>): string {
  return candidate(functionObject(spec)).identity;
}

describe("what a version is", () => {
  const changes: Record<string, Partial<FunctionSpecInput>> = {
    description: { description: "words" },
    variables: { environment: { variables: { AB: "1" } } },
    "a variable of a Secret": { environment: { valueFrom: { AB: { secretKeyRef: { name: "s", key: "k" } } } } },
    runtime: { runtime: "nodejs20.x" },
    handler: { handler: "other.handler" },
    memorySize: { memorySize: 256 },
    timeout: { timeout: 9 },
    ephemeralStorage: { ephemeralStorage: { size: 1024 } },
    architectures: { architectures: ["arm64"] },
    role: { role: "arn:aws:iam::123456789012:role/r" },
    serviceAccountName: { serviceAccountName: "account" },
    deadLetterConfig: { deadLetterConfig: { targetARN: "arn:aws:sqs:eu-west-1:123456789012:q" } },
    loggingConfig: { loggingConfig: { logFormat: "JSON" } },
    tracingConfig: { tracingConfig: { mode: "Active" } },
    vpcConfig: { vpcConfig: { subnetIDs: ["subnet-1"] } },
  };
  for (const [what, spec] of Object.entries(changes)) {
    it(`versions-aliases 4: is another with another ${what}`, () => {
      assert.notEqual(identityWith(spec), identityWith({}));
    });
  }

  const same: Record<string, Partial<FunctionSpecInput>> = {
    "reserved concurrency": { reservedConcurrentExecutions: 1 },
    tags: { tags: { a: "b" } },
    "a function URL": { functionURLConfig: { authType: "NONE" } },
    "asynchronous invocation": { functionEventInvokeConfig: { maximumRetryAttempts: 1 } },
    "how it is published": { publish: true, autoPublishAlias: "live", revisionHistoryLimit: 3 },
    "how long environments wait": { idleTimeoutSeconds: 7, maxAgeSeconds: 60 },
  };
  for (const [what, spec] of Object.entries(same)) {
    it(`versions-aliases 3: is the same with other ${what}`, () => {
      assert.equal(identityWith(spec), identityWith({}));
    });
  }

  it("is another with a layer, and with another version of it", () => {
    const withLayers = (version: number): string => {
      const object = functionObject();
      return candidateOf(object.spec, recipeFor(object, [layerUse("tools", { version })]), sha256).identity;
    };
    assert.equal(new Set([identityWith({}), withLayers(1), withLayers(2)]).size, 3);
  });

  it("is the same with a newer image of its runtime, keys of routers and settings of the installation", () => {
    const object = functionObject();
    const recipe = recipeFor(object);
    const document = { ...recipe.document, revisionID: "x", functionUid: "y", stopsBetweenInvocations: true };
    const renewed = { ...recipe, image: "nodejs:24.1", sourceHash: "elsewhere", document };
    assert.equal(candidateOf(object.spec, renewed, sha256).identity, candidateOf(object.spec, recipe, sha256).identity);
  });

  it("of an image is the same under another tag, and another with another digest", () => {
    const object = imageFunction();
    const identity = (image: typeof resolvedImage): string =>
      candidateOf(object.spec, imageRecipe(object, image), sha256).identity;
    assert.equal(identity({ ...resolvedImage, tag: "2" }), identity(resolvedImage));
    const digest = `sha256:${"c".repeat(64)}`;
    const moved = { ...resolvedImage, digest, reference: `registry.test/team/image@${digest}` };
    assert.notEqual(identity(moved), identity(resolvedImage));
  });
});

describe("environments of a version", () => {
  it("say the number, and have a revision of their own", () => {
    const from = candidate();
    const { document } = versionRecipe(snapshot(3, from), inputs);
    assert.equal(document.version, "3");
    assert.notEqual(document.revisionID, from.recipe.document.revisionID);
    const copy = versionRecipe(snapshot(3, from, "another"), inputs);
    assert.equal(copy.document.revisionID, document.revisionID);
  });

  it("are replaced for other router keys, settings of the installation and a Function that was made anew, and for nothing else", () => {
    const kept = snapshot(3);
    const revision = (changes: Partial<typeof inputs>): string =>
      versionRecipe(kept, { ...inputs, ...changes }).document.revisionID;
    assert.equal(revision({}), revision({}));
    const others = [
      revision({}),
      revision({ routerKeys: ["other"] }),
      revision({ functionUid: "uid-2" }),
      revision({ stopsBetweenInvocations: true }),
      revision({ streamBytesPerSecond: 5 }),
    ];
    assert.equal(new Set(others).size, others.length);
  });

  it("run the image, code and variables that were frozen", () => {
    const from = candidate(functionObject({ environment: { variables: { COLOR: "red" } } }));
    const { image, code, document } = versionRecipe(snapshot(1, from), inputs);
    assert.deepEqual([image, code], [from.recipe.image, from.recipe.code]);
    assert.deepEqual(document.variables, { COLOR: "red" });
  });
});
