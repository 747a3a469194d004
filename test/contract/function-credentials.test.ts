/** A function calls another with an AWS SDK as it is: a real agent and supervisor, real SDKs, a router that asks a real API server. */
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { InvokeCommand, LambdaClient, type LambdaServiceException } from "@aws-sdk/client-lambda";
import type { FunctionCredentials } from "../../crds/wire/credentials.ts";
import { routes } from "../../crds/wire/routes.ts";
import { FunctionCredentialMint } from "../../runtime-proxy/access/function-credentials.ts";
import { waitUntil } from "../cluster/wait-until.ts";
import { AccessWorld } from "../kit/access-world.ts";
import { AgentEnvironment, type EnvironmentOptions } from "../kit/agent-environment.ts";
import { pythonSdk, runPython } from "../kit/python-sdk.ts";

const sdk = createRequire(import.meta.url).resolve("@aws-sdk/client-lambda");

/** Calls what the event names and answers with what came. */
const nodeCaller = `#!${process.execPath}
const { LambdaClient, InvokeCommand } = require(${JSON.stringify(sdk)});
const api = "http://" + process.env.AWS_LAMBDA_RUNTIME_API + "/2018-06-01/runtime/invocation";
const client = new LambdaClient({ maxAttempts: 1 });
async function call(event) {
  if (event.show) return JSON.stringify(Object.fromEntries(event.show.map((name) => [name, process.env[name] ?? null])));
  try { return (await client.send(new InvokeCommand(event))).Payload.transformToString(); }
  catch (error) { return JSON.stringify(error.name + " " + error.message); }
}
(async () => {
  for (;;) {
    const next = await fetch(api + "/next");
    const id = next.headers.get("lambda-runtime-aws-request-id");
    const body = await call(await next.json());
    await fetch(api + "/" + id + "/response", { method: "POST", body });
  }
})();
`;
const pythonCaller = (python: string, folder: string): string => `#!${python}
import json, os, sys, urllib.request
sys.path.insert(0, ${JSON.stringify(folder)})
import boto3
from botocore.exceptions import ClientError
api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
client = boto3.client("lambda")
def call(event):
    try:
        return client.invoke(**event)["Payload"].read()
    except ClientError as error:
        return json.dumps(error.response["Error"]["Code"] + " " + error.response["Error"]["Message"]).encode()
while True:
    with urllib.request.urlopen(api + "next") as answer:
        request_id, event = answer.headers["lambda-runtime-aws-request-id"], json.load(answer)
    urllib.request.urlopen(urllib.request.Request(api + request_id + "/response", call(event), method="POST"))
`;

