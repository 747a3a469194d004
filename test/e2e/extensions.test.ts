/** Extensions and layers as others build them, unmodified, on the cluster: each extension in a container of its own. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { InvokeWithResponseStreamCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { build } from "esbuild";
import { API_VERSION } from "../../crds/names.ts";
import type { FunctionSpecInput } from "../../crds/v1alpha1/function.ts";
import { repositoryRoot } from "../cluster/paths.ts";
import { waitUntil } from "../cluster/wait-until.ts";
import { buildLayer, type LayerName } from "../extensions/build.ts";
import { zipBytes } from "../kit/zip-bytes.ts";
import { startFileServer } from "./file-server.ts";
import { progress } from "./fixture.ts";
import { jsonOf, type Answer } from "./invoke.ts";
import { nodeFunction, Space } from "./space.ts";

const layers: readonly LayerName[] = ["go", "rust", "python", "web-adapter", "otel", "kubectl", "aws-cli", "internal"];
const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");
const outputLimitMs = 30_000;

const pythonFunction = (source: string, more: Partial<FunctionSpecInput>): FunctionSpecInput => ({
  runtime: "python3.11",
  handler: "main.handler",
  code: { files: { "main.py": source } },
  ...more,
});

/** An Express app in one file, started by a shell script, as the web adapter's layer wants it. */
async function expressPackage(): Promise<Buffer> {
  const contents = `const app = require("express")();
    app.get("/", (request, response) => response.send("ready"));
    app.get("/hello/:name", (request, response) => response.json({ hello: request.params.name, query: request.query }));
    app.get("/stream", (request, response) => { response.type("text/plain"); response.write("one "); response.end("two"); });
    app.listen(8080);`;
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: repositoryRoot },
    bundle: true,
    minify: true,
    platform: "node",
    write: false,
    logLevel: "error",
  });
  return zipBytes([
    { name: "app.js", content: Buffer.from(outputFiles[0]?.contents ?? "") },
    { name: "run.sh", content: "#!/bin/sh\nexec node app.js\n", mode: 0o100755 },
  ]);
}

function page(path: string): object {
  const http = { method: "GET", path, protocol: "HTTP/1.1", sourceIp: "192.0.2.1", userAgent: "test" };
  const headers = { host: "example.test" };
  return {
    version: "2.0",
    rawPath: path,
    rawQueryString: "a=1",
    headers,
    requestContext: { http },
    isBase64Encoded: false,
  };
}

