import assert from "node:assert/strict";
import fc from "fast-check";
import type { ImageErrorCode } from "../../crds/wire/images.ts";
import { isIndex, manifestTypes, pickManifest, readConfig, readManifest } from "./manifests.ts";
import { RegistryError } from "./registry-error.ts";

const digest = (letter: string): string => `sha256:${letter.repeat(64)}`;
const platform = (architecture: string, more: object = {}) => ({ os: "linux", architecture, ...more });
const [ociIndex, dockerList] = manifestTypes.index;
const [ociManifest, dockerManifest] = manifestTypes.manifest;

function fails(step: () => unknown, code: ImageErrorCode, says: RegExp): void {
  assert.throws(step, (error) => error instanceof RegistryError && error.code === code && says.test(error.message));
}

describe("manifests", () => {
  const kinds: Record<string, { manifest: object; type?: string; want: boolean }> = {
    "an OCI index": { manifest: { mediaType: ociIndex }, want: true },
    "a manifest list": { manifest: { mediaType: dockerList }, want: true },
    "an OCI manifest": { manifest: { mediaType: ociManifest }, want: false },
    "Docker's schema 2": { manifest: { mediaType: dockerManifest }, want: false },
    "an OCI manifest that names its type in the header alone": {
      manifest: { schemaVersion: 2 },
      type: `${ociManifest}; charset=utf-8`,
      want: false,
    },
    "an index served as JSON": { manifest: { schemaVersion: 2, manifests: [] }, type: "application/json", want: true },
    "a manifest served as JSON": { manifest: { schemaVersion: 2, config: {} }, type: "application/json", want: false },
  };
  for (const [what, { manifest, type = "", want }] of Object.entries(kinds)) {
    it(`tells ${what}`, () => assert.equal(isIndex("x", manifest, type), want));
  }

  it("refuses schema 1 and what is no image", () => {
    fails(
      () => isIndex("x", { schemaVersion: 1 }, "application/vnd.docker.distribution.manifest.v1+prettyjws"),
      "InvalidImage",
      /schema 1/,
    );
    fails(() => isIndex("x", undefined, "text/html"), "InvalidImage", /type "text\/html", which is no container image/);
    const chart = {
      config: { digest: digest("a"), mediaType: "application/vnd.cncf.helm.config.v1+json" },
      layers: [],
    };
    fails(() => readManifest("x", chart), "InvalidImage", /helm.*it is no container image/);
    fails(
      () => readManifest("x", { config: { digest: "md5:1" }, layers: [] }),
      "InvalidImage",
      /"md5:1", which is no sha256/,
    );
    fails(() => readManifest("x", {}), "InvalidImage", /no list of layers/);
  });

  const picks: Record<string, { members: readonly object[]; architecture?: "x86_64" | "arm64"; want: string }> = {
    "its architecture": {
      members: [
        { digest: digest("a"), platform: platform("arm64") },
        { digest: digest("b"), platform: platform("amd64") },
      ],
      want: digest("b"),
    },
    "no other system": {
      members: [
        { digest: digest("a"), platform: platform("amd64", { os: "windows" }) },
        { digest: digest("b"), platform: platform("amd64") },
      ],
      want: digest("b"),
    },
    "the plain variant": {
      members: [
        { digest: digest("a"), platform: platform("arm64", { variant: "v9" }) },
        { digest: digest("b"), platform: platform("arm64", { variant: "v8" }) },
      ],
      architecture: "arm64",
      want: digest("b"),
    },
    "the only variant": {
      members: [{ digest: digest("a"), platform: platform("amd64", { variant: "v3" }) }],
      want: digest("a"),
    },
  };
  for (const [what, { members, architecture = "x86_64", want }] of Object.entries(picks)) {
    it(`takes of an index ${what}`, () => assert.equal(pickManifest("x", { manifests: members }, architecture), want));
  }

  it("says for which platforms an index is, signatures and the like left out", () => {
    const manifests = [
      { digest: digest("a"), platform: platform("arm64") },
      { digest: digest("b"), platform: { os: "unknown", architecture: "unknown" } },
    ];
    fails(
      () => pickManifest("x", { manifests }, "x86_64"),
      "ImageArchitectureMismatch",
      /it is there for linux\/arm64, not for linux\/amd64$/,
    );
    fails(() => pickManifest("x", { manifests: [] }, "x86_64"), "ImageArchitectureMismatch", /for no platform/);
    fails(
      () => pickManifest("x", { manifests: [{ platform: platform("amd64") }] }, "x86_64"),
      "InvalidImage",
      /no sha256 digest/,
    );
  });

  it("reads a configuration with nothing in it, and refuses one with other things in it", () => {
    const empty = { entryPoint: [], command: [], workingDirectory: "/" };
    assert.deepEqual(readConfig("x", {}, "arm64"), { ...empty, platform: "linux/unknown" });
    assert.deepEqual(readConfig("x", { config: { Entrypoint: null, Cmd: null, WorkingDir: "" } }, "arm64"), {
      ...empty,
      platform: "linux/unknown",
    });
    fails(() => readConfig("x", { config: { Cmd: "run" } }, "arm64"), "InvalidImage", /CMD is no list of words/);
    fails(
      () => readConfig("x", { config: { Entrypoint: [1] } }, "arm64"),
      "InvalidImage",
      /ENTRYPOINT is no list of words/,
    );
    fails(
      () => readConfig("x", { config: { Cmd: ["x".repeat(20_000)] } }, "arm64"),
      "InvalidImage",
      /longer than 16384/,
    );
    fails(
      () => readConfig("x", { os: "windows", architecture: "amd64" }, "x86_64"),
      "ImageArchitectureMismatch",
      /it is for windows\/amd64/,
    );
  });

  it("answers or refuses whatever a registry sends", () => {
    const refusesOrReads = (step: () => unknown): void => {
      try {
        step();
      } catch (error) {
        assert.ok(error instanceof RegistryError, String(error));
      }
    };
    fc.assert(
      fc.property(fc.jsonValue(), fc.string(), (value, type) => {
        const nested = {
          manifests: [value, { platform: value, digest: value }],
          config: value,
          layers: [value],
          schemaVersion: 2,
        };
        for (const sent of [value, nested]) {
          refusesOrReads(() => isIndex("x", sent, type));
          refusesOrReads(() => pickManifest("x", sent, "x86_64"));
          refusesOrReads(() => readManifest("x", sent));
          refusesOrReads(() => readConfig("x", sent, "x86_64"));
        }
      }),
    );
  });
});
