import assert from "node:assert/strict";
import { describe, it } from "mocha";
import type { Condition } from "../../../crds/v1alpha1/condition.ts";
import type { FunctionSpecInput } from "../../../crds/v1alpha1/function.ts";
import {
  functionSeen,
  imageFunction,
  imageRecipe,
  keptRecipe,
  resolvedImage,
} from "../../../test/kit/function-seen.ts";
import { decideFunction, type FunctionSeen } from "./decide.ts";
import { imagePackage, imageProcess, imageSource, type TagSeen } from "./image-code.ts";

const { digest, reference } = resolvedImage;
const movedTo = `sha256:${"c".repeat(64)}`;

function imageSeen(changes: Partial<FunctionSeen> = {}): FunctionSeen {
  const code = { type: "resolved", sourceHash: "source", package: imagePackage(resolvedImage) } as const;
  return functionSeen({ object: imageFunction(), code, image: { resolved: resolvedImage }, ...changes });
}

function conditionOf(
  { status }: { readonly status?: { readonly conditions?: Condition[] | undefined } | undefined },
  type: string,
): Condition {
  const found = status?.conditions?.find((condition) => condition.type === type);
  assert.ok(found !== undefined, type);
  return found;
}

describe("the process of an image", () => {
  type Config = NonNullable<FunctionSpecInput["imageConfig"]>;
  const cases: Record<string, { config: Config | undefined; argv: string[]; directory?: string }> = {
    "is ENTRYPOINT and CMD in WORKDIR": { config: undefined, argv: ["/entry", "index.handler"] },
    "packages-layers-env 28: has the command of imageConfig after the image's ENTRYPOINT": {
      config: { command: ["other.handler"] },
      argv: ["/entry", "other.handler"],
    },
    "keeps CMD when imageConfig has another entry point": {
      config: { entryPoint: ["/own", "-v"] },
      argv: ["/own", "-v", "index.handler"],
    },
    "has no argument when imageConfig empties the command": { config: { command: [] }, argv: ["/entry"] },
    "starts where imageConfig says": {
      config: { workingDirectory: "/elsewhere" },
      argv: ["/entry", "index.handler"],
      directory: "/elsewhere",
    },
    "starts in WORKDIR when imageConfig's is empty": {
      config: { workingDirectory: "" },
      argv: ["/entry", "index.handler"],
    },
  };
  for (const [what, { config, argv, directory = "/var/task" }] of Object.entries(cases)) {
    it(what, () => assert.deepEqual(imageProcess(resolvedImage, config), { argv, workingDirectory: directory }));
  }
});

