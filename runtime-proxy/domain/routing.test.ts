import assert from "node:assert/strict";
import { NAMESPACED_FUNCTION_NAME_PATTERN, QUALIFIER_PATTERN } from "../../crds/names.ts";
import { namespaceOfHost, parseTarget, type TargetCheck } from "./routing.ts";

const mismatch = "The derived qualifier from the function name does not match the specified qualifier.";
const brokenName = (value: string): string =>
  `Value '${value}' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: ${NAMESPACED_FUNCTION_NAME_PATTERN}`;
const refused = (code: "ValidationException" | "InvalidParameterValueException", message: string): TargetCheck => ({
  ok: false,
  code,
  message,
});

describe("parseTarget", () => {
  const cases: Record<string, { name: string; qualifier?: string; want: TargetCheck }> = {
    "takes a bare name": { name: "f", want: { ok: true, target: { name: "f" } } },
    "takes a name with an alias": { name: "f:live", want: { ok: true, target: { name: "f", qualifier: "live" } } },
    "takes a percent-encoded qualifier": {
      name: "f%3A%24LATEST",
      want: { ok: true, target: { name: "f", qualifier: "$LATEST" } },
    },
    "takes equal qualifiers in both places": {
      name: "f:1",
      qualifier: "1",
      want: { ok: true, target: { name: "f", qualifier: "1" } },
    },
    "takes a partial ARN": {
      name: "123456789012:function:f",
      want: { ok: true, target: { name: "f", accountId: "123456789012" } },
    },
    "takes an ARN whose name is function": {
      name: "arn:aws:lambda:us-east-1:123456789012:function:function",
      want: { ok: true, target: { name: "function", accountId: "123456789012", region: "us-east-1" } },
    },
    "refuses different qualifiers": {
      name: "f:1",
      qualifier: "2",
      want: refused("InvalidParameterValueException", mismatch),
    },
    "refuses a broken name": {
      name: "a@b",
      want: refused("ValidationException", `1 validation error detected: ${brokenName("a@b")}`),
    },
    "refuses a broken escape": {
      name: "a%zz",
      want: refused("ValidationException", `1 validation error detected: ${brokenName("a%zz")}`),
    },
    "joins several broken values": {
      name: "a@b",
      qualifier: "x y",
      want: refused(
        "ValidationException",
        `2 validation errors detected: ${brokenName("a@b")}; Value 'x y' at 'qualifier' failed to satisfy constraint: Member must satisfy regular expression pattern: ${QUALIFIER_PATTERN}`,
      ),
    },
    "refuses a long qualifier": {
      name: "f",
      qualifier: "q".repeat(129),
      want: refused(
        "ValidationException",
        `1 validation error detected: Value '${"q".repeat(129)}' at 'qualifier' failed to satisfy constraint: Member must have length less than or equal to 128`,
      ),
    },
  };
  for (const [sentence, { name, qualifier, want }] of Object.entries(cases)) {
    it(sentence, () => assert.deepEqual(parseTarget(name, qualifier), want));
  }
});

describe("namespaceOfHost", () => {
  const rules = { defaultNamespace: "default", domain: "fn.example" };
  const cases: Record<string, { host: string | undefined; want: string }> = {
    "takes the namespace of the host": { host: "team-a.fn.example:80", want: "team-a" },
    "takes the default for the bare domain": { host: "fn.example", want: "default" },
    "takes the default for another host": { host: "team-a.example", want: "default" },
    "takes the default for two labels": { host: "a.b.fn.example", want: "default" },
    "takes the default without a host": { host: undefined, want: "default" },
  };
  for (const [sentence, { host, want }] of Object.entries(cases)) {
    it(sentence, () => assert.equal(namespaceOfHost(host, rules), want));
  }
});
