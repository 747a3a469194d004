import assert from "node:assert/strict";
import { parseChallenge, type Challenge } from "./challenge.ts";

const hub =
  'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/x:pull"';
const cases: Record<string, { header: string; want: Challenge | undefined }> = {
  "Docker Hub's": {
    header: hub,
    want: {
      scheme: "bearer",
      realm: "https://auth.docker.io/token",
      service: "registry.docker.io",
      scope: "repository:library/x:pull",
    },
  },
  "one without service and scope": {
    header: 'bearer realm="https://a/t"',
    want: { scheme: "bearer", realm: "https://a/t" },
  },
  "values without quotes": {
    header: "Bearer realm=https://a/t , service=b",
    want: { scheme: "bearer", realm: "https://a/t", service: "b" },
  },
  "escaped quotes": { header: 'Bearer realm="https://a/\\"t\\""', want: { scheme: "bearer", realm: 'https://a/"t"' } },
  basic: { header: 'Basic realm="Registry"', want: { scheme: "basic" } },
  "a token before a password": { header: `Basic realm="x", ${hub}`, want: parseChallenge(hub) },
  "a password where the token's realm is missing": {
    header: 'Bearer service="x", Basic realm="y"',
    want: { scheme: "basic" },
  },
  "another scheme": { header: "Negotiate", want: undefined },
  nothing: { header: "", want: undefined },
  "a comma alone": { header: ",,,", want: undefined },
};

describe("a registry's challenge", () => {
  for (const [what, { header, want }] of Object.entries(cases)) {
    it(`reads ${what}`, () => assert.deepEqual(parseChallenge(header), want));
  }

  it("reads a long header of any kind in time that grows with its length", () => {
    assert.equal(parseChallenge('"'.repeat(32_000)), undefined);
    assert.equal(parseChallenge(`Bearer ${'a="'.repeat(10_000)}`), undefined);
  });
});
