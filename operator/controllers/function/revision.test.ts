import assert from "node:assert/strict";
import { describe, it } from "mocha";
import {
  functionObject,
  functionSettings,
  recipeFor,
  resolvedPackage,
  sha256,
} from "../../../test/kit/function-seen.ts";
import { layerUse } from "../../../test/kit/layer-seen.ts";
import { decideRecipe } from "./revision.ts";

const { revisionID } = recipeFor(functionObject()).document;

describe("decideRecipe", () => {
  const relevant: Record<string, Parameters<typeof functionObject>[0]> = {
    handler: { handler: "other.handler" },
    timeout: { timeout: 4 },
    memorySize: { memorySize: 256 },
    "a variable": { environment: { variables: { NAME: "x" } } },
    "a variable's source": { environment: { valueFrom: { NAME: { secretKeyRef: { name: "s", key: "k" } } } } },
    ephemeralStorage: { ephemeralStorage: { size: 1024 } },
    serviceAccountName: { serviceAccountName: "other" },
    podTemplate: { podTemplate: { spec: { priorityClassName: "high" } } },
    architectures: { architectures: ["arm64"] },
    loggingConfig: { loggingConfig: { logFormat: "JSON" } },
    systemLogLevel: { loggingConfig: { logFormat: "JSON", systemLogLevel: "DEBUG" } },
  };
  for (const [what, spec] of Object.entries(relevant)) {
    it(`has another revision id with another ${what}`, () => {
      assert.notEqual(recipeFor(functionObject(spec)).document.revisionID, revisionID);
    });
  }

  it("has another revision id with another version of a layer, or another order", () => {
    const withLayers = functionObject({ layers: ["tools"] });
    const tools = layerUse("tools", { version: 3 });
    const other = layerUse("other");
    const layers = [[], [tools], [{ ...tools, version: 4 }], [tools, other], [other, tools]];
    const ids = layers.map((each) => recipeFor(withLayers, each).document.revisionID);
    assert.equal(new Set(ids).size, layers.length);
  });

  it("tells the environment what the chart and the spec say of it", () => {
    const settings = { ...functionSettings, stopsBetweenInvocations: true, streamBytesPerSecond: 7 };
    const object = functionObject({ loggingConfig: { logFormat: "JSON", systemLogLevel: "WARN" } });
    const input = { ...settings, object, code: resolvedPackage, layers: [], sourceHash: "s", image: "i", hash: sha256 };
    const { stopsBetweenInvocations, streamBytesPerSecond, systemLogLevel } = decideRecipe(input).document;
    assert.deepEqual([stopsBetweenInvocations, streamBytesPerSecond, systemLogLevel], [true, 7, "WARN"]);
    const { document } = recipeFor(functionObject());
    for (const name of ["stopsBetweenInvocations", "streamBytesPerSecond", "systemLogLevel"])
      assert.ok(!(name in document), name);
  });

  it("has the same revision id with another description, tag, idle timeout or age", () => {
    const object = functionObject({
      description: "x",
      tags: { a: "b" },
      idleTimeoutSeconds: 7,
      maxAgeSeconds: 60,
      reservedConcurrentExecutions: 1,
    });
    assert.equal(recipeFor(object).document.revisionID, revisionID);
  });
});
