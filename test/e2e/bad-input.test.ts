import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import type { FunctionSpecInput } from "../../crds/v1alpha1/function.ts";
import { accountIdOf } from "../../crds/names.ts";
import { zipBytes } from "../kit/zip-bytes.ts";
import { absentRuntime } from "./fixture.ts";
import { startFileServer } from "./file-server.ts";
import { authorizationOfCaller, jsonOf } from "./invoke.ts";
import { failuresOf, startLoad, type Load } from "./load.ts";
import { functionManifest, nodeFunction, Space } from "./space.ts";

const good = nodeFunction('export const handler = async () => "fine";');
const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

describe("bad input", () => {
  let space: Space;
  let server: string;
  let load: Load | undefined;
  let tooLarge: Buffer;
  const package_ = zipBytes([{ name: "index.mjs", content: "export const handler = async () => 1;" }]);
  before(async function () {
    this.timeout(240_000);
    space = await Space.open("e2e-bad-input");
    tooLarge = zipBytes([{ name: "zeros", content: Buffer.alloc(262_144_001) }]);
    server = await startFileServer(space, { "package.zip": package_, "too-large.zip": tooLarge });
    await space.serve("good", good);
    load = startLoad(1, () => space.call("good", {}));
  });
  after(async () => {
    const calls = (await load?.stop()) ?? [];
    await space.close();
    assert.deepEqual(failuresOf(calls), [], "a good function answers throughout");
    assert.ok(
      calls.every(({ result }) => result === "fine"),
      "and answers rightly",
    );
  });

  const refusedAtApply: Record<string, { spec: object; says: RegExp }> = {
    "no handler": {
      spec: { runtime: "nodejs24.x", code: { files: { "index.mjs": "" } } },
      says: /spec: .*handler is needed for packageType Zip/,
    },
    "no runtime": {
      spec: { handler: "index.handler", code: { files: { "index.mjs": "" } } },
      says: /spec: .*runtime is needed for packageType Zip/,
    },
    "too little memory": { spec: { ...good, memorySize: 64 }, says: /spec\.memorySize: .*128/ },
    "a timeout over 15 minutes": { spec: { ...good, timeout: 901 }, says: /spec\.timeout: .*900/ },
    "two sources of code": {
      spec: { ...good, code: { files: { a: "" }, zipFile: "UEs=" } },
      says: /spec\.code: .*exactly one source is needed/,
    },
    "a field that does not exist": { spec: { ...good, memory: 128 }, says: /unknown field "(spec\.)?memory"/ },
    "a reserved variable (packages 20)": {
      spec: { ...good, environment: { variables: { AWS_REGION: "x" } } },
      says: /spec\.environment.*AWS_REGION|spec\.environment.*reserved/,
    },
  };
  for (const [what, { spec, says }] of Object.entries(refusedAtApply)) {
    it(`is refused at apply: ${what}`, async () => {
      await assert.rejects(space.apply({ ...functionManifest("refused", good), spec }), says);
      assert.equal(await space.kubectl("get", "fn", "refused", "--ignore-not-found", "-o", "name"), "");
    });
  }

  interface Failing {
    readonly spec: () => FunctionSpecInput;
    readonly type: string;
    readonly reason: string;
    readonly says: RegExp;
    /** What a caller is told. */
    readonly invoke: { readonly status: number; readonly code: string };
  }
  const failed = { status: 502, code: "ResourceNotReadyException" };
  const pending = { status: 409, code: "ResourceConflictException" };
  const zip = (code: object) => (): FunctionSpecInput => ({ ...good, code });
  const failing: Record<string, Failing> = {
    "an unknown runtime": {
      spec: () => ({ ...good, runtime: "cobol85.x" }),
      ...{ type: "Stalled", reason: "UnknownRuntime" },
      says: /^Value cobol85\.x at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: \[.*nodejs24\.x/,
      invoke: { status: 502, code: "InvalidRuntimeException" },
    },
    "a broken zip": {
      spec: zip({ zipFile: package_.subarray(0, package_.length - 30).toString("base64") }),
      ...{ type: "Stalled", reason: "InvalidArchive" },
      says: /unzip/,
      invoke: { status: 502, code: "InvalidZipFileException" },
    },
    "an entry that leaves the archive": {
      spec: zip({ zipFile: zipBytes([{ name: "../outside", content: "x" }]).toString("base64") }),
      ...{ type: "Stalled", reason: "UnsafeArchiveEntry" },
      says: /"\.\.\/outside"/,
      invoke: failed,
    },
    "a wrong digest": {
      spec: () => zip({ url: `${server}/package.zip`, sha256: "0".repeat(64) })(),
      ...{ type: "Stalled", reason: "DigestMismatch" },
      says: new RegExp(`its sha256 is ${sha256(package_)}, want 0{64}$`),
      invoke: failed,
    },
    "an address that functions may not reach": {
      spec: zip({ url: "http://127.0.0.1:9090/metrics", sha256: "0".repeat(64) }),
      ...{ type: "Reconciling", reason: "SourceRefused" },
      says: /^Cannot fetch from "127\.0\.0\.1": .*allowedCIDRs/,
      invoke: pending,
    },
    "packages 9: a package that is too large unzipped": {
      spec: () => zip({ url: `${server}/too-large.zip`, sha256: sha256(tooLarge) })(),
      ...{ type: "Stalled", reason: "CodeTooLarge" },
      says: /^Unzipped size must be smaller than 262144000 bytes$/,
      invoke: failed,
    },
    "a url that never ends": {
      spec: () => zip({ url: `${server}/endless`, sha256: "0".repeat(64) })(),
      ...{ type: "Stalled", reason: "CodeTooLarge" },
      says: /endless/,
      invoke: failed,
    },
    "a url that does not answer": {
      spec: () => zip({ url: server.replace(":8000", ":8001"), sha256: "0".repeat(64) })(),
      ...{ type: "Reconciling", reason: "SourceUnreachable" },
      says: /:8001/,
      invoke: pending,
    },
    "a url that has no such file": {
      spec: () => zip({ url: `${server}/absent.zip`, sha256: "0".repeat(64) })(),
      ...{ type: "Reconciling", reason: "SourceUnreachable" },
      says: /404/,
      invoke: pending,
    },
    "a ConfigMap that is not there": {
      spec: zip({ configMapRef: { name: "absent", key: "function.zip" } }),
      ...{ type: "Reconciling", reason: "ConfigMapNotFound" },
      says: /"absent"/,
      invoke: pending,
    },
  };
  for (const [what, { spec, type, reason, says, invoke }] of Object.entries(failing)) {
    it(`is told in a condition and to the caller: ${what}`, async () => {
      const name = what.replaceAll(/[^a-z]+/g, "-").replace(/^packages-/, "");
      await space.applyFunction(name, spec());
      const condition = await space.waitCondition(
        name,
        type,
        (seen) => seen.status === "True" && seen.reason === reason,
      );
      assert.match(condition.message, says);
      const ready = await space.waitCondition(name, "Ready", (seen) => seen.status === "False");
      assert.equal(ready.reason, reason);
      const answer = await space.invoke(name, {});
      assert.deepEqual([answer.status, answer.headers["x-amzn-errortype"]], [invoke.status, invoke.code]);
    });
  }

  it("is mended by a new manifest: the url with its right digest", async () => {
    await space.serve("a-wrong-digest", { ...good, code: { url: `${server}/package.zip`, sha256: sha256(package_) } });
    assert.equal(await space.call("a-wrong-digest", {}), 1);
  });

  it("is told to the caller who waited: an image that cannot be pulled", async () => {
    await space.serve("no-image", { ...good, runtime: absentRuntime });
    const answer = await space.invoke("no-image", {});
    assert.deepEqual([answer.status, answer.headers["x-amzn-errortype"]], [502, "ResourceNotReadyException"]);
    assert.match(
      String(jsonOf(answer)["message"]),
      /no execution environment came free.*ImagePullFailed.*absent\/runtime/s,
    );
    const healthy = await space.waitCondition("no-image", "EnvironmentsHealthy", ({ status }) => status === "False");
    assert.equal(healthy.reason, "ImagePullFailed");
    assert.match(healthy.message, /localhost:1\/absent\/runtime:1/);
    await space.kubectl("delete", "fn", "no-image");
  });

  it("invoke-api 11: a body that is no JSON", async () => {
    const answer = await space.invoke("good", Buffer.from("not json"));
    assert.deepEqual([answer.status, answer.headers["x-amzn-errortype"]], [400, "InvalidRequestContentException"]);
    const { Type, message } = jsonOf(answer);
    assert.equal(Type, "User");
    assert.match(String(message), /^Could not parse request body into json: Could not parse payload into json: /);
  });

  it("invoke-api 16: a body of 7 MB", async () => {
    const answer = await space.invoke("good", Buffer.from(JSON.stringify("x".repeat(7_000_000))));
    assert.deepEqual([answer.status, answer.headers["x-amzn-errortype"]], [413, "RequestTooLargeException"]);
  });

  it("invoke-api 18: a function that nobody knows", async () => {
    const answer = await space.invoke("nobody", {});
    assert.deepEqual([answer.status, answer.headers["x-amzn-errortype"]], [404, "ResourceNotFoundException"]);
    const arn = `arn:aws:lambda:us-east-1:${accountIdOf(space.name)}:function:nobody`;
    assert.deepEqual(jsonOf(answer), { Type: "User", Message: `Function not found: ${arn}:$LATEST` });
  });

  it("is a body that is cut off: nobody is called, and the next request is served", async () => {
    const { hostname, port } = new URL(space.system.routerUrl);
    const socket = connect(Number(port === "" ? 80 : port), hostname);
    const target = encodeURIComponent(`${accountIdOf(space.name)}:function:good`);
    const head = `POST /2015-03-31/functions/${target}/invocations HTTP/1.1\r\nhost: router\r\nauthorization: ${authorizationOfCaller()}\r\ncontent-length: 1000\r\n\r\n`;
    socket.end(`${head}{"half":`);
    assert.doesNotMatch(await text(socket), /^HTTP\/1\.1 200/);
    assert.equal(await space.call("good", {}), "fine");
  });
});
