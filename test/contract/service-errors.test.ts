/** Every error of the service that a synchronous call can get: status, code, message, type and headers in one table. */
import assert from "node:assert/strict";
import { accountIdOf } from "../../crds/names.ts";
import { functionKind, type FunctionObject } from "../../crds/v1alpha1/function.ts";
import { silentLogger, type LogFields } from "../../lib/logger.ts";
import { sendRaw } from "../kit/raw-connection.ts";
import { RouterWorld, type HttpAnswer } from "../kit/router-world.ts";

const arn = `arn:aws:lambda:us-east-1:${accountIdOf("default")}:function`;
const chain = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0";

interface Told {
  readonly status: number;
  readonly code: string;
  readonly Type?: "User" | "Service";
  readonly message?: string | RegExp;
  /** With a capital, as Lambda's model has it for this code. */
  readonly Message?: string | RegExp;
  readonly Reason?: string;
}

describe("service errors of Invoke", () => {
  let world: RouterWorld;
  let lineage = "";
  const logged: LogFields[] = [];

  before(async () => {
    world = new RouterWorld();
    world.log = { ...silentLogger, error: (message, fields) => void logged.push({ message, ...fields }) };
    await world.startRouter({
      KUBELAMBDA_ENVIRONMENT_WAIT_MS: 200,
      KUBELAMBDA_BODY_TIMEOUT_MS: 300,
      KUBELAMBDA_ACCOUNT_CONCURRENCY: 100,
    });
    const state = (state: "Pending" | "Failed", stateReasonCode: string, stateReason: string) => ({
      ...{ state, stateReasonCode, stateReason },
      revisionID: undefined as never,
    });
    const add = async (name: string, spec: Partial<FunctionObject["spec"]>, status: object = {}): Promise<unknown> =>
      await world.addFunction({ name, spec, status });
    const hello = await world.addFunction({ name: "hello" });
    await world.addEnvironment(hello);
    const cut = await world.addEnvironment(await world.addFunction({ name: "cut" }));
    cut.script = () => "cut";
    await add("pending", {}, state("Pending", "Creating", "The code is being fetched"));
    await add("no-runtime", {}, state("Failed", "InvalidRuntime", "no such runtime"));
    await add("no-zip", {}, state("Failed", "InvalidZipFileException", "no zip"));
    await add("no-code", {}, state("Failed", "PackageNotFound", "it is gone"));
    await add("cold", {});
    await add("off", { reservedConcurrentExecutions: 0 });
    const { headers } = await world.invoke("hello");
    lineage = /Lineage=1:([0-9a-f]{8}):0$/.exec(String(headers["x-amzn-trace-id"]))?.[1] ?? "";
    await add("greedy", { reservedConcurrentExecutions: 100 });
  });
  after(() => world.close());

  const invoke =
    (name: string, body?: string | Buffer, headers: Record<string, string> = {}) =>
    (): Promise<HttpAnswer> =>
      world.call(`/2015-03-31/functions/${name}/invocations`, { ...(body !== undefined && { body }), headers });

  /** What came of a request of which less arrived than it said. */
  async function raw(text: string): Promise<HttpAnswer> {
    const { answer } = await sendRaw(`127.0.0.1:${world.router.invokePort}`, [Buffer.from(text)], 5000);
    const [head = "", body = ""] = answer.toString().split("\r\n\r\n");
    const [line = "", ...lines] = head.split("\r\n");
    const headers = lines.map((each) => [each.split(": ")[0]?.toLowerCase() ?? "", each.split(": ")[1]] as const);
    return { status: Number(line.split(" ")[1]), headers: Object.fromEntries(headers), body };
  }
  const rest = "HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";

  const cases: Record<string, { call: () => Promise<HttpAnswer>; want: Told }> = {
    "a name that is none": {
      call: invoke("a@b", "{}"),
      want: {
        status: 400,
        code: "ValidationException",
        message:
          /^1 validation error detected: Value 'a@b' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: \(arn:/,
      },
    },
    "a tenant id that is none": {
      call: invoke("hello", "{}", { "x-amz-tenant-id": "a*b" }),
      want: { status: 400, code: "ValidationException", message: /Value 'a\*b' at 'tenantId' failed to satisfy/ },
    },
    "a log type that is none": {
      call: invoke("hello", "{}", { "x-amz-log-type": "All" }),
      want: { status: 400, code: "ValidationException", message: /at 'logType' .* enum value set: \[None, Tail\]$/ },
    },
    "two different qualifiers": {
      call: () => world.call("/2015-03-31/functions/hello:1/invocations?Qualifier=2", { body: "{}" }),
      want: {
        status: 400,
        code: "InvalidParameterValueException",
        Type: "User",
        message: "The derived qualifier from the function name does not match the specified qualifier.",
      },
    },
    "an event that is no JSON": {
      call: invoke("hello", "not json"),
      want: {
        status: 400,
        code: "InvalidRequestContentException",
        Type: "User",
        message: /^Could not parse request body into json: Could not parse payload into json: ./,
      },
    },
    "a client context that is none": {
      call: invoke("hello", "{}", { "x-amz-client-context": "e3" }),
      want: {
        status: 400,
        code: "InvalidRequestContentException",
        Type: "User",
        message: "Client context must be a valid Base64-encoded JSON object.",
      },
    },
    "a chain that comes back for the 17th time": {
      call: () => invoke("hello", "{}", { "x-amzn-trace-id": `${chain};Lineage=1:${lineage}:15` })(),
      want: {
        status: 400,
        code: "RecursiveInvocationException",
        Type: "User",
        Message: /^Lambda has detected your function being invoked in a recursive loop with other /,
      },
    },
    "no such function": {
      call: invoke("nobody", "{}"),
      want: {
        status: 404,
        code: "ResourceNotFoundException",
        Type: "User",
        Message: `Function not found: ${arn}:nobody:$LATEST`,
      },
    },
    "no such qualifier": {
      call: invoke("hello:nope", "{}"),
      want: {
        status: 404,
        code: "ResourceNotFoundException",
        Type: "User",
        Message: `Function not found: ${arn}:hello:nope`,
      },
    },
    "another region": {
      call: invoke(encodeURIComponent(`${arn.replace("us-east-1", "eu-west-1")}:hello`), "{}"),
      want: {
        status: 404,
        code: "ResourceNotFoundException",
        Type: "User",
        Message: "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')",
      },
    },
    "no such operation": {
      call: () => world.call("/2015-03-31/functions/hello/nothing"),
      want: {
        status: 404,
        code: "UnknownOperationException",
        message: 'Cannot serve POST "/2015-03-31/functions/hello/nothing": no such operation',
      },
    },
    "a body that does not come": {
      call: () => raw(`POST /2015-03-31/functions/hello/invocations ${rest}Content-Length: 9\r\n\r\n{`),
      want: {
        status: 408,
        code: "RequestTimeoutException",
        Type: "User",
        message: "Cannot read the request: no end of its body within 300 ms",
      },
    },
    "a function that is Pending": {
      call: invoke("pending", "{}"),
      want: {
        status: 409,
        code: "ResourceConflictException",
        Type: "User",
        message:
          "The operation cannot be performed at this time. The function is currently in the following state: Pending",
      },
    },
    "an event of 7 MB": {
      call: invoke("hello", Buffer.alloc(7e6, "1")),
      want: {
        status: 413,
        code: "RequestTooLargeException",
        Type: "User",
        message: "Request must be smaller than 6291456 bytes for the InvokeFunction operation",
      },
    },
    "headers of more than 1 MB": {
      call: () => raw(`POST / ${rest}X-Long: ${"a".repeat(1_100_000)}\r\n\r\n`),
      want: {
        status: 413,
        code: "SerializedRequestEntityTooLargeException",
        Type: "User",
        message: "Cannot read the request: its line and headers have more than 1 MB",
      },
    },
    "a function that is off": {
      call: invoke("off", "{}"),
      want: {
        status: 429,
        code: "TooManyRequestsException",
        Type: "User",
        message: "Rate Exceeded.",
        Reason: "ReservedFunctionConcurrentInvocationLimitExceeded",
      },
    },
    "an account whose concurrency others have reserved": {
      call: invoke("hello", "{}"),
      want: {
        status: 429,
        code: "TooManyRequestsException",
        Type: "User",
        message: "Rate Exceeded.",
        Reason: "ConcurrentInvocationLimitExceeded",
      },
    },
    "a runtime that is none": {
      call: invoke("no-runtime", "{}"),
      want: {
        status: 502,
        code: "InvalidRuntimeException",
        Type: "Service",
        Message: `Cannot invoke "${arn}:no-runtime": the function is in state Failed: no such runtime`,
      },
    },
    "a zip that is none": {
      call: invoke("no-zip", "{}"),
      want: { status: 502, code: "InvalidZipFileException", Type: "Service", Message: /state Failed: no zip$/ },
    },
    "code that is gone": {
      call: invoke("no-code", "{}"),
      want: { status: 502, code: "ResourceNotReadyException", Type: "Service", message: /state Failed: it is gone$/ },
    },
  };
  for (const [what, { call, want }] of Object.entries(cases)) {
    it(`${what} is ${want.status} ${want.code}`, async () => assertTold(await call(), want));
  }

  it("no environment in time is 502 ResourceNotReadyException; one that is lost in a call is 500 ServiceException", async () => {
    const ref = { kind: functionKind, name: "greedy", namespace: "default" };
    await world.store.patch(ref, { spec: { reservedConcurrentExecutions: null } });
    assertTold(await invoke("cold", "{}")(), {
      status: 502,
      code: "ResourceNotReadyException",
      Type: "Service",
      message: /^RequestId: \S+ Error: Cannot invoke ".*:cold": no execution environment came free within 200 ms$/,
    });
    logged.length = 0;
    const lost = await invoke("cut", "{}")();
    const [line] = logged;
    assert.deepEqual([line?.kind, line?.namespace, line?.name], ["Function", "default", "cut"]);
    assert.equal(line?.requestId, lost.headers["x-amzn-requestid"]);
    assertTold(lost, {
      status: 500,
      code: "ServiceException",
      Type: "Service",
      Message:
        /^RequestId: \S+ Error: Cannot invoke ".*:cut": the connection to its execution environment broke during the call$/,
    });
  });
});

function assertTold({ status, headers, body }: HttpAnswer, want: Told): void {
  assert.equal(status, want.status, body);
  assert.equal(headers["x-amzn-errortype"], want.code);
  assert.equal(headers["content-type"], "application/json");
  assert.equal(headers["retry-after"], want.status === 429 ? "1" : undefined);
  const told = JSON.parse(body) as Record<string, string>;
  const members = (["Reason", "Type", "message", "Message"] as const).filter((member) => want[member] !== undefined);
  assert.deepEqual(Object.keys(told), members);
  for (const member of members) {
    const right = want[member];
    if (right instanceof RegExp) assert.match(told[member] ?? "", right);
    else assert.equal(told[member], right);
  }
}
