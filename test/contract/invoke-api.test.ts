import assert from "node:assert/strict";
import {
  InvokeCommand,
  LambdaClient,
  ResourceNotFoundException,
  TooManyRequestsException,
} from "@aws-sdk/client-lambda";
import { accountIdOf } from "../../crds/names.ts";
import { functionKind, type FunctionObject } from "../../crds/v1alpha1/function.ts";
import { verifyClaim } from "../../lib/http/signed-claim.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";
import { namesOfOneAccount } from "../kit/names-of-one-account.ts";
import { RouterWorld } from "../kit/router-world.ts";
import type { ScriptedAgent } from "../kit/scripted-agent.ts";
import { describeWithRouters } from "../kit/with-routers.ts";

const arn = `arn:aws:lambda:us-east-1:${accountIdOf("default")}:function:hello`;

describeWithRouters("Invoke API", (routers) => {
  let world: RouterWorld;
  let hello: Stored<FunctionObject>;
  let agent: ScriptedAgent;
  let sdk: LambdaClient;

  before(async () => {
    world = new RouterWorld();
    await world.startRouters(routers);
    hello = await world.addFunction({ name: "hello" });
    agent = await world.addEnvironment(hello);
    sdk = new LambdaClient({
      endpoint: `http://127.0.0.1:${world.router.invokePort}`,
      region: "us-east-1",
      credentials: { accessKeyId: "dummy", secretAccessKey: "dummy" },
      maxAttempts: 1,
    });
  });
  after(async () => {
    sdk.destroy();
    await world.close();
  });
  beforeEach(() => {
    agent.script = ({ event }) => ({ body: event });
    agent.calls.length = 0;
  });

  it("invoke-api 1: answers 200 with the handler's JSON and $LATEST as executed version", async () => {
    agent.script = () => ({ body: '{"greeting":"Hello"}', headers: { "content-type": "application/json" } });
    const answer = await world.invoke("hello", '{"a":1}');
    assert.equal(answer.status, 200);
    assert.equal(answer.body, '{"greeting":"Hello"}');
    assert.equal(answer.headers["x-amz-executed-version"], "$LATEST");
    assert.equal(answer.headers["content-type"], "application/json");
    assert.equal(agent.calls[0]?.event, '{"a":1}');
    assert.equal(answer.headers["x-amzn-requestid"], agent.calls[0].requestId);
  });

  it("invoke-api 1: the AWS SDK gets the same without special settings", async () => {
    const answer = await sdk.send(new InvokeCommand({ FunctionName: "hello", Payload: '{"a":"ä"}' }));
    assert.equal(answer.StatusCode, 200);
    assert.equal(answer.ExecutedVersion, "$LATEST");
    assert.equal(answer.FunctionError, undefined);
    assert.equal(answer.Payload?.transformToString(), '{"a":"ä"}');
  });

  it("invoke-api 2: passes null on when the handler returned nothing", async () => {
    agent.script = () => ({ body: "null" });
    assert.equal((await world.invoke("hello")).body, "null");
  });

  it("invoke-api 3: an empty body reaches the handler as {}", async () => {
    assert.equal((await world.invoke("hello", "")).status, 200);
    assert.equal(agent.calls[0]?.event, "{}");
    await sdk.send(new InvokeCommand({ FunctionName: "hello" }));
    assert.equal(agent.calls[1]?.event, "{}");
  });

  it("invoke-api 5: DryRun answers 204 without a body and runs nothing", async () => {
    const answer = await world.invoke("hello", "{}", { "x-amz-invocation-type": "DryRun" });
    assert.equal(answer.status, 204);
    assert.equal(answer.body, "");
    assert.notEqual(answer.headers["x-amzn-requestid"], undefined);
    assert.equal(
      (await sdk.send(new InvokeCommand({ FunctionName: "hello", InvocationType: "DryRun" }))).StatusCode,
      204,
    );
    assert.equal(agent.calls.length, 0);
  });

  it("invoke-api 6: DryRun of an unknown qualifier is 404", async () => {
    const answer = await world.call("/2015-03-31/functions/hello/invocations?Qualifier=nope", {
      headers: { "x-amz-invocation-type": "DryRun" },
    });
    assert.equal(answer.status, 404);
    assert.equal(answer.headers["x-amzn-errortype"], "ResourceNotFoundException");
    assert.deepEqual(JSON.parse(answer.body), { Type: "User", Message: `Function not found: ${arn}:nope` });
  });

  it("invoke-api 7: asks for the log with Tail and hands it on", async () => {
    agent.script = ({ requestId }) => ({
      body: "{}",
      headers: { "x-amz-log-result": Buffer.from(`REPORT RequestId: ${requestId}`).toString("base64") },
    });
    const answer = await world.invoke("hello", "{}", { "x-amz-log-type": "Tail" });
    assert.equal(agent.calls[0]?.headers["x-amz-log-type"], "Tail");
    const log = Buffer.from(answer.headers["x-amz-log-result"] as string, "base64").toString();
    assert.equal(log, `REPORT RequestId: ${String(answer.headers["x-amzn-requestid"])}`);
  });

  it("invoke-api 8: an Event call is refused and says what is served, with no LogResult", async () => {
    const answer = await world.invoke("hello", "{}", { "x-amz-invocation-type": "Event", "x-amz-log-type": "Tail" });
    assert.equal(answer.status, 400);
    assert.equal(answer.headers["x-amzn-errortype"], "InvalidParameterValueException");
    assert.match(answer.body, /'Event'.*'RequestResponse' and 'DryRun'/);
    assert.equal(answer.headers["x-amz-log-result"], undefined);
    assert.equal(agent.calls.length, 0);
  });

  it("invoke-api 10: the client context reaches the agent as sent, and is absent otherwise", async () => {
    const context = Buffer.from('{"client":{"x":1}}').toString("base64");
    await world.invoke("hello", "{}", { "x-amz-client-context": context });
    await world.invoke("hello");
    assert.equal(agent.calls[0]?.headers["x-amz-client-context"], context);
    assert.equal(agent.calls[1]?.headers["x-amz-client-context"], undefined);
  });

  const notJson: Record<string, string | Buffer> = {
    "a bare word": "not json",
    "an open object": '{"a":1',
    "two values": "{} {}",
    "a trailing comma": "[1,]",
    "invalid UTF-8 in a string": Buffer.from([0x22, 0xff, 0x22]),
    "white space alone": "  ",
  };
  for (const [what, body] of Object.entries(notJson)) {
    it(`invoke-api 11: ${what} is 400 InvalidRequestContentException`, async () => {
      const answer = await world.call("/2015-03-31/functions/hello/invocations", { body });
      assert.equal(answer.status, 400);
      assert.equal(answer.headers["x-amzn-errortype"], "InvalidRequestContentException");
      const { Type, message } = JSON.parse(answer.body) as { Type: string; message: string };
      assert.equal(Type, "User");
      assert.match(message, /^Could not parse request body into json: Could not parse payload into json: ./);
      assert.equal(agent.calls.length, 0);
    });
  }

  it("invoke-api 12: a function error is 200 with X-Amz-Function-Error and the error as body", async () => {
    const error = '{"errorType":"Error","errorMessage":"no"}';
    agent.script = () => ({ body: error, headers: { "x-amz-function-error": "Unhandled" } });
    const answer = await world.invoke("hello");
    assert.equal(answer.status, 200);
    assert.equal(answer.headers["x-amz-function-error"], "Unhandled");
    assert.equal(answer.body, error);
    assert.equal((await sdk.send(new InvokeCommand({ FunctionName: "hello" }))).FunctionError, "Unhandled");
  });

  it("invoke-api 16: a 7 MB event is 413, with a length and without", async () => {
    const large = Buffer.from(JSON.stringify("x".repeat(7 * 1024 * 1024)));
    for (const headers of [{ "content-length": String(large.length) }, { "transfer-encoding": "chunked" }]) {
      const answer = await fetch(`http://127.0.0.1:${world.router.invokePort}/2015-03-31/functions/hello/invocations`, {
        method: "POST",
        ...("content-length" in headers ? { body: large } : { body: new Blob([large]).stream(), duplex: "half" }),
      });
      assert.equal(answer.status, 413);
      assert.equal(answer.headers.get("x-amzn-errortype"), "RequestTooLargeException");
      const { Type, message } = (await answer.json()) as { Type: string; message: string };
      assert.equal(Type, "User");
      assert.equal(message, "Request must be smaller than 6291456 bytes for the InvokeFunction operation");
    }
    assert.equal(agent.calls.length, 0);
  });

  it("invoke-api 16: an event of exactly 6,291,456 bytes is served byte for byte", async () => {
    const event = JSON.stringify("x".repeat(6_291_456 - 2));
    const answer = await world.invoke("hello", event);
    assert.equal(answer.status, 200);
    assert.equal(answer.body, event);
  });

  it("invoke-api 18: an unknown function is 404 with capital Message", async () => {
    const answer = await world.invoke("unknown");
    assert.equal(answer.status, 404);
    assert.equal(answer.headers["x-amzn-errortype"], "ResourceNotFoundException");
    const Message = `Function not found: ${arn.replace("hello", "unknown")}:$LATEST`;
    assert.deepEqual(JSON.parse(answer.body), { Type: "User", Message });
    await assert.rejects(sdk.send(new InvokeCommand({ FunctionName: "unknown" })), ResourceNotFoundException);
  });

  it("invoke-api 19: a qualifier in the name and another in the query is 400", async () => {
    const answer = await world.call("/2015-03-31/functions/hello%3A1/invocations?Qualifier=2");
    assert.equal(answer.status, 400);
    assert.deepEqual(JSON.parse(answer.body), {
      Type: "User",
      message: "The derived qualifier from the function name does not match the specified qualifier.",
    });
  });

  it("invoke-api 20: ARN, partial ARN and bare name are one function, and the agent is told the ARN as invoked", async () => {
    const partial = `${accountIdOf("default")}:function:hello`;
    for (const name of [arn, partial, "hello", `${arn}:$LATEST`, encodeURIComponent(`${arn}:$LATEST`)]) {
      assert.equal((await world.invoke(name)).status, 200, name);
    }
    const told = agent.calls.map(({ headers }) => headers["x-kubelambda-function-arn"]);
    assert.deepEqual(told, [arn, arn, arn, `${arn}:$LATEST`, `${arn}:$LATEST`]);
    assert.equal((await sdk.send(new InvokeCommand({ FunctionName: arn, Qualifier: "$LATEST" }))).StatusCode, 200);
  });

  it("an ARN of an account that two namespaces have is 400, and runs the function of neither", async () => {
    const [one, other] = namesOfOneAccount;
    const twinArn = `arn:aws:lambda:us-east-1:${accountIdOf(one)}:function:twin`;
    const spec = { reservedConcurrentExecutions: 0 };
    await world.addFunction({ name: "twin", namespace: one, spec });
    assert.equal((await world.invoke(twinArn)).status, 429, "its limit is reached");
    await world.addFunction({ name: "twin", namespace: other, spec });
    for (const name of [twinArn, `${accountIdOf(one)}:twin`, `${twinArn}:$LATEST`]) {
      const answer = await world.invoke(name);
      assert.equal(answer.status, 400, name);
      assert.equal(answer.headers["x-amzn-errortype"], "InvalidParameterValueException");
      assert.match(
        answer.body,
        /more than one namespace here has the account id '\d{12}'; call the function by its name/,
      );
    }
    await world.store.delete({ kind: functionKind, namespace: one, name: "twin" });
    assert.equal((await world.invoke(twinArn)).status, 429, "that of the namespace which is left");
  });

  it("invoke-api 21: a name with @ is 400 ValidationException with the pattern", async () => {
    const answer = await world.invoke("a@b");
    assert.equal(answer.status, 400);
    assert.equal(answer.headers["x-amzn-errortype"], "ValidationException");
    const { message } = JSON.parse(answer.body) as { message: string };
    assert.ok(
      message.startsWith(
        "1 validation error detected: Value 'a@b' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: (arn:",
      ),
    );
  });

  it("invoke-api 22: an ARN of another region is 404 with the not-reachable message", async () => {
    const answer = await world.invoke(arn.replace("us-east-1", "eu-west-1"));
    assert.equal(answer.status, 404);
    assert.match(answer.body, /Functions from 'eu-west-1' are not reachable in this region \('us-east-1'\)/);
  });

  it("invoke-api 23: reserved concurrency 0 is 429 with the recorded body", async () => {
    await world.addFunction({ name: "off", spec: { reservedConcurrentExecutions: 0 } });
    const answer = await world.invoke("off");
    assert.equal(answer.status, 429);
    assert.equal(
      answer.body,
      '{"Reason":"ReservedFunctionConcurrentInvocationLimitExceeded","Type":"User","message":"Rate Exceeded."}',
    );
    await assert.rejects(sdk.send(new InvokeCommand({ FunctionName: "off" })), TooManyRequestsException);
  });

  it("invoke-api 24: a Pending function is 409 and names its state", async () => {
    await world.addFunction({ name: "pending", status: { state: "Pending", revisionID: null as never } });
    const answer = await world.invoke("pending");
    assert.equal(answer.status, 409);
    assert.deepEqual(JSON.parse(answer.body), {
      Type: "User",
      message:
        "The operation cannot be performed at this time. The function is currently in the following state: Pending",
    });
  });

  it("a function that becomes ready while its caller is here is served, and one that only now is heard of", async () => {
    const late = await world.addFunction({ name: "late", status: { state: "Pending", revisionID: null as never } });
    const answers = [world.invoke("late"), world.invoke("later")];
    await world.setStatus(late, { state: "Active", revisionID: "r1" });
    const later = await world.addFunction({ name: "later" });
    for (const owner of [late, later]) await world.addEnvironment(owner);
    for (const answer of await Promise.all(answers)) assert.equal(answer.status, 200, answer.body);
  });

  it("a Failed function is 502 with the reason of its state", async () => {
    await world.addFunction({
      name: "failed",
      status: { state: "Failed", stateReason: "no such runtime", stateReasonCode: "InvalidRuntime" },
    });
    const answer = await world.invoke("failed");
    assert.equal(answer.status, 502);
    assert.equal(answer.headers["x-amzn-errortype"], "InvalidRuntimeException");
    assert.match(answer.body, /"Message":".*state Failed: no such runtime"/);
  });

  it("invoke-api 35: the caller's trace header is kept, else there is a new root", async () => {
    const trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    const kept = await world.invoke("hello", "{}", { "x-amzn-trace-id": trace });
    const made = await world.invoke("hello");
    assert.match(String(agent.calls[0]?.headers["x-amzn-trace-id"]), new RegExp(`^${trace};Lineage=1:[0-9a-f]{8}:0$`));
    assert.equal(kept.headers["x-amzn-trace-id"], agent.calls[0]?.headers["x-amzn-trace-id"]);
    assert.match(String(agent.calls[1]?.headers["x-amzn-trace-id"]), /^Root=1-[0-9a-f]{8}-[0-9a-f]{24};/);
    assert.equal(made.headers["x-amzn-trace-id"], agent.calls[1]?.headers["x-amzn-trace-id"]);
  });

  it("the tenant id reaches the agent as sent, from a bare header and from the AWS SDK", async () => {
    await world.invoke("hello", "{}", { "x-amz-tenant-id": "team a/1" });
    await sdk.send(new InvokeCommand({ FunctionName: "hello", TenantId: "blue" }));
    await world.invoke("hello");
    const seen = agent.calls.map(({ headers }) => headers["x-amz-tenant-id"]);
    assert.deepEqual(seen, ["team a/1", "blue", undefined]);
  });

  it("tracing mode Active decides what is sampled where the caller has not", async () => {
    const traced = await world.addFunction({ name: "traced", spec: { tracingConfig: { mode: "Active" } } });
    const seen = (await world.addEnvironment(traced)).calls;
    const root = "Root=1-5759e988-bd862e3fe1be46a994272793";
    await world.invoke("traced", "{}", { "x-amzn-trace-id": `${root};Sampled=0` });
    await world.invoke("traced", "{}", { "x-amzn-trace-id": root });
    await world.invoke("hello", "{}", { "x-amzn-trace-id": root });
    const headers = [...seen, ...agent.calls].map((call) => String(call.headers["x-amzn-trace-id"]));
    assert.deepEqual(
      headers.map((header) => /Sampled=(.)/.exec(header)?.[1]),
      ["0", "1", "0"],
    );
  });

  it("a trace header of any length is taken, and goes on bounded", async () => {
    const trace = `Root=1-5759e988-bd862e3fe1be46a994272793;X=${"x".repeat(100_000)}`;
    assert.equal((await world.invoke("hello", "{}", { "x-amzn-trace-id": trace })).status, 200);
    const passed = String(agent.calls[0]?.headers["x-amzn-trace-id"]);
    assert.match(passed, /^Root=1-5759e988-bd862e3fe1be46a994272793;/);
    assert.ok(passed.length < 1000);
  });

  it("the agent gets a claim for its own pod that the router's key has signed", async () => {
    await world.invoke("hello");
    const token = String(agent.calls[0]?.headers.authorization).replace("Bearer ", "");
    assert.equal(verifyClaim(token, [world.keys.publicKey], Date.now())?.["podUid"], agent.podUid);
  });

  it("what this release does not serve is told by name", async () => {
    const answer = await world.call("/2014-11-13/functions/hello/invoke-async/");
    assert.equal(answer.status, 400);
    assert.match(answer.body, /Cannot serve InvokeAsync: this release serves Invoke and InvokeWithResponseStream/);
    assert.equal((await world.call("/", { method: "GET" })).status, 404);
  });
});