describe("a function that calls another", function () {
  this.timeout(60_000);
  let world: AccessWorld;
  let python: string;
  const environments: AgentEnvironment[] = [];

  before(async function () {
    this.timeout(300_000);
    python = (await runPython("import sys; print(sys.executable)")).trim();
    world = await AccessWorld.start([]);
    await world.addFunction("default", "other");
  });
  after(async () => {
    for (const environment of environments) await environment.stop();
    await world.stop();
  });

  async function start(bootstrap: string, document: EnvironmentOptions["document"] = {}): Promise<AgentEnvironment> {
    const environment = await AgentEnvironment.start({
      document: { region: "us-east-1", timeoutSeconds: 20, ...document },
      files: { bootstrap },
      routerUrls: [`http://127.0.0.1:${world.routers.router.internalPort}`],
      variables: { KUBELAMBDA_LAMBDA_URL: world.routerUrl },
    });
    environments.push(environment);
    return environment;
  }

  async function ask(environment: AgentEnvironment, event: object): Promise<unknown> {
    return JSON.parse((await environment.invoke(JSON.stringify(event))).body.toString());
  }

  it("has the rights of its service account: none until they are given, by the SDKs for JavaScript and Python", async () => {
    const callers = [await start(nodeCaller), await start(pythonCaller(python, await pythonSdk()))];
    for (const caller of callers) {
      const denied = await ask(caller, { FunctionName: "other" });
      assert.match(
        String(denied),
        /^AccessDeniedException User: system:serviceaccount:default:default is not authorized/,
      );
    }
    await world.grant("default/default", "default", "kubelambda-invoke");
    for (const caller of callers) {
      await waitUntil({ what: "the right to call", timeoutMs: 20_000, everyMs: 500 }, async () => {
        const answer = await ask(caller, { FunctionName: "other", Payload: '{"from":"a function"}' });
        return typeof answer === "object" ? answer : undefined;
      });
      const answer = await ask(caller, { FunctionName: "other", Payload: '{"from":"a function"}' });
      assert.deepEqual(answer, { namespace: "default", name: "other", event: { from: "a function" } });
    }
  });

  it("is told of nothing where it has an endpoint or credentials of its own", async () => {
    const show = ["AWS_ENDPOINT_URL_LAMBDA", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN"];
    const own = await start(nodeCaller, { variables: { AWS_ENDPOINT_URL_LAMBDA: "http://own" } });
    const seen = (await ask(own, { show })) as Record<string, string | null>;
    assert.equal(seen["AWS_ENDPOINT_URL_LAMBDA"], "http://own");
    assert.match(seen["AWS_CONTAINER_CREDENTIALS_FULL_URI"] ?? "", /^http:\/\/127\.0\.0\.1:\d+\//);
    const web = await start(nodeCaller, { variables: { AWS_WEB_IDENTITY_TOKEN_FILE: "/token" } });
    assert.deepEqual(Object.values((await ask(web, { show })) as object), [null, null, null]);
  });

  it("gets credentials from its agent only when it shows what its environment was given", async () => {
    const caller = await start(nodeCaller);
    const show = ["AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN"];
    const [url = "", token = ""] = Object.values((await ask(caller, { show })) as Record<string, string>);
    for (const authorization of ["", "wrong", `${token}x`]) {
      assert.equal((await fetch(url, { headers: { authorization } })).status, 401);
    }
    assert.equal((await fetch(url, { method: "PUT", headers: { authorization: token } })).status, 405);
    const first = (await (await fetch(url, { headers: { authorization: token } })).json()) as FunctionCredentials;
    assert.match(first.AccessKeyId, /^KLSK[A-Z2-7]{16}$/);
    const leftMs = Date.parse(first.Expiration) - Date.now();
    assert.ok(leftMs > 50 * 60_000 && leftMs <= 60 * 60_000);
    const again = (await (await fetch(url, { headers: { authorization: token } })).json()) as FunctionCredentials;
    assert.deepEqual(again, first, "kept while they hold");
  });

  it("cannot make, change, mix or outlive its credentials", async () => {
    const internal = `http://127.0.0.1:${world.routers.router.internalPort}${routes.credentials}`;
    assert.equal((await fetch(internal, { method: "POST" })).status, 401);
    const take = async (): Promise<FunctionCredentials> =>
      (await (
        await fetch(internal, { method: "POST", headers: { authorization: "Bearer pod" } })
      ).json()) as FunctionCredentials;
    const [mine, yours] = [await take(), await take()];
    const old = new FunctionCredentialMint(world.routers.keys.privateKey, () => Date.now() - 3_601_000);
    const expired = old.mint({ namespace: "default", serviceAccount: "default", podUid: "pod" });
    const [body = "", seal = ""] = mine.Token.split(".");
    const claim = JSON.parse(Buffer.from(body, "base64url").toString()) as object;
    const changed = Buffer.from(JSON.stringify({ ...claim, serviceAccount: "admin" })).toString("base64url");
    const invalid = "UnrecognizedClientException The security token included in the request is invalid.";
    const cases: readonly (readonly [FunctionCredentials, string | RegExp])[] = [
      [mine, "ok"],
      [{ ...mine, Token: `${changed}.${seal}` }, invalid],
      [{ ...mine, AccessKeyId: "KLSKAAAAAAAAAAAAAAAA" }, invalid],
      [{ ...mine, SecretAccessKey: yours.SecretAccessKey.replace(/^./, "_") }, /^InvalidSignatureException /],
      [expired, "ExpiredTokenException The security token included in the request is expired"],
    ];
    for (const [credentials, want] of cases) {
      const got = await callAs(credentials);
      if (typeof want === "string") assert.equal(got, want);
      else assert.match(got, want);
    }
  });

  async function callAs({ AccessKeyId, SecretAccessKey, Token }: FunctionCredentials): Promise<string> {
    const credentials = { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: Token };
    const client = new LambdaClient({ endpoint: world.routerUrl, region: "us-east-1", credentials, maxAttempts: 1 });
    try {
      await client.send(new InvokeCommand({ FunctionName: "other" }));
      return "ok";
    } catch (error) {
      const { name, message } = error as LambdaServiceException;
      return `${name} ${message}`;
    } finally {
      client.destroy();
    }
  }
});
