import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { ackFields, ackManifests, pathsOf } from "../../../test/kit/ack-corpus.ts";
import { readAckManifests } from "./ack.ts";
import { assemble } from "./assemble.ts";
import type { Draft } from "./found.ts";

const manifest = (kind: string, name: string, spec: object): Draft => ({
  apiVersion: "lambda.services.k8s.aws/v1alpha1",
  kind,
  metadata: { name },
  spec,
});
const ordersFunction = manifest("Function", "orders-object", {
  name: "Orders",
  runtime: "nodejs24.x",
  handler: "index.handler",
  code: { s3Bucket: "artifacts", s3Key: "orders.zip" },
  layers: ["arn:aws:lambda:eu-west-1:123456789012:layer:tools:3"],
});
const url = {
  authType: "AWS_IAM",
  cors: {
    allowCredentials: true,
    allowHeaders: ["x-a"],
    allowMethods: ["GET"],
    allowOrigins: ["https://a.example.com"],
    exposeHeaders: ["x-b"],
    maxAge: 5,
  },
};
const layer = {
  description: "Tools",
  compatibleRuntimes: ["nodejs24.x"],
  compatibleArchitectures: ["arm64"],
  licenseInfo: "MIT",
};
const zipFile = "UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA==";
const functionRef = { from: { name: "orders-object" } };

describe("import of manifests of the ACK lambda-controller", () => {
  it("writes every one of the kinds that convert by apiVersion alone", () => {
    const { documents, problems } = assemble(readAckManifests(ackManifests as unknown as readonly Draft[]));
    assert.deepEqual(problems, []);
    assert.equal(documents.length, ackManifests.length);
  });

  it("makes a FunctionURLConfig a member of its function or alias, and a LayerVersion a Layer", () => {
    const given = [
      manifest("FunctionURLConfig", "own", { functionRef, authType: "NONE" }),
      manifest("FunctionURLConfig", "of-alias", { functionName: "Orders", qualifier: "live", ...url }),
      manifest("Alias", "orders-live", { name: "live", functionRef, functionVersion: "1" }),
      manifest("LayerVersion", "tools-3", { layerName: "tools", content: { zipFile }, ...layer }),
      ordersFunction,
    ];
    const { documents, problems } = assemble(readAckManifests(given));
    assert.deepEqual(problems, []);
    const specs = Object.fromEntries(documents.map((document) => [document.manifest.kind, document.manifest.spec]));
    assert.deepEqual(specs["Layer"], { content: { zipFile }, ...layer });
    assert.deepEqual(specs["Function"]?.["functionURLConfig"], { authType: "NONE" });
    assert.deepEqual(specs["Function"]["layers"], ["tools"]);
    assert.deepEqual(specs["Alias"], {
      functionName: "Orders",
      name: "live",
      functionVersion: "1",
      functionURLConfig: url,
    });
  });

  it("knows every field of these two kinds", () => {
    const known = (kind: string): ReadonlySet<string> => new Set(Object.keys(ackFields[kind] ?? {}));
    const reference = { from: { name: "a", namespace: "b" } };
    const urls = { functionName: "f", functionRef: reference, qualifier: "live", ...url };
    const s3 = { s3Bucket: "artifacts", s3Key: "tools.zip", s3ObjectVersion: "1", zipFile };
    const layers = { layerName: "tools", content: s3, ...layer };
    assert.deepEqual(new Set(pathsOf(urls, known("FunctionURLConfig"))), known("FunctionURLConfig"));
    assert.deepEqual(new Set(pathsOf(layers, known("LayerVersion"))), known("LayerVersion"));
  });

  it("says of what has no counterpart that it is left out, and of what is wrong which member", () => {
    const given = [
      manifest("CodeSigningConfig", "signing", { allowedPublishers: {} }),
      manifest("FunctionURLConfig", "lonely", { functionName: "nobody", authType: "NONE" }),
      manifest("Function", "broken", {
        runtime: "nodejs24.x",
        handler: "a.b",
        code: { s3Bucket: "artifacts" },
        memory: 1,
      }),
    ];
    const { documents, problems, notes } = assemble(readAckManifests(given));
    assert.deepEqual(documents, []);
    assert.deepEqual(notes, ['CodeSigningConfig "signing" of ACK has no counterpart here: it is left out']);
    assert.match(
      problems[0] ?? "",
      /Function "broken" of Function "broken" of ACK: unknown field "spec\.memory", .*s3Bucket needs s3Key/,
    );
    assert.match(problems[1] ?? "", /functionURLConfig of function "nobody"/);
  });
});
