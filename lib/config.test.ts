import assert from "node:assert/strict";
import { z } from "zod";
import { booleanVariable, integerVariable, pairsVariable, parseEnvironment, ratioVariable } from "./config.ts";

const schema = z.object({
  URL: z.url(),
  PORT: integerVariable({ min: 0, max: 65_535 }).default(8080),
  WARM: booleanVariable().default(false),
  TOKEN: z.string().optional(),
});

describe("parseEnvironment", () => {
  it("takes what is set and defaults the rest", () => {
    const parsed = parseEnvironment(schema, { URL: "http://a.b", PORT: "81", OTHER: "x" });
    assert.deepEqual(parsed, { ok: true, value: { URL: "http://a.b", PORT: 81, WARM: false } });
  });

  it("takes an empty variable for an absent one", () => {
    const parsed = parseEnvironment(schema, { URL: "http://a.b", PORT: "", TOKEN: "", WARM: "true" });
    assert.deepEqual(parsed, { ok: true, value: { URL: "http://a.b", PORT: 8080, WARM: true } });
  });

  it("names every bad variable and repeats no value", () => {
    const parsed = parseEnvironment(schema, { PORT: "70000", WARM: "s3cret" });
    assert(!parsed.ok);
    assert.match(
      parsed.message,
      /^Cannot read the environment variables: URL: not set \(.+\); PORT: expected a number/,
    );
    assert.match(parsed.message, /WARM: expected "true" or "false"$/);
    assert.doesNotMatch(parsed.message, /s3cret|70000/);
  });
});

describe("variables of a form of their own", () => {
  it("ratios are numbers from 0 to 1, as Helm writes them too", () => {
    for (const [text, want] of [
      ["0", 0],
      ["1", 1],
      ["0.25", 0.25],
      ["1e-05", 0.00001],
    ] as const)
      assert.equal(ratioVariable().parse(text), want);
    for (const text of ["1.1", "-1", "", "half", "1e5", "NaN"])
      assert.equal(ratioVariable().safeParse(text).success, false, text);
  });

  it("pairs are name=value with commas, and may be percent-encoded", () => {
    assert.deepEqual(pairsVariable().parse(undefined), {});
    const text = "authorization=Bearer%20a=b, x-tenant = one ,broken=%zz";
    assert.deepEqual(pairsVariable().parse(text), {
      ...{ authorization: "Bearer a=b", "x-tenant": "one", broken: "%zz" },
    });
    assert.equal(pairsVariable().safeParse("no pair").success, false);
  });
});
