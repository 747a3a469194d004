import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { accountIdOf } from "../../../crds/names.ts";
import { layerUse, layerVersion } from "../../../test/kit/layer-seen.ts";
import { decideLayers, extensionFiles, findSizeProblem, type LayerOffer, type LayersInput } from "./layer-use.ts";

const region = "eu-west-1";
const arn = (namespace: string, name: string, version: number, at = region): string =>
  `arn:aws:lambda:${at}:${accountIdOf(namespace)}:layer:${name}:${version}`;

function offer(name: string, versions: readonly number[], changes: Partial<LayerOffer> = {}): LayerOffer {
  const all = versions.map((version) => layerVersion(version, { name }));
  return { namespace: "team", name, allowedNamespaces: [], versions: all, ...changes };
}

const offers = [
  offer("tools", [3, 2, 1]),
  offer("empty", [], { problem: "Cannot read" }),
  offer("shared", [2, 1], { namespace: "other", allowedNamespaces: ["x", "team"] }),
  offer("open", [1], { namespace: "other", allowedNamespaces: ["*"] }),
  offer("restored", [1], { awaitRestoreMs: 1000 }),
  offer("closed", [1], { namespace: "other", allowedNamespaces: ["x"] }),
];

function input(references: readonly string[], changes: Partial<LayersInput> = {}): LayersInput {
  return {
    references,
    namespace: "team",
    region,
    findOffer: (accountId, name) =>
      offers.find((candidate) => accountIdOf(candidate.namespace) === accountId && candidate.name === name),
    held: [],
    ...changes,
  };
}

interface Want {
  readonly layers?: readonly string[];
  readonly kept?: readonly string[];
  readonly type?: "waiting" | "refused";
  readonly reason?: string;
  readonly message?: RegExp;
}

const held = [layerUse("gone", { version: 4 }), layerUse("tools", { version: 7 })];
const cases: Record<string, { input: LayersInput; want: Want }> = {
  "none of none": { input: input([]), want: { layers: [] } },
  "the newest version of a name": { input: input(["tools"]), want: { layers: ["team/tools:3"] } },
  "the version that is named": { input: input(["tools:1"]), want: { layers: ["team/tools:1"] } },
  "an ARN of the own account": { input: input([arn("team", "tools", 2)]), want: { layers: ["team/tools:2"] } },
  "the order of the spec": {
    input: input([arn("other", "open", 1), "tools:2", arn("other", "shared", 1)]),
    want: { layers: ["other/open:1", "team/tools:2", "other/shared:1"] },
  },
  "no layer that is not there": {
    input: input(["tools", "absent"]),
    want: { type: "waiting", reason: "LayerNotFound", message: /^Cannot use layer "absent": there is no such Layer/ },
  },
  "no layer of another namespace by its name alone": {
    input: input(["shared"]),
    want: { type: "waiting", reason: "LayerNotFound" },
  },
  "no version that is not there": {
    input: input(["tools:9"]),
    want: {
      type: "waiting",
      reason: "LayerNotFound",
      message: /does not exist\. The newest versions are 3, 2, 1; waiting/,
    },
  },
  "no layer without a version": {
    input: input(["empty"]),
    want: {
      type: "waiting",
      reason: "LayerNotReady",
      message: /^Cannot use layer "empty": it has no version yet \(Cannot read\); waiting for it$/,
    },
  },
  "no newest version while that may still come back from a backup": {
    input: input(["restored"]),
    want: { type: "waiting", reason: "RestoreAwaited", message: /"restored": its newest version has not come back/ },
  },
  "a version by its number meanwhile": { input: input(["restored:1"]), want: { layers: ["team/restored:1"] } },
  "no layer that is closed to it": {
    input: input([arn("other", "closed", 1)]),
    want: { type: "waiting", reason: "LayerNotGranted", message: new RegExp(`of account ${accountIdOf("other")} has`) },
  },
  "not a word of what another namespace has": {
    input: input([arn("other", "absent", 1)]),
    want: { type: "waiting", reason: "LayerNotGranted" },
  },
  "no version that another namespace opens a layer without": {
    input: input([arn("other", "shared", 9)]),
    want: { type: "waiting", reason: "LayerNotFound" },
  },
  "nothing of another region": {
    input: input([arn("team", "tools", 1, "eu-west-2")]),
    want: { type: "refused", reason: "LayerInOtherRegion", message: /expected to be in region eu-west-1\.$/ },
  },
  "no layer twice": {
    input: input(["tools:1", arn("team", "tools", 1)]),
    want: { type: "refused", reason: "LayerNamedTwice", message: /^Two different versions of the same layer/ },
  },
  "what it has of a layer that is gone, by name and by version": {
    input: input(["gone"], { held }),
    want: { layers: ["team/gone:4"], kept: ['Layer "gone" is gone: this function goes on with version 4'] },
  },
  "a deleted version that it has": {
    input: input(["tools:7"], { held }),
    want: {
      layers: ["team/tools:7"],
      kept: ['Layer "tools:7" has that version no longer: this function goes on with version 7'],
    },
  },
  "another version than it has only when that is there": {
    input: input(["gone:5"], { held }),
    want: { type: "waiting", reason: "LayerNotFound" },
  },
  "the newest rather than what it has": { input: input(["tools"], { held }), want: { layers: ["team/tools:3"] } },
  "what it has of a layer that was closed to it": {
    input: input([arn("other", "closed", 1)], { held: [layerUse("closed", { namespace: "other" })] }),
    want: {
      layers: ["other/closed:1"],
      kept: [
        `Layer "${arn("other", "closed", 1)}" is gone or no longer open to this namespace: this function goes on with version 1`,
      ],
    },
  },
};