describe("real extensions and layers on the cluster", () => {
  let space: Space;
  before(async function () {
    this.timeout(20 * 60_000);
    const zips = new Map<LayerName, Buffer>();
    for (const name of layers) zips.set(name, readFileSync((await buildLayer(name, progress)).zip));
    space = await Space.open("e2e-extensions");
    const app = await expressPackage();
    const files = [...zips].map(([name, zip]) => [`${name}.zip`, zip] as const);
    const server = await startFileServer(space, { ...Object.fromEntries(files), "app.zip": app });
    for (const [name, zip] of zips) {
      const content = { url: `${server}/${name}.zip`, sha256: sha256(zip) };
      await space.apply({ apiVersion: API_VERSION, kind: "Layer", metadata: { name }, spec: { content } });
    }
    const adapter = (mode: "buffered" | "response_stream"): FunctionSpecInput => ({
      runtime: "nodejs24.x",
      handler: "run.sh",
      code: { url: `${server}/app.zip`, sha256: sha256(app) },
      layers: ["web-adapter"],
      environment: { variables: { AWS_LAMBDA_EXEC_WRAPPER: "/opt/bootstrap", AWS_LWA_INVOKE_MODE: mode } },
      functionURLConfig: { authType: "NONE", invokeMode: mode === "buffered" ? "BUFFERED" : "RESPONSE_STREAM" },
    });
    await space.applyFunction("express", adapter("buffered"));
    await space.applyFunction("express-stream", adapter("response_stream"));
    for (const name of layers) await space.kubectl("wait", "--for=condition=Ready", `layer/${name}`, "--timeout=55s");
  });
  after(async () => {
    await space.close();
  });

  async function podOf(name: string): Promise<string> {
    const pods = await space.pods();
    const pod = pods.find(({ metadata }) => metadata.annotations?.["kubelambda.dev/function-name"] === name);
    assert.ok(pod !== undefined, `function "${name}" has a pod`);
    return pod.metadata.name;
  }

  /** Waits until the container has printed a line like this one. */
  async function printed(pod: string, container: string, line: RegExp): Promise<string> {
    const what = `${String(line)} in the log of ${container}`;
    return await waitUntil({ what, timeoutMs: outputLimitMs, everyMs: 250 }, async () => {
      const output = await space.kubectl("logs", pod, "-c", container);
      if (line.test(output)) return output;
      throw new Error(`it is ${output}`);
    });
  }

  it("extensions-api 1, 16, 35, telemetry-api 14, 31: three in one pod, in Go, Python and Rust, hear of a call", async () => {
    const source = 'def handler(event, context):\n    print("handled")\n    return context.aws_request_id\n';
    await space.serve("watched", pythonFunction(source, { layers: ["go", "rust", "python"], memorySize: 256 }));
    const requestId = await space.call("watched", {});
    const pod = await podOf("watched");
    await printed(
      pod,
      "extension-1",
      new RegExp(`^go-extension event {"eventType":"INVOKE".*"requestId":"${String(requestId)}"`, "m"),
    );
    for (const [container, name] of [
      ["extension-2", "python"],
      ["extension-3", "rust"],
    ] as const) {
      const report = `^${name}-extension telemetry .*"type":"platform.report".*"requestId":"${String(requestId)}"`;
      const output = await printed(pod, container, new RegExp(report, "m"));
      assert.match(output, new RegExp(`^${name}-extension telemetry .*"type":"function","record":"handled`, "m"));
      assert.doesNotMatch(output, /Error|Traceback/);
    }
    const log = await space.kubectl("logs", pod, "-c", "runtime");
    assert.match(log, /^EXTENSION\tName: go-extension\tState: Ready\tEvents: \[INVOKE, SHUTDOWN\]$/m);
    assert.match(log, /^EXTENSION\tName: python-extension\tState: Ready\tEvents: \[INVOKE\]$/m);
    assert.match(log, /^TELEMETRY\tName: rust-extension\tState: Subscribed\tTypes: \[Platform, Function\]$/m);
  });

  it("extensions-api 22: a removed function's extension hears SHUTDOWN, SPINDOWN", async () => {
    await space.serve("leaving", nodeFunction("export const handler = async () => 1;", { layers: ["go"] }));
    await space.call("leaving", {});
    const pod = await podOf("leaving");
    // The kubelet gives the log of a container only once its status shows that it runs, up to a second later.
    await printed(pod, "extension-1", /^go-extension event {"eventType":"INVOKE"/m);
    const log = space.kubectl("logs", "--follow", pod, "-c", "extension-1");
    await space.kubectl("delete", "function.kubelambda.dev", "leaving", "--wait=false");
    assert.match(await log, /^go-extension event {"eventType":"SHUTDOWN".*"shutdownReason":"SPINDOWN"}/m);
  });

  it("runtime-api 37: AWS Lambda Web Adapter serves an Express app, whole and as a stream", async () => {
    for (const name of ["express", "express-stream"]) await space.waitReady(name);
    const answer = (await space.call("express", page("/hello/you"))) as { statusCode: number; body: string };
    assert.equal(answer.statusCode, 200);
    assert.deepEqual(JSON.parse(answer.body), { hello: "you", query: { a: "1" } });
    const streamed = await space.invoke("express-stream", page("/stream"));
    const [prelude = "", text] = streamed.bytes.toString().split("\0".repeat(8));
    assert.equal((JSON.parse(prelude) as { statusCode: number }).statusCode, 200);
    assert.equal(text, "one two");
  });

  /** The function URL as clients outside of the cluster's DNS reach it. */
  async function urlOf(name: string): Promise<string> {
    const { status } = await space.getFunction(name);
    const url = new URL(status?.functionURL ?? "");
    assert.match(url.href, /^http:\/\/kubelambda-router\.kubelambda\/lambda-url\/[0-9a-z]{32}\/$/);
    return `${space.system.routerUrl}${url.pathname}`;
  }

  it("an Express app behind AWS Lambda Web Adapter answers through its function URLs, whole and as a stream", async () => {
    for (const name of ["express", "express-stream"]) await space.waitReady(name);
    const whole = await fetch(`${await urlOf("express")}hello/you%20there?a=1&a=2`);
    assert.deepEqual([whole.status, whole.headers.get("x-powered-by")], [200, "Express"]);
    assert.deepEqual(await whole.json(), { hello: "you there", query: { a: ["1", "2"] } });
    const missing = await fetch(`${await urlOf("express")}nowhere`);
    assert.equal(missing.status, 404);
    const streamed = await fetch(`${await urlOf("express-stream")}stream`);
    assert.deepEqual([streamed.status, streamed.headers.get("content-type")], [200, "text/plain; charset=utf-8"]);
    assert.equal(await streamed.text(), "one two");
  });

  it("invoke-api 27: the AWS SDK streams from the Web Adapter, prelude and all", async () => {
    const sdk = new LambdaClient({
      endpoint: space.system.routerUrl,
      region: "us-east-1",
      credentials: space.system.credentials,
    });
    const { status } = await space.getFunction("express-stream");
    const command = new InvokeWithResponseStreamCommand({
      FunctionName: status?.functionARN,
      Payload: JSON.stringify(page("/stream")),
    });
    let text = "";
    const completions: unknown[] = [];
    for await (const { PayloadChunk, InvokeComplete } of (await sdk.send(command)).EventStream ?? []) {
      text += Buffer.from(PayloadChunk?.Payload ?? []).toString();
      if (InvokeComplete !== undefined) completions.push(InvokeComplete);
    }
    sdk.destroy();
    assert.match(text, /^\{.*"statusCode":200.*\}\0{8}one two$/s);
    assert.deepEqual(completions, [{}]);
  });

  it("a function URL is called from within the cluster as its status says", async () => {
    const { status } = await space.getFunction("express");
    const source = "export const handler = async ({ url }) => await (await fetch(`${url}hello/inside`)).json();";
    await space.serve("caller", nodeFunction(source, { timeout: 20 }));
    assert.deepEqual(await space.call("caller", { url: status?.functionURL }), { hello: "inside", query: {} });
  });

  it("Serverless's OpenTelemetry extension subscribes and lets the function be", async () => {
    const environment = { variables: { DO_NOT_WAIT: "1", SLS_OTEL_REPORT_TYPE: "json" } };
    const source = "export const handler = async ({ n }) => n;";
    await space.serve("traced", nodeFunction(source, { layers: ["otel"], environment, memorySize: 256 }));
    for (const n of [1, 2]) assert.equal(await space.call("traced", { n }), n);
    const pod = await podOf("traced");
    await printed(pod, "runtime", /^EXTENSION\tName: otel-extension\tState: Ready\tEvents: \[INVOKE, SHUTDOWN\]$/m);
    await printed(pod, "runtime", /^LOGS\tName: otel-extension\tState: Subscribed\tTypes: \[.*\]$/m);
    const output = await printed(pod, "extension-1", /^otel-extension {2}launching extension$/m);
    assert.doesNotMatch(output, /failed|not supported/);
  });

  it("extensions-api 16, packages-layers-env 14: internal extensions by wrapper script", async () => {
    const wrapped = (name: string): Partial<FunctionSpecInput> => ({
      layers: ["internal"],
      environment: { variables: { AWS_LAMBDA_EXEC_WRAPPER: `/opt/internal/${name}-wrapper` } },
    });
    await space.applyFunction("node-inside", nodeFunction("export const handler = async () => 1;", wrapped("node")));
    await space.applyFunction("python-inside", pythonFunction("def handler(e, c):\n    return 1\n", wrapped("python")));
    for (const name of ["node", "python"]) {
      await space.waitReady(`${name}-inside`);
      assert.equal(await space.call(`${name}-inside`, {}), 1);
      await printed(
        await podOf(`${name}-inside`),
        "runtime",
        new RegExp(`^${name}-internal event {"eventType":"INVOKE"`, "m"),
      );
    }
  });

  it("packages-layers-env 34: functions call kubectl and the AWS CLI of the CDK's layers", async () => {
    const kubectl = `import { execFileSync } from "node:child_process";
      const args = ["version", "--client", "-o", "json"];
      export const handler = async () => JSON.parse(execFileSync("/opt/kubectl/kubectl", args, { env: { HOME: "/tmp" } }));`;
    const aws = `import subprocess, sys
def handler(event, context):
    return subprocess.check_output([sys.executable, "/opt/awscli/aws", "--version"], text=True)
`;
    const more = { memorySize: 512, timeout: 30 };
    await space.applyFunction("kubectl", nodeFunction(kubectl, { layers: ["kubectl"], ...more }));
    await space.applyFunction("aws-cli", pythonFunction(aws, { layers: ["aws-cli"], ...more }));
    for (const name of ["kubectl", "aws-cli"]) await space.waitReady(name);
    const { clientVersion } = (await space.call("kubectl", {})) as { clientVersion: { gitVersion: string } };
    assert.match(clientVersion.gitVersion, /^v1\.35\./);
    assert.match(String(await space.call("aws-cli", {})), /^aws-cli\/\d/);
  });

  /** Machine type of arm64 (s390 where that is ours), in an ELF head of a 64-bit program. */
  const foreign = Buffer.alloc(64);
  foreign.write("\x7fELF\x02\x01\x01", "latin1");
  foreign.writeUInt16LE(2, 16);
  foreign.writeUInt16LE(process.arch === "arm64" ? 22 : 183, 18);
  const bad = {
    "lifecycle 19: one that exits": {
      name: "crash",
      entry: { content: "#!/bin/sh\nexit 3\n", mode: 0o100755 },
      says: /^{"errorType":"Extension\.Crash","errorMessage":"RequestId: [^ ]+ Error: exit status 3"}$/,
    },
    "extensions-api 3: one that may not be executed": {
      name: "closed",
      entry: { content: "#!/bin/sh\n", mode: 0o100644 },
      says: /"Extension\.LaunchError".*fork\/exec \/opt\/extensions\/closed: permission denied/,
    },
    "extensions-api 3: one for another architecture": {
      name: "foreign",
      entry: { content: foreign, mode: 0o100755 },
      says: /"Extension\.LaunchError".*fork\/exec \/opt\/extensions\/foreign: exec format error/,
    },
  };
  for (const [title, { name, entry, says }] of Object.entries(bad)) {
    it(`${title}: every call is told so, and the conditions`, async () => {
      const zipFile = zipBytes([{ name: `extensions/${name}`, ...entry }]).toString("base64");
      await space.apply({ apiVersion: API_VERSION, kind: "Layer", metadata: { name }, spec: { content: { zipFile } } });
      await space.serve(name, nodeFunction("export const handler = async () => 1;", { layers: [name] }));
      for (const answer of [await space.invoke(name, {}), await space.invoke(name, {})]) assertFailed(answer, says);
      const healthy = await space.waitCondition(name, "EnvironmentsHealthy", ({ status }) => status === "False");
      assert.ok(healthy.message.includes("Extension."), healthy.message);
    });
  }

  function assertFailed(answer: Answer, says: RegExp): void {
    assert.equal(answer.headers["x-amz-function-error"], "Unhandled", answer.bytes.toString());
    assert.match(JSON.stringify(jsonOf(answer)), says);
  }
});
