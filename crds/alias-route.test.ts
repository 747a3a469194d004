import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "mocha";
import { effectiveRoute, resolveAlias, type AliasRoute } from "./alias-route.ts";
import type { AliasSpec } from "./v1alpha1/alias.ts";
import type { VersionStatus } from "./v1alpha1/version.ts";

type Spec = Pick<AliasSpec, "functionVersion" | "routingConfig">;

function version(name: string, number?: number, more: VersionStatus & { readonly goes?: boolean } = {}) {
  const { goes = false, ...status } = more;
  const metadata = { name, ...(goes && { deletionTimestamp: "2026-01-01T00:00:00Z" }) };
  return { metadata, ...(number !== undefined && { status: { version: number, ...status } }) };
}

function weights(additionalVersionWeights: Record<string, number>): Spec["routingConfig"] {
  return { additionalVersionWeights };
}

function textOf({ functionVersion, additionalVersionWeights }: AliasRoute): string {
  const more = Object.entries(additionalVersionWeights).map(([number, weight]) => `, ${weight} to ${number}`);
  return `${functionVersion}${more.join("")}`;
}

const three = [version("one", 1), version("two", 2), version("three", 3), version("unpublished")];

describe("resolveAlias", () => {
  const cases: Record<string, { spec: Spec; versions?: ReturnType<typeof version>[]; want: string }> = {
    "a number": { spec: { functionVersion: "2" }, want: "2" },
    "the name of a Version": { spec: { functionVersion: "two" }, want: "2" },
    "nothing: the newest": { spec: {}, want: "3" },
    "nothing, the newest goes: the newest of the others": {
      spec: {},
      versions: [version("one", 1), version("two", 2, { goes: true })],
      want: "1",
    },
    "nothing, and the only one goes: that": { spec: {}, versions: [version("one", 1, { goes: true })], want: "1" },
    "nothing where nothing is published": {
      spec: {},
      versions: [version("unpublished")],
      want: "VersionNotFound undefined",
    },
    "$LATEST, also where nothing is published": { spec: { functionVersion: "$LATEST" }, versions: [], want: "$LATEST" },
    "a number that is not there": { spec: { functionVersion: "9" }, want: "VersionNotFound 9" },
    "a Version that is not published": {
      spec: { functionVersion: "unpublished" },
      want: "VersionNotFound unpublished",
    },
    "two versions": { spec: { functionVersion: "1", routingConfig: weights({ "2": 0.1 }) }, want: "1, 0.1 to 2" },
    "the newest and another": { spec: { routingConfig: weights({ "2": 1 }) }, want: "3, 1 to 2" },
    "an additional version that is not there": {
      spec: { functionVersion: "1", routingConfig: weights({ "9": 0.1 }) },
      want: "VersionNotFound 9",
    },
    "versions-aliases 22: one version twice": {
      spec: { functionVersion: "two", routingConfig: weights({ "2": 0.1 }) },
      want: "RoutingRefused Invalid function version 2. Function version 2 is already included in routing configuration.",
    },
    "versions-aliases 21: $LATEST and another": {
      spec: { functionVersion: "$LATEST", routingConfig: weights({ "2": 0.1 }) },
      want: "RoutingRefused $LATEST is not supported for an alias pointing to more than 1 version",
    },
    "versions-aliases 26: two roles": {
      spec: { functionVersion: "1", routingConfig: weights({ "2": 0.1 }) },
      versions: [version("one", 1, { role: "a" }), version("two", 2, { role: "b" })],
      want: "RoutingRefused Versions 1 and 2 differ in role: an alias splits calls only between versions that have the same role and dead letter configuration",
    },
    "a dead letter queue and none": {
      spec: { functionVersion: "1", routingConfig: weights({ "2": 0.1 }) },
      versions: [version("one", 1), version("two", 2, { deadLetterTargetARN: "arn" })],
      want: "RoutingRefused Versions 1 and 2 differ in deadLetterTargetARN: an alias splits calls only between versions that have the same role and dead letter configuration",
    },
  };
  for (const [title, { spec, versions = three, want }] of Object.entries(cases)) {
    it(`takes ${title}`, () => {
      const resolved = resolveAlias(spec, versions);
      const text = resolved.ok
        ? textOf(resolved.route)
        : `${resolved.reason} ${resolved.reason === "RoutingRefused" ? resolved.message : String(resolved.version)}`;
      assert.equal(text, want);
    });
  }

  it("answers the same in whatever order versions are seen", () => {
    const specs: Spec[] = Object.values(cases).map(({ spec }) => spec);
    fc.assert(
      fc.property(fc.constantFrom(...specs), fc.shuffledSubarray(three, { minLength: 4 }), (spec, versions) => {
        assert.deepEqual(resolveAlias(spec, versions), resolveAlias(spec, three));
      }),
    );
  });
});

describe("effectiveRoute", () => {
  const cases: Record<string, { spec: Spec; status?: Spec; want: string | undefined }> = {
    "the spec's where that can be had": { spec: { functionVersion: "2" }, status: { functionVersion: "1" }, want: "2" },
    "the former one while a version is not there": {
      spec: { functionVersion: "9" },
      status: { functionVersion: "1", routingConfig: weights({ "2": 0.5 }) },
      want: "1, 0.5 to 2",
    },
    "the former one while the spec is refused": {
      spec: { functionVersion: "2", routingConfig: weights({ "2": 0.5 }) },
      status: { functionVersion: "1" },
      want: "1",
    },
    "none where there was none": { spec: { functionVersion: "9" }, want: undefined },
    "none where the former one's version is gone": {
      spec: { functionVersion: "9" },
      status: { functionVersion: "8" },
      want: undefined,
    },
  };
  for (const [title, { spec, status, want }] of Object.entries(cases)) {
    it(`is ${title}`, () => {
      const route = effectiveRoute({ spec, status }, three);
      assert.equal(route === undefined ? undefined : textOf(route), want);
    });
  }
});