describe("layers of a function", () => {
  for (const [sentence, { input: given, want }] of Object.entries(cases)) {
    it(`are ${sentence}`, () => {
      const seen = decideLayers(given);
      assert.equal(seen.type, want.type ?? "resolved");
      if (seen.type === "resolved") {
        const layers = seen.layers.map(({ namespace, name, version }) => `${namespace}/${name}:${version}`);
        assert.deepEqual(layers, want.layers);
        assert.deepEqual(seen.kept, want.kept ?? []);
      } else {
        assert.equal(seen.reason, want.reason);
        if (want.message !== undefined) assert.match(seen.message, want.message);
      }
    });
  }

  const sizes: Record<string, { code: number; layers: readonly number[]; isTooLarge: boolean }> = {
    "packages 9: 262,143,999 bytes together are accepted": {
      code: 62_144_000,
      layers: [1e8, 99_999_999],
      isTooLarge: false,
    },
    "packages 9: 262,144,001 bytes together are refused": {
      code: 62_144_000,
      layers: [1e8, 100_000_001],
      isTooLarge: true,
    },
    "code alone is the package store's business": { code: 262_144_000, layers: [], isTooLarge: false },
  };
  for (const [sentence, { code, layers, isTooLarge }] of Object.entries(sizes)) {
    it(sentence, () => {
      const uses = layers.map((unzippedBytes, i) => layerUse(`l${i}`, { unzippedBytes }));
      const problem = findSizeProblem({ unzippedBytes: code }, uses);
      assert.equal(problem?.reason, isTooLarge ? "CodeTooLarge" : undefined);
      if (isTooLarge) assert.match(problem?.message ?? "", /^Unzipped size must be smaller than 262144000 bytes/);
    });
  }

  it("bring their extensions in byte order, one of each name, ten at most", () => {
    const layers = [{ extensions: ["b", "a.sh", "B"] }, { extensions: ["b", "ä", "\u{1F600}", "\uFF5E"] }];
    assert.deepEqual(extensionFiles(layers), ["B", "a.sh", "b", "ä", "\uFF5E", "\u{1F600}"]);
    const many = Array.from({ length: 12 }, (_, i) => `e${10 + i}`);
    assert.deepEqual(extensionFiles([{ extensions: many }]), many.slice(0, 10));
  });
});
