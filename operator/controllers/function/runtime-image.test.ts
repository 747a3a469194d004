import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { functionObject, functionSeen, keptRecipe, sha256 } from "../../../test/kit/function-seen.ts";
import { ManualClock } from "../../../test/kit/manual-clock.ts";
import type { ImageAnswer } from "../../../crds/wire/images.ts";
import { resolvedImage } from "../../../test/kit/function-seen.ts";
import { decideFunction, type FunctionSeen } from "./decide.ts";
import type { Recipe } from "./recipe.ts";
import type { RuntimeImageSeen } from "./runtime-image.ts";
import { RuntimeImages } from "./runtime-images.ts";
import type { RuntimeTable } from "./runtime-table.ts";

const digest = (letter: string): string => `registry.test/node@sha256:${letter.repeat(64)}`;
const tag = "registry.test/node:24";
const failed = { type: "failed", reason: "RegistryUnreachable", message: "no answer", retryAfterMs: 7000 } as const;

function seenWith(image: string | undefined, runtimeImage: RuntimeImageSeen, changes: Partial<FunctionSeen> = {}) {
  const runtimes: RuntimeTable = image === undefined ? {} : { "nodejs24.x": { image, state: "supported" } };
  const settings = { ...functionSeen().settings, runtimes };
  return functionSeen({ settings, runtimeImage, ...changes });
}

/** What the function runs by once it is active with this. */
function servedWith(image: string, runtimeImage: RuntimeImageSeen): Recipe {
  const [made] = decideFunction(seenWith(image, runtimeImage)).create;
  return (made as unknown as { readonly data: Recipe }).data;
}

function later(serving: Recipe, changes: Partial<FunctionSeen>, spec = {}, generation = 2): FunctionSeen {
  const object = functionObject(spec, { revisionID: serving.document.revisionID, observedGeneration: 2 });
  const recipes = [keptRecipe(serving)];
  return functionSeen({ object: { ...object, metadata: { ...object.metadata, generation } }, recipes, ...changes });
}