describe("a function that is an image", () => {
  it("keeps a recipe that names the image by its digest, and neither code nor layers", () => {
    const plan = decideFunction(imageSeen());
    const [kept] = plan.create;
    const { data } = kept as ReturnType<typeof keptRecipe>;
    assert.equal(data.image, reference);
    assert.equal(data.nodeArchitecture, "amd64");
    const { packageType, argv, workingDirectory, layers, ...others } = data.document;
    assert.deepEqual(
      [packageType, argv, workingDirectory, layers],
      ["Image", ["/entry", "index.handler"], "/var/task", []],
    );
    for (const name of ["code", "runtime", "handler"]) assert.equal(name in others, false, name);
  });

  it("is active by that recipe, and says what AWS says of an image", () => {
    const plan = decideFunction(imageSeen({ recipes: [keptRecipe(imageRecipe(imageFunction()))] }));
    const { status } = plan;
    assert.equal(status?.state, "Active");
    assert.equal(status.resolvedImageURI, reference);
    assert.equal(status.codeSHA256, "a".repeat(64));
    assert.equal(status.codeDigest, undefined);
    assert.equal(conditionOf(plan, "CodeResolved").message, `The code is "${reference}"`);
    assert.equal(conditionOf(plan, "ImageCurrent").status, "True");
  });

  it("gets another revision by another digest or imageConfig, and the same one by another name of the same", () => {
    const { revisionID } = imageRecipe(imageFunction()).document;
    const other = { ...resolvedImage, digest: movedTo, reference: `registry.test/team/image@${movedTo}` };
    const config = imageFunction({ imageConfig: { command: ["x"] } });
    assert.notEqual(imageRecipe(imageFunction(), other).document.revisionID, revisionID);
    assert.notEqual(imageRecipe(config).document.revisionID, revisionID);
    const named = { ...resolvedImage, tag: "2", namedDigest: digest };
    assert.equal(
      imageRecipe(imageFunction({ code: { imageURI: "registry.test/team/image:2" } }), named).document.revisionID,
      revisionID,
    );
  });

  it("is stalled when the image has nothing to start, and not when imageConfig has", () => {
    const empty = { ...resolvedImage, entryPoint: [], command: [] };
    const plan = decideFunction(imageSeen({ image: { resolved: empty } }));
    assert.equal(conditionOf(plan, "Stalled").reason, "InvalidImage");
    assert.match(conditionOf(plan, "Stalled").message, /no ENTRYPOINT and no CMD; set imageConfig.entryPoint$/);
    const object = imageFunction({ imageConfig: { entryPoint: ["/own"] } });
    assert.equal(decideFunction(imageSeen({ object, image: { resolved: empty } })).create.length, 1);
  });

  it("is another source by another name or architecture", () => {
    const sources = [
      imageFunction(),
      imageFunction({ architectures: ["arm64"] }),
      imageFunction({ code: { imageURI: "registry.test/team/image:2" } }),
    ].map(({ spec }) => imageSource(spec));
    assert.equal(new Set(sources).size, 3);
    assert.equal(imageSource(imageFunction({ memorySize: 256, imageConfig: { command: ["x"] } }).spec), sources[0]);
  });

  const recipes = [keptRecipe(imageRecipe(imageFunction()))];
  const active = decideFunction(imageSeen({ recipes })).status;
  const moved = decideFunction(
    imageSeen({
      recipes,
      object: imageFunction({}, active),
      image: { resolved: resolvedImage, tag: { type: "moved", digest: movedTo } },
    }),
  ).status;
  const tags: Record<string, { tag?: TagSeen; before: typeof active; want: string; says: RegExp; events?: number }> = {
    "is current while its tag names the same": {
      tag: { type: "current" },
      before: active,
      want: "True ImageCurrent",
      says: /names sha256:a+$/,
    },
    "says that its tag moved, and goes on": {
      tag: { type: "moved", digest: movedTo },
      before: active,
      want: "False ImageMoved",
      says: /set code.imageURI to "registry.test\/team\/image@sha256:c+"$/,
      events: 1,
    },
    "says so once": {
      tag: { type: "moved", digest: movedTo },
      before: moved,
      want: "False ImageMoved",
      says: /names sha256:c+ now/,
    },
    "still says so when nothing is known, as after a restart": {
      before: moved,
      want: "False ImageMoved",
      says: /names sha256:c+ now/,
    },
    "says that nobody knows": {
      tag: { type: "unknown", reason: "RegistryUnreachable", message: "no answer" },
      before: active,
      want: "Unknown RegistryUnreachable",
      says: /is not known: no answer$/,
    },
    "is current again once the tag is": {
      tag: { type: "current" },
      before: moved,
      want: "True ImageCurrent",
      says: /names sha256:a+$/,
    },
  };
  for (const [what, { tag, before, want, says, events = 0 }] of Object.entries(tags)) {
    it(what, () => {
      const image = { resolved: resolvedImage, tag };
      const plan = decideFunction(imageSeen({ recipes, object: imageFunction({}, before), image }));
      const { status, reason, message } = conditionOf(plan, "ImageCurrent");
      assert.equal(`${status} ${reason}`, want);
      assert.match(message, says);
      assert.equal(plan.status?.state, "Active");
      assert.equal(plan.events.filter((event) => event.action === "CheckImage").length, events);
    });
  }

  it("has no such condition when it is a zip", () => {
    const { status } = decideFunction(functionSeen());
    assert.equal(status?.conditions?.some(({ type }) => type === "ImageCurrent") ?? false, false);
  });
});
