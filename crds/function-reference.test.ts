import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { functionReferenceKey, functionReferenceKeys, isOwnFunction, referencedName } from "./function-reference.ts";
import { accountIdOf } from "./names.ts";

const own = { namespace: "team", region: "eu-west-1" };
const accountId = accountIdOf("team");

describe("a reference to a function", () => {
  const cases: Record<string, { spec: Parameters<typeof functionReferenceKey>[1]; key: string; isOwn: boolean }> = {
    "a name": { spec: { functionName: "F_1" }, key: "team/name/F_1", isOwn: true },
    "an object": { spec: { functionRef: { from: { name: "f" } } }, key: "team/object/f", isOwn: true },
    "an ARN": {
      spec: { functionName: `arn:aws:lambda:eu-west-1:${accountId}:function:f` },
      key: "team/name/f",
      isOwn: true,
    },
    "a part of an ARN": { spec: { functionName: `${accountId}:function:f` }, key: "team/name/f", isOwn: true },
    "an ARN of another region": {
      spec: { functionName: `arn:aws:lambda:us-east-1:${accountId}:function:f` },
      key: "team/name/f",
      isOwn: false,
    },
    "an ARN of another account": {
      spec: { functionName: "arn:aws:lambda:eu-west-1:123456789012:function:f" },
      key: "team/name/f",
      isOwn: false,
    },
  };
  for (const [title, { spec, key, isOwn }] of Object.entries(cases)) {
    it(`may be ${title}`, () => {
      assert.equal(functionReferenceKey("team", spec), key);
      assert.equal(isOwnFunction(spec, own), isOwn);
      const name = key.split("/")[2];
      assert.equal(referencedName(spec), key.includes("/object/") ? undefined : name);
      assert.ok(functionReferenceKeys("team", { objectName: "f", name: name ?? "" }).includes(key));
    });
  }
});