describe("the image of a runtime", () => {
  it("is what the chart names by digest", () => {
    const { image, runtimeImage } = servedWith(digest("a"), { type: "asNamed" });
    assert.deepEqual([image, runtimeImage], [digest("a"), { named: digest("a"), isPinned: true }]);
  });

  it("is the digest that a tag names", () => {
    const { image, runtimeImage } = servedWith(tag, { type: "resolved", reference: digest("a") });
    assert.deepEqual([image, runtimeImage], [digest("a"), { named: tag, isPinned: true }]);
  });

  it("is waited for while the tag is looked up", () => {
    const plan = decideFunction(seenWith(tag, { type: "asking" }));
    assert.equal(plan.create.length, 0);
    assert.match(plan.status?.stateReason ?? "", /^The image of runtime "nodejs24.x" is being looked up$/);
  });

  it("is the tag itself where nobody can tell its digest: the function says so, and is looked at again", () => {
    const serving = servedWith(tag, failed);
    assert.equal(serving.image, tag);
    const plan = decideFunction({ ...seenWith(tag, failed), recipes: [keptRecipe(serving)] });
    const condition = plan.status?.conditions?.find(({ type }) => type === "RuntimeResolved");
    assert.deepEqual([condition?.status, condition?.reason], ["False", "RuntimeNotPinned"]);
    assert.match(condition?.message ?? "", /no answer; no version is published with it; set the chart's value/);
    assert.equal(plan.recheckAfterMs, 7000);
    assert.deepEqual(plan.status?.runtimeImage, tag);
  });

  it("stays while neither chart nor function change, and when the registry is away", () => {
    const serving = servedWith(tag, { type: "resolved", reference: digest("a") });
    const { settings } = seenWith(tag, { type: "asNamed" });
    const moved = { type: "resolved", reference: digest("b") } as const;
    for (const runtimeImage of [{ type: "asking" }, moved, failed] as const) {
      const plan = decideFunction(later(serving, { settings, runtimeImage }));
      assert.equal(plan.status?.revisionID, serving.document.revisionID);
      assert.equal(plan.status.runtimeImage, digest("a"));
    }
  });

  it("moves to what the tag names now when the function changes", () => {
    const serving = servedWith(tag, { type: "resolved", reference: digest("a") });
    const { settings } = seenWith(tag, { type: "asNamed" });
    const runtimeImage = { type: "resolved", reference: digest("b") } as const;
    const [made] = decideFunction(later(serving, { settings, runtimeImage }, { timeout: 9 }, 3)).create;
    assert.equal((made as unknown as { readonly data: Recipe }).data.image, digest("b"));
  });

  it("follows the chart: another revision of the same configuration", () => {
    const serving = servedWith(digest("a"), { type: "asNamed" });
    const { settings } = seenWith(digest("b"), { type: "asNamed" });
    const [made] = decideFunction(later(serving, { settings, runtimeImage: { type: "asNamed" } })).create;
    const recipe = (made as unknown as { readonly data: Recipe }).data;
    assert.notEqual(recipe.document.revisionID, serving.document.revisionID);
    assert.equal(recipe.configurationID, serving.configurationID);
  });

  it("stays when the chart drops the identifier; a change is refused", () => {
    const serving = servedWith(digest("a"), { type: "asNamed" });
    const { settings } = seenWith(undefined, { type: "asNamed" });
    const plan = decideFunction(later(serving, { settings, runtimeImage: { type: "asNamed" } }));
    assert.equal(plan.status?.runtimeImage, digest("a"));
    const ready = plan.status.conditions?.find(({ type }) => type === "Ready");
    assert.deepEqual([ready?.status, ready?.reason], ["True", "RuntimeRemoved"]);
    const changed = decideFunction(later(serving, { settings, runtimeImage: { type: "asNamed" } }, { timeout: 9 }, 3));
    assert.equal(changed.status?.lastUpdateStatusReasonCode, "InvalidRuntime");
    assert.equal(changed.status.revisionID, serving.document.revisionID);
  });

  it("may change with new routers' keys also where the runtime is at its end", () => {
    const serving = servedWith(digest("a"), { type: "asNamed" });
    const { settings } = seenWith(undefined, { type: "asNamed" });
    const seen = later(serving, { settings: { ...settings, routerKeys: ["new"] }, runtimeImage: { type: "asNamed" } });
    const [made] = decideFunction(seen).create;
    const recipe = (made as unknown as { readonly data: Recipe }).data;
    assert.equal(recipe.image, digest("a"));
    assert.notEqual(recipe.configurationID, serving.configurationID);
  });
});

describe("looking up the tags of the table", () => {
  const found = (letter: string): ImageAnswer => ({
    outcome: "resolved",
    image: { ...resolvedImage, reference: digest(letter), digest: `sha256:${sha256(letter)}` },
  });

  it("asks once for all functions, and again for one that is made much later", async () => {
    const clock = new ManualClock();
    const asked: string[] = [];
    const answers = [found("a"), found("b")];
    const images = new RuntimeImages({
      resolveImage: ({ image }) => {
        asked.push(image);
        return Promise.resolve(answers.shift() ?? { outcome: "unchanged" });
      },
      clock,
      draw: () => 0,
      freshMs: 300_000,
      onChange: () => undefined,
      onError: () => undefined,
    });
    assert.equal(images.look(tag, "x86_64").type, "asking");
    await Promise.resolve();
    await Promise.resolve();
    for (let i = 0; i < 3; i++)
      assert.deepEqual(images.look(tag, "x86_64"), { type: "resolved", reference: digest("a") });
    clock.advance(300_001);
    assert.equal(images.look(tag, "x86_64").type, "asking");
    await Promise.resolve();
    await Promise.resolve();
    assert.deepEqual(images.look(tag, "x86_64"), { type: "resolved", reference: digest("b") });
    assert.deepEqual(asked, [tag, tag]);
    assert.deepEqual(images.look(digest("c"), "arm64"), { type: "asNamed" });
  });

  it("asks again for what nobody could tell, later and later", async () => {
    const clock = new ManualClock();
    const changed: string[] = [];
    const images = new RuntimeImages({
      resolveImage: () => Promise.reject(new Error("away")),
      clock,
      draw: () => 0,
      freshMs: 300_000,
      onChange: (image) => changed.push(image),
      onError: () => undefined,
    });
    for (const retryAfterMs of [2000, 4000, 8000]) {
      images.look(tag, "x86_64");
      for (let i = 0; i < 5; i++) await Promise.resolve();
      const seen = images.look(tag, "x86_64");
      assert.equal(seen.type, "failed");
      assert.equal(seen.retryAfterMs, retryAfterMs);
      clock.advance(retryAfterMs);
    }
    assert.deepEqual(changed, [tag, tag, tag]);
  });
});
