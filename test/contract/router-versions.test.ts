/** Versions and aliases through a real router: which environments take a call, and what the caller is told. */
import assert from "node:assert/strict";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { after, before, beforeEach, it } from "mocha";
import { accountIdOf, API_VERSION } from "../../crds/names.ts";
import { aliasKind } from "../../crds/v1alpha1/alias.ts";
import type { FunctionObject } from "../../crds/v1alpha1/function.ts";
import { versionKind } from "../../crds/v1alpha1/version.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";
import { RouterWorld } from "../kit/router-world.ts";
import type { ScriptedAgent } from "../kit/scripted-agent.ts";
import { describeWithRouters } from "../kit/with-routers.ts";

const arn = `arn:aws:lambda:us-east-1:${accountIdOf("default")}:function:hello`;

describeWithRouters("versions and aliases through the router", (routers) => {
  let world: RouterWorld;
  let hello: Stored<FunctionObject>;
  let agents: Record<"latest" | "1" | "2", ScriptedAgent>;

  before(async () => {
    world = new RouterWorld();
    await world.startRouters(routers);
    hello = await world.addFunction({ name: "hello" });
    await addVersion("one", 1);
    await addVersion("two", 2);
    agents = {
      latest: await world.addEnvironment(hello),
      1: await world.addEnvironment(hello, "v1"),
      2: await world.addEnvironment(hello, "v2"),
    };
  });
  after(() => world.close());
  beforeEach(() => {
    for (const [version, agent] of Object.entries(agents)) {
      agent.calls.length = 0;
      const executed = version === "latest" ? "$LATEST" : version;
      agent.script = () => ({ body: "{}", headers: { "x-amz-executed-version": executed } });
    }
  });

  async function addVersion(name: string, version: number, status: object = {}): Promise<void> {
    const metadata = { name, namespace: "default" };
    const object = { apiVersion: API_VERSION, kind: "Version", metadata, spec: { functionName: "hello" } };
    await world.store.create(object);
    const ref = { kind: versionKind, ...metadata };
    const published = { version, revisionID: `v${version}`, timeout: 3, ...status };
    await world.store.patch(ref, { status: published }, { subresource: "status" });
  }

  async function addAlias(name: string, spec: object, status: object = {}): Promise<void> {
    const metadata = { name: name.toLowerCase(), namespace: "default" };
    const object = { apiVersion: API_VERSION, kind: "Alias", metadata, spec: { name, functionName: "hello", ...spec } };
    await world.store.create(object);
    await world.store.patch({ kind: aliasKind, ...metadata }, { status }, { subresource: "status" });
  }

  async function removeAlias(name: string): Promise<void> {
    await world.store.delete({ kind: aliasKind, name: name.toLowerCase(), namespace: "default" });
  }

  /** Calls of each agent. */
  function counts(): Record<string, number> {
    return Object.fromEntries(Object.entries(agents).map(([version, { calls }]) => [version, calls.length]));
  }

  const ways: Record<string, { path: string; invoked: string; version: string; ran: string }> = {
    "no qualifier": { path: "hello/invocations", invoked: arn, version: "$LATEST", ran: "latest" },
    "$LATEST in the query": {
      path: "hello/invocations?Qualifier=$LATEST",
      invoked: `${arn}:$LATEST`,
      version: "$LATEST",
      ran: "latest",
    },
    "a number in the name": { path: "hello:1/invocations", invoked: `${arn}:1`, version: "1", ran: "1" },
    "a number in the query": { path: "hello/invocations?Qualifier=2", invoked: `${arn}:2`, version: "2", ran: "2" },
    "a number in an ARN": {
      path: `${encodeURIComponent(`${arn}:2`)}/invocations`,
      invoked: `${arn}:2`,
      version: "2",
      ran: "2",
    },
    "the same in both": { path: "hello:1/invocations?Qualifier=1", invoked: `${arn}:1`, version: "1", ran: "1" },
  };
  for (const [way, { path, invoked, version, ran }] of Object.entries(ways)) {
    it(`finds the version by ${way}, and the function hears the ARN as it was named`, async () => {
      const answer = await world.call(`/2015-03-31/functions/${path}`, { body: "{}" });
      assert.equal(answer.status, 200, answer.body);
      assert.equal(answer.headers["x-amz-executed-version"], version);
      assert.deepEqual(counts(), { latest: 0, 1: 0, 2: 0, [ran]: 1 });
      const agent = Object.entries(agents).find(([name]) => name === ran)?.[1];
      assert.equal(agent?.calls[0]?.headers["x-kubelambda-function-arn"], invoked);
    });
  }

  it("invoke-api 25: by an alias runs its version, named with the alias", async () => {
    await addAlias("Live_1", { functionVersion: "2" });
    const sdk = new LambdaClient({
      endpoint: `http://127.0.0.1:${world.router.invokePort}`,
      region: "us-east-1",
      credentials: { accessKeyId: "dummy", secretAccessKey: "dummy" },
      maxAttempts: 1,
    });
    const answer = await sdk.send(new InvokeCommand({ FunctionName: "hello", Qualifier: "Live_1", Payload: "{}" }));
    sdk.destroy();
    assert.equal(answer.ExecutedVersion, "2");
    assert.equal(agents[2].calls[0]?.headers["x-kubelambda-function-arn"], `${arn}:Live_1`);
    await removeAlias("Live_1");
  });

  it("streams from the version of a qualifier, too", async () => {
    const path = "/2021-11-15/functions/hello/response-streaming-invocations";
    const answer = await world.call(`${path}?Qualifier=2`, { body: "{}" });
    assert.deepEqual([answer.status, answer.headers["x-amz-executed-version"]], [200, "2"]);
    assert.equal((await world.call(`${path}?Qualifier=9`, { body: "{}" })).status, 404);
  });

  const missing: Record<string, string> = {
    "a number that is none": "9",
    "an alias that is none": "nowhere",
    "the wrong case": "$latest",
    "a number with a zero before": "01",
  };
  for (const [what, qualifier] of Object.entries(missing)) {
    it(`invoke-api 6, 18: answers 404 for ${what}, and names it`, async () => {
      for (const headers of [{}, { "x-amz-invocation-type": "DryRun" }]) {
        const path = `/2015-03-31/functions/hello/invocations?Qualifier=${encodeURIComponent(qualifier)}`;
        const answer = await world.call(path, { body: "{}", headers });
        assert.equal(answer.status, 404);
        assert.equal(answer.headers["x-amzn-errortype"], "ResourceNotFoundException");
        assert.deepEqual(JSON.parse(answer.body), { Type: "User", Message: `Function not found: ${arn}:${qualifier}` });
      }
    });
  }

  it("invoke-api 19: answers 400 when name and query differ", async () => {
    const answer = await world.call("/2015-03-31/functions/hello:1/invocations?Qualifier=2", { body: "{}" });
    assert.equal(answer.status, 400);
    assert.match(answer.body, /The derived qualifier from the function name does not match the specified qualifier\./);
  });

  it("versions-aliases 19: sends all calls to the additional version with weight 1, and none with weight 0", async () => {
    for (const [weight, want] of [
      [1, "2"],
      [0, "1"],
    ] as const) {
      await addAlias("split", { functionVersion: "1", routingConfig: { additionalVersionWeights: { "2": weight } } });
      for (let i = 0; i < 5; i++) {
        const answer = await world.invoke("hello:split");
        assert.equal(answer.headers["x-amz-executed-version"], want);
      }
      await removeAlias("split");
    }
  });

  it("goes on with the route of the status while the spec's version is not there, and follows the newest", async () => {
    await addAlias("behind", { functionVersion: "9" }, { functionVersion: "1" });
    await addAlias("newest", {});
    assert.equal((await world.invoke("hello:behind")).headers["x-amz-executed-version"], "1");
    assert.equal((await world.invoke("hello:newest")).headers["x-amz-executed-version"], "2");
    await removeAlias("behind");
    await removeAlias("newest");
  });

  it("reports calls that wait for a version under that version's revision, and serves each its own", async () => {
    await addVersion("three", 3);
    const waiting = world.invoke("hello:3");
    const report = await world.reported(({ functions }) =>
      functions.some(({ revisionID, needed }) => revisionID === "v3" && needed === 1),
    );
    const loads = report.functions.filter(({ functionUid }) => functionUid === hello.metadata.uid);
    const idle = loads.flatMap((load) => load.idle.map(({ podUid }) => podUid));
    assert.deepEqual(idle.toSorted(), world.agents.map(({ podUid }) => podUid).toSorted());
    const agent = await world.addPod(hello, "v3");
    agent.script = () => ({ body: "3", headers: { "x-amz-executed-version": "3" } });
    await world.announce(agent);
    const answer = await waiting;
    assert.deepEqual([answer.status, answer.body, answer.headers["x-amz-executed-version"]], [200, "3", "3"]);
  });

  it("concurrency 11: counts reserved concurrency over all versions of a function", async () => {
    const ref = {
      kind: { ...versionKind, kind: "Function", plural: "functions" },
      name: "hello",
      namespace: "default",
    };
    await world.store.patch(ref, { spec: { reservedConcurrentExecutions: 1 } });
    const started = Promise.withResolvers<undefined>();
    const release = Promise.withResolvers<undefined>();
    agents[1].script = async () => {
      started.resolve(undefined);
      await release.promise;
      return { body: "{}" };
    };
    const running = world.invoke("hello:1");
    await started.promise;
    for (const name of ["hello", "hello:2", "hello:1"]) {
      const answer = await world.invoke(name);
      assert.equal(answer.status, 429, name);
      assert.match(answer.body, /ReservedFunctionConcurrentInvocationLimitExceeded/);
    }
    release.resolve(undefined);
    assert.equal((await running).status, 200);
    await world.store.patch(ref, { spec: { reservedConcurrentExecutions: null } });
  });

  it("ends waiting calls of a version that goes with 404", async () => {
    await addVersion("four", 4);
    const waiting = world.invoke("hello:4");
    await world.reported(({ functions }) =>
      functions.some(({ revisionID, needed }) => revisionID === "v4" && needed === 1),
    );
    await world.store.delete({ kind: versionKind, name: "four", namespace: "default" });
    const answer = await waiting;
    assert.equal(answer.status, 404);
    assert.match(answer.body, new RegExp(`Function not found: ${arn}:4`));
  });
});
