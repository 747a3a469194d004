import assert from "node:assert/strict";
import { findCredentials } from "./credentials.ts";

const auth = (pair: string): string => Buffer.from(pair).toString("base64");
function file(...keys: readonly string[]): string {
  return JSON.stringify({ auths: Object.fromEntries(keys.map((key) => [key, { auth: auth(`${key}:word`) }])) });
}

/** Which keys of a pull secret match an image. Source: Kubernetes documentation, Images, "Interpretation of config.json". */
const cases: Record<
  string,
  { keys: readonly string[]; registry?: string; repository?: string; want: readonly string[] }
> = {
  "the registry's host": { keys: ["ghcr.io", "quay.io"], want: ["ghcr.io"] },
  "a url": { keys: ["https://ghcr.io/"], want: ["https://ghcr.io/"] },
  "Docker Hub's old key": {
    keys: ["https://index.docker.io/v1/"],
    registry: "docker.io",
    want: ["https://index.docker.io/v1/"],
  },
  "the longest path first": {
    keys: ["ghcr.io", "ghcr.io/team/app", "ghcr.io/team"],
    want: ["ghcr.io/team/app", "ghcr.io/team", "ghcr.io"],
  },
  "a path only to its end": { keys: ["ghcr.io/te", "ghcr.io/team/app/more"], want: [] },
  "the port too": { keys: ["r.test", "r.test:5000"], registry: "r.test:5000", want: ["r.test:5000"] },
  "a star for one part": { keys: ["*.azurecr.io", "*.io"], registry: "team.azurecr.io", want: ["*.azurecr.io"] },
  "a star within a part": { keys: ["reg-*.test"], registry: "reg-7.test", want: ["reg-*.test"] },
  "no other registry": { keys: ["ghcr.io.evil.test", "evilghcr.io"], want: [] },
};

describe("pull secrets", () => {
  for (const [what, { keys, registry = "ghcr.io", repository = "team/app", want }] of Object.entries(cases)) {
    it(`match by ${what}`, () => {
      const found = findCredentials([file(...keys)], registry, repository);
      // The user is what stands before the first colon of a pair.
      assert.deepEqual(
        found.map(({ user }) => user),
        want.map((key) => key.split(":")[0]),
      );
    });
  }

  const entries: Record<string, { entry: object; want: object | undefined }> = {
    "a pair in base64": { entry: { auth: auth("a:b:c") }, want: { user: "a", password: "b:c" } },
    "user and password": { entry: { username: "a", password: "bß" }, want: { user: "a", password: "bß" } },
    "a refresh token": {
      entry: { identitytoken: "r", auth: auth("00000:") },
      want: { user: "00000", password: "", identityToken: "r" },
    },
    "a token for the registry": { entry: { registrytoken: "t" }, want: { user: "", password: "", registryToken: "t" } },
    nothing: { entry: {}, want: undefined },
    "no base64": { entry: { auth: "%" }, want: undefined },
    "numbers for words": { entry: { username: 1, password: 2 }, want: undefined },
  };
  for (const [what, { entry, want }] of Object.entries(entries)) {
    it(`hold ${what}`, () => {
      const [found] = findCredentials([JSON.stringify({ auths: { "ghcr.io": entry } })], "ghcr.io", "x");
      assert.deepEqual(found, want);
    });
  }

  it("may be of the older form, and those that are no JSON are passed over", () => {
    const older = JSON.stringify({ "ghcr.io": { username: "old", password: "b" } });
    const found = findCredentials(["{", "null", '"text"', "[]", older], "ghcr.io", "x");
    assert.deepEqual(found, [{ user: "old", password: "b" }]);
  });
});
