import assert from "node:assert/strict";
import { z } from "zod";
import { booleanVariable, integerVariable, parseEnvironment } from "./config.ts";

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
