import assert from "node:assert/strict";
import type { EnvironmentDocument } from "../../crds/wire/environment.ts";
import {
  describeExtensionProcess,
  describeRuntimeProcess,
  extensionVariables,
  logStreamName,
  runtimeVariables,
  type RuntimePlace,
} from "./environment-variables.ts";

const document: EnvironmentDocument = {
  namespace: "default",
  functionName: "hello",
  functionUid: "u",
  functionArn: "arn:aws:lambda:eu-central-1:000000000001:function:hello",
  region: "eu-central-1",
  version: "7",
  revisionID: "r",
  packageType: "Zip",
  runtime: "nodejs24.x",
  handler: "index.handler",
  memorySize: 256,
  timeoutSeconds: 3,
  initTimeoutMs: 10_000,
  initializationType: "on-demand",
  logGroup: "/aws/lambda/hello",
  logFormat: "Text",
  variables: {},
  variablesFrom: {},
  layers: [],
};
const place: RuntimePlace = {
  taskRoot: "/var/task",
  layersRoot: "/opt",
  runtimeRoot: "/var/runtime",
  runtimeApi: "127.0.0.1:9001",
  logStream: "2026/01/31/[7]00",
  agentVariables: { FROM_1: "$(SECRET) value" },
};
const variables = (over: Partial<EnvironmentDocument> = {}): Record<string, string> =>
  runtimeVariables({ ...document, ...over }, place);

describe("runtimeVariables", () => {
  it("are those of Lambda for a zip function", () => {
    assert.deepEqual(variables(), {
      _HANDLER: "index.handler",
      _AWS_XRAY_DAEMON_ADDRESS: "169.254.100.1",
      _AWS_XRAY_DAEMON_PORT: "2000",
      _LAMBDA_TELEMETRY_LOG_FD: "62",
      AWS_DEFAULT_REGION: "eu-central-1",
      AWS_EXECUTION_ENV: "AWS_Lambda_nodejs24.x",
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: "256",
      AWS_LAMBDA_FUNCTION_NAME: "hello",
      AWS_LAMBDA_FUNCTION_VERSION: "7",
      AWS_LAMBDA_INITIALIZATION_TYPE: "on-demand",
      AWS_LAMBDA_LOG_GROUP_NAME: "/aws/lambda/hello",
      AWS_LAMBDA_LOG_STREAM_NAME: "2026/01/31/[7]00",
      AWS_LAMBDA_RUNTIME_API: "127.0.0.1:9001",
      AWS_REGION: "eu-central-1",
      AWS_XRAY_CONTEXT_MISSING: "LOG_ERROR",
      AWS_XRAY_DAEMON_ADDRESS: "169.254.100.1:2000",
      LAMBDA_RUNTIME_DIR: "/var/runtime",
      LAMBDA_TASK_ROOT: "/var/task",
      LANG: "en_US.UTF-8",
      LD_LIBRARY_PATH: "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
      PATH: "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
      TZ: ":UTC",
    });
  });

  it("runtime-api 35: AWS_LAMBDA_MAX_CONCURRENCY is unset, whoever sets it", () => {
    assert.equal("AWS_LAMBDA_MAX_CONCURRENCY" in variables({ variables: { AWS_LAMBDA_MAX_CONCURRENCY: "2" } }), false);
  });

  it("the function's own win over unreserved ones and never over reserved ones", () => {
    const own = variables({
      variables: { TZ: "Europe/Berlin", PATH: "/mine", AWS_REGION: "x", _HANDLER: "y", A1: "$(A)" },
    });
    assert.equal(own["TZ"], "Europe/Berlin");
    assert.equal(own["PATH"], "/mine");
    assert.equal(own["AWS_REGION"], "eu-central-1");
    assert.equal(own["_HANDLER"], "index.handler");
    assert.equal(own["A1"], "$(A)");
  });

  it("what the kubelet filled comes from the agent's own; an optional one may be missing", () => {
    const filled = variables({ variablesFrom: { SECRET: "FROM_1", OPTIONAL: "FROM_2" } });
    assert.equal(filled["SECRET"], "$(SECRET) value");
    assert.equal("OPTIONAL" in filled, false);
  });

  it("an OS-only runtime has no AWS_EXECUTION_ENV, and provided.al2 no /var/lang", () => {
    const al2 = variables({ runtime: "provided.al2" });
    assert.equal("AWS_EXECUTION_ENV" in al2, false);
    assert.equal(al2["PATH"], "/usr/local/bin:/usr/bin/:/bin:/opt/bin");
  });

  it("an image brings its own path, language and handler", () => {
    const image = variables({ packageType: "Image", runtime: undefined, argv: ["/entry", "a.b"] } as never);
    for (const name of ["PATH", "LD_LIBRARY_PATH", "LANG", "TZ", "_HANDLER"]) assert.equal(name in image, false, name);
    assert.equal(image["AWS_EXECUTION_ENV"], "AWS_Lambda_Image");
  });

  it("JSON logging is told, with its level", () => {
    const json = variables({ logFormat: "JSON", applicationLogLevel: "DEBUG" });
    assert.equal(json["AWS_LAMBDA_LOG_FORMAT"], "JSON");
    assert.equal(json["AWS_LAMBDA_LOG_LEVEL"], "DEBUG");
  });
});

