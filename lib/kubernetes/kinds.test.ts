import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { createKindTable, kinds, pathOf, refOf } from "./kinds.ts";
import { controllerOf, keyOf, type KindRef, splitKey } from "./object.ts";

const thing: KindRef = { apiVersion: "example.com/v1", kind: "Thing", plural: "things", namespaced: true };

describe("pathOf", () => {
  const cases: Record<string, { path: string; want: string }> = {
    "a core object": { path: pathOf(kinds.pod, "a", "b"), want: "/api/v1/namespaces/a/pods/b" },
    "a group's collection": { path: pathOf(thing, "a"), want: "/apis/example.com/v1/namespaces/a/things" },
    "all namespaces": { path: pathOf(thing), want: "/apis/example.com/v1/things" },
    "a kind without a namespace": { path: pathOf(kinds.namespace, "x", "a"), want: "/api/v1/namespaces/a" },
    "a name that would leave the path": {
      path: pathOf(kinds.pod, "a", "../b"),
      want: "/api/v1/namespaces/a/pods/..%2Fb",
    },
  };
  for (const [sentence, { path, want }] of Object.entries(cases)) it(sentence, () => assert.equal(path, want));
});

describe("createKindTable", () => {
  it("knows the core kinds and those given, and refuses others by name", () => {
    const kindOf = createKindTable([thing]);
    assert.equal(kindOf({ apiVersion: "v1", kind: "Pod" }), kinds.pod);
    assert.equal(kindOf({ apiVersion: "example.com/v1", kind: "Thing" }), thing);
    assert.throws(() => kindOf({ apiVersion: "example.com/v2", kind: "Thing" }), /"example\.com\/v2\/Thing"/);
  });
});

describe("keys and references", () => {
  it("name an object with and without a namespace", () => {
    assert.equal(keyOf({ metadata: { namespace: "a", name: "b" } }), "a/b");
    assert.equal(keyOf({ metadata: { name: "b" } }), "b");
    assert.deepEqual(splitKey("a/b"), { namespace: "a", name: "b" });
    assert.deepEqual(splitKey("b"), { name: "b" });
    assert.deepEqual(refOf(thing, { apiVersion: "", kind: "", metadata: { name: "b" } }), { kind: thing, name: "b" });
  });

  it("find the owner that manages", () => {
    const owner = { apiVersion: "v1", kind: "Thing", name: "o", uid: "1" };
    const ownerReferences = [owner, { ...owner, uid: "2", controller: true }];
    const object = { apiVersion: "v1", kind: "Pod", metadata: { name: "p", ownerReferences } };
    assert.equal(controllerOf(object)?.uid, "2");
    assert.equal(controllerOf({ ...object, metadata: { name: "p" } }), undefined);
  });
});
