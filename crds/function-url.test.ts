import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fc from "fast-check";
import {
  findFunctionUrl,
  formatFunctionUrl,
  functionUrlId,
  functionUrlSeed,
  parseFunctionUrl,
  type FunctionUrlTarget,
} from "./function-url.ts";

const id = "0123456789abcdefghijklmnopqrstuv";
const suffix = "lambda-url.eu-west-1.example.org";

describe("function URLs", () => {
  it("have ids of 32 characters 0-9 a-z, whatever the MAC", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (mac) => {
        assert.match(functionUrlId(Buffer.from(mac).toString("hex")), /^[0-9a-z]{32}$/);
      }),
    );
  });

  it("have different ids for different owners, however names are put together", () => {
    const owners = [
      { namespace: "a", functionName: "b" },
      { namespace: "a", functionName: "b", aliasName: "c" },
      { namespace: "a", functionName: "b-c" },
      { namespace: "ab", functionName: "" },
    ];
    const ids = owners.map((owner) => functionUrlId(createHash("sha256").update(functionUrlSeed(owner)).digest("hex")));
    assert.equal(new Set(ids).size, owners.length);
  });

  for (const pattern of [
    "https://{id}.lambda-url.eu-west-1.example.org/",
    "https://lambda.example.org/lambda-url/{id}/",
    "http://127.0.0.1:3001/base/lambda-url/{id}/",
  ]) {
    it(`are read as they are written: ${pattern}`, () => {
      const url = formatFunctionUrl(pattern, id);
      assert.equal(parseFunctionUrl(url), id);
      assert.equal(new URL(url).pathname.endsWith("/"), true);
    });
  }

  it("are not read from what is none", () => {
    for (const text of [undefined, "", "https://example.org/", `https://x${id}.example.org/`, `ftp://${id}.x/`])
      assert.equal(parseFunctionUrl(text), undefined);
  });

  const found: Record<string, { host?: string; path: string; want: FunctionUrlTarget | undefined }> = {
    "by host": { host: `${id}.${suffix}`, path: "/a%2Fb", want: { id, path: "/a%2Fb", prefix: "" } },
    "by host with port, capitals and a last dot": {
      host: `${id.toUpperCase()}.${suffix.toUpperCase()}.:8443`,
      path: "/",
      want: { id, path: "/", prefix: "" },
    },
    "by a host whose label is no id": {
      host: `x.${suffix}`,
      path: "/",
      want: { id: undefined, path: "/", prefix: "" },
    },
    "by host also where the path looks like one": {
      host: `${id}.${suffix}`,
      path: `/lambda-url/${id}/a`,
      want: { id, path: `/lambda-url/${id}/a`, prefix: "" },
    },
    "by path": { host: "x", path: `/lambda-url/${id}/a//b`, want: { id, path: "/a//b", prefix: `/lambda-url/${id}` } },
    "by path without a slash": { path: `/lambda-url/${id}`, want: { id, path: "/", prefix: `/lambda-url/${id}` } },
    "by a path whose segment is no id": {
      path: "/lambda-url/x/a",
      want: { id: undefined, path: "/a", prefix: "/lambda-url/x" },
    },
    "by a path with dot segments within": {
      path: `/lambda-url/${id}/a/../a..b`,
      want: { id, path: "/a/../a..b", prefix: `/lambda-url/${id}` },
    },
    "by a path that leads out of it": {
      path: `/lambda-url/${id}/../x/a`,
      want: { id: undefined, path: "/../x/a", prefix: `/lambda-url/${id}` },
    },
    "by a path that leads out of it past empty segments": {
      path: `/lambda-url/${id}/a//./..//..`,
      want: { id: undefined, path: "/a//./..//..", prefix: `/lambda-url/${id}` },
    },
    "by host, whose path may lead nowhere else": {
      host: `${id}.${suffix}`,
      path: "/../a",
      want: { id, path: "/../a", prefix: "" },
    },
    "nowhere: another host and path": { host: "example.org", path: "/2015-03-31/functions", want: undefined },
    "nowhere: the suffix alone": { host: suffix, path: "/", want: undefined },
  };
  for (const [title, { host, path, want }] of Object.entries(found)) {
    it(`are found ${title}`, () => assert.deepEqual(findFunctionUrl({ host, path }, suffix), want));
  }

  it("are found by no host where there is no suffix", () => {
    assert.equal(findFunctionUrl({ host: `${id}.`, path: "/" }, ""), undefined);
  });
});