describe("describeRuntimeProcess", () => {
  it("a managed runtime starts its own bootstrap only", () => {
    const { candidates, workingDirectory, openFiles } = describeRuntimeProcess(document, place);
    assert.deepEqual(candidates, ["/var/runtime/bootstrap"]);
    assert.equal(workingDirectory, "/var/task");
    assert.equal(openFiles, 1024);
  });

  it("an OS-only one starts the package's, then a layer's", () => {
    const { candidates } = describeRuntimeProcess({ ...document, runtime: "provided.al2023" }, place);
    assert.deepEqual(candidates, ["/var/task/bootstrap", "/opt/bootstrap"]);
  });

  it("an image starts what it says", () => {
    const image = describeRuntimeProcess({ ...document, argv: ["/entry", "a.b"], workingDirectory: "/app" }, place);
    assert.deepEqual(image.argv, ["/entry", "a.b"]);
    assert.equal(image.candidates, undefined);
    assert.equal(image.workingDirectory, "/app");
  });
});

describe("logStreamName", () => {
  it("has date, version and chance", () => {
    assert.equal(logStreamName("$LATEST", Date.UTC(2026, 0, 31), "ab"), "2026/01/31/[$LATEST]ab");
  });
});

describe("extensionVariables", () => {
  const own = { MINE: "1", AWS_XRAY_CONTEXT_MISSING: "RUNTIME_ERROR", PATH: "/mine" };

  it("extensions-api 33: the runtime's, less what is only its own", () => {
    const runtime = variables();
    const extension = extensionVariables(document, place);
    const gone = Object.keys(runtime).filter((name) => !(name in extension));
    assert.deepEqual(gone.sort(), [
      "AWS_EXECUTION_ENV",
      "AWS_LAMBDA_LOG_GROUP_NAME",
      "AWS_LAMBDA_LOG_STREAM_NAME",
      "AWS_XRAY_CONTEXT_MISSING",
      "AWS_XRAY_DAEMON_ADDRESS",
      "LAMBDA_RUNTIME_DIR",
      "LAMBDA_TASK_ROOT",
      "_AWS_XRAY_DAEMON_ADDRESS",
      "_AWS_XRAY_DAEMON_PORT",
      "_HANDLER",
      "_LAMBDA_TELEMETRY_LOG_FD",
    ]);
    for (const [name, value] of Object.entries(extension)) assert.equal(value, runtime[name], name);
  });

  it("has the customer's variables, also those that the platform would not give it", () => {
    const extension = extensionVariables({ ...document, variables: own }, place);
    assert.deepEqual({ ...extension, ...own }, extension);
    assert.equal(extension["AWS_XRAY_DAEMON_ADDRESS"], undefined);
  });

  it("starts the file itself, without arguments", () => {
    const { argv, telemetryFd } = describeExtensionProcess(document, place, "agent.sh");
    assert.deepEqual(argv, ["/opt/extensions/agent.sh"]);
    assert.equal(telemetryFd, undefined);
  });
});
