/** Who may call what, asked of a real API server by a router that has no more rights than the chart gives it. */
import assert from "node:assert/strict";
import { InvokeCommand, LambdaClient, type LambdaServiceException } from "@aws-sdk/client-lambda";
import { SignatureV4 } from "@smithy/signature-v4";
import { request } from "undici";
import { accountIdOf } from "../../crds/names.ts";
import { functionKind } from "../../crds/v1alpha1/function.ts";
import type { NewAccessKey } from "../../operator/access-keys.ts";
import { runAccessKey, UsageError } from "../../operator/cli/access-key.ts";
import { waitUntil } from "../cluster/wait-until.ts";
import { AccessWorld, forgedToken, type Question } from "../kit/access-world.ts";
import { pythonSdk, runPython } from "../kit/python-sdk.ts";
import { sendRaw } from "../kit/raw-connection.ts";
import { Sha256 } from "../kit/signed-request.ts";
import { aliasUrlId, urlHostSuffix, urlId, type UrlEventSeen } from "../kit/url-world.ts";
import { describeTop } from "./access-top.ts";

const group = "kubelambda.dev";
const missing = { message: "Missing Authentication Token" };
const invalid = "The security token included in the request is invalid.";
const arnOf = (namespace: string, name: string): string =>
  `arn:aws:lambda:us-east-1:${accountIdOf(namespace)}:function:${name}`;
const deniedTo = (account: string, arn: string): string =>
  `User: system:serviceaccount:${account.replace("/", ":")} is not authorized to perform: lambda:InvokeFunction on resource: ${arn} because no role-based access control rule allows the lambda:InvokeFunction action`;

describe("access to functions", function () {
  this.timeout(60_000);
  let world: AccessWorld;
  let key: NewAccessKey;
  const clients: LambdaClient[] = [];

  before(async function () {
    this.timeout(300_000);
    await pythonSdk();
    world = await AccessWorld.start(["team-a", "team-b"], { KUBELAMBDA_FUNCTION_URL_HOST: urlHostSuffix });
    for (const account of ["team-a/ci", "team-a/nobody", "team-a/only-one", "team-b/ci"])
      await world.makeAccount(account);
    await world.addFunction("team-a", "hello");
    await world.addFunction("team-a", "Upper_Case", "upper-case");
    await world.addFunction("team-b", "hello");
    await world.grant("team-a/ci", "team-a", "kubelambda-invoke");
    key = await world.makeKey("team-a/ci");
    await untilKnown(key);
    await waitUntil({ what: "the role to be known", timeoutMs: 20_000, everyMs: 500 }, async () =>
      (await invoke(key, "hello")).includes("team-a") ? true : undefined,
    );
  });
  after(async () => {
    for (const client of clients) client.destroy();
    await world.stop();
  });

  /** A key is there when it is not unknown any more. */
  async function untilKnown(made: NewAccessKey): Promise<void> {
    await waitUntil({ what: "the router to hear of the key", timeoutMs: 10_000, everyMs: 50 }, async () => {
      const outcome = await invoke(made, "hello");
      return outcome.includes("UnrecognizedClientException") ? undefined : true;
    });
  }

  function sdk(credentials: { accessKeyId: string; secretAccessKey: string; sessionToken?: string }): LambdaClient {
    const client = new LambdaClient({ endpoint: world.routerUrl, region: "us-east-1", credentials, maxAttempts: 1 });
    clients.push(client);
    return client;
  }

  /** The answer, or `<status> <code> <message>`. */
  async function invoke(credentials: Parameters<typeof sdk>[0], FunctionName: string): Promise<string> {
    try {
      const answer = await sdk(credentials).send(new InvokeCommand({ FunctionName, Payload: '{"ä":1}' }));
      return answer.Payload?.transformToString() ?? "";
    } catch (error) {
      const { name, message, $metadata } = error as LambdaServiceException;
      return `${$metadata.httpStatusCode} ${name} ${message}`;
    }
  }

  async function invokeWith(
    token: string | undefined,
    name: string,
  ): Promise<{ status: number; type: unknown; body: unknown }> {
    const { statusCode, headers, body } = await request(
      `${world.routerUrl}/2015-03-31/functions/${encodeURIComponent(name)}/invocations`,
      { method: "POST", body: "{}", headers: token === undefined ? {} : { authorization: `Bearer ${token}` } },
    );
    return { status: statusCode, type: headers["x-amzn-errortype"], body: await body.json() };
  }

  it("is refused without credentials, also to what is not there", async () => {
    for (const name of ["hello", "nothing"]) {
      const answer = await invokeWith(undefined, name);
      assert.deepEqual(answer, { status: 403, type: "MissingAuthenticationTokenException", body: missing });
    }
  });

  it("is given by an access key, whose account's namespace a bare name means", async () => {
    const want = { namespace: "team-a", name: "hello", event: { ä: 1 } };
    assert.deepEqual(JSON.parse(await invoke(key, "hello")), want);
    assert.deepEqual(JSON.parse(await invoke(key, arnOf("team-a", "hello"))), want);
    assert.match(await invoke(key, "Upper_Case"), /"name":"Upper_Case"/);
    assert.match(await invoke(key, "nothing"), /^404 ResourceNotFoundException Function not found: arn/);
  });

  it("is given to boto3, which does not say what the payload's hash is", async () => {
    const script = `
import boto3, json, os
from botocore.exceptions import ClientError
client = boto3.client("lambda", endpoint_url=os.environ["ROUTER"], region_name="us-east-1")
print(client.invoke(FunctionName="hello", Payload=json.dumps({"n": 1}))["Payload"].read().decode())
try:
    client.invoke(FunctionName=os.environ["FOREIGN"])
except ClientError as error:
    print(error.response["Error"]["Code"], error.response["Error"]["Message"])
`;
    const env = {
      ROUTER: world.routerUrl,
      FOREIGN: arnOf("team-b", "hello"),
      AWS_ACCESS_KEY_ID: key.accessKeyId,
      AWS_SECRET_ACCESS_KEY: key.secretAccessKey,
    };
    const [own = "", foreign] = (await runPython(script, { env })).trim().split("\n");
    assert.deepEqual(JSON.parse(own), { namespace: "team-a", name: "hello", event: { n: 1 } });
    assert.equal(foreign, `AccessDeniedException ${deniedTo("team-a/ci", arnOf("team-b", "hello"))}`);
  });

  it("to another tenant's functions is refused, whether or not they are there, until it is granted", async () => {
    for (const arn of [arnOf("team-b", "hello"), arnOf("team-b", "nothing"), arnOf("no-such-team", "hello")]) {
      assert.equal(await invoke(key, arn), `403 AccessDeniedException ${deniedTo("team-a/ci", arn)}`);
    }
    const other = await world.makeKey("team-b/ci");
    await untilKnown(other);
    assert.match(await invoke(other, "hello"), /^403 AccessDeniedException/);
    await world.grant("team-b/ci", "team-b", "kubelambda-invoke");
    await waitUntil({ what: "the refusal to be forgotten", timeoutMs: 20_000, everyMs: 500 }, async () =>
      (await invoke(other, "hello")).includes('"team-b"') ? true : undefined,
    );
  });

  it("may be to one function alone, by the name of its object", async () => {
    await world.make({
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "Role",
      metadata: { namespace: "team-a", name: "one" },
      rules: [
        { apiGroups: [group], resources: ["functions/invocations"], resourceNames: ["upper-case"], verbs: ["create"] },
      ],
    } as never);
    await world.grant("team-a/only-one", "team-a", "one");
    const token = await world.token("team-a/only-one");
    const one = { verb: "create", resource: "functions", group, subresource: "invocations", name: "upper-case" };
    await waitUntil({ what: "the role to be known", timeoutMs: 10_000, everyMs: 50 }, async () =>
      (await world.may("team-a/only-one", { ...one, namespace: "team-a" })) ? true : undefined,
    );
    assert.equal((await invokeWith(token, "Upper_Case")).status, 200);
    const refused = await invokeWith(token, "hello");
    const Message = deniedTo("team-a/only-one", arnOf("team-a", "hello"));
    assert.deepEqual(refused, { status: 403, type: "AccessDeniedException", body: { Message } });
  });

  it("is refused to wrong, unknown and mixed-up credentials as AWS refuses them", async () => {
    const wrong = await invoke({ ...key, secretAccessKey: "wrong" }, "hello");
    assert.match(wrong, /^403 InvalidSignatureException The request signature we calculated does not match/);
    const id = "AKIAIOSFODNN7EXAMPLE";
    assert.equal(await invoke({ ...key, accessKeyId: id }, "hello"), `403 UnrecognizedClientException ${invalid}`);
    for (const sessionToken of ["FwoGZXIvYXdzE", "e30.AAAA", "a.b.c", "."]) {
      assert.equal(await invoke({ ...key, sessionToken }, "hello"), `403 UnrecognizedClientException ${invalid}`);
    }
  });

  it("is given by tokens for the API server or for us, and by none for anybody else", async () => {
    const us = "lambda.kubelambda.dev";
    assert.equal((await invokeWith(await world.token("team-a/ci"), "hello")).status, 200);
    assert.equal((await invokeWith(await world.token("team-a/ci", [us]), "hello")).status, 200);
    const foreign = [await world.token("team-a/ci", ["router.kubelambda.dev"]), "a.b.c", "token", forgedToken(us)];
    for (const token of foreign) {
      const answer = await invokeWith(token, "hello");
      assert.deepEqual(answer, { status: 403, type: "UnrecognizedClientException", body: { message: invalid } });
    }
    assert.equal((await invokeWith(await world.token("team-a/nobody", [us]), "hello")).status, 403);
  });

  it("is asked for by function URLs with AWS_IAM, for a permission of their own, signed with and without the payload's hash", async () => {
    const functionURL = `${world.routerUrl}/lambda-url/${aliasUrlId}/`;
    const functionURLConfig = { authType: "AWS_IAM", invokeMode: "BUFFERED" };
    const spec = { functionURLConfig } as never;
    const owner = await world.routers.addFunction({ namespace: "team-a", name: "web", spec, status: { functionURL } });
    const agent = await world.routers.addEnvironment(owner);
    agent.script = ({ event }) => ({ body: event });
    const script = `
import json, os, sys, urllib.request, urllib.error
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
for secret in (os.environ["SECRET"], "wrong"):
    request = AWSRequest(method="POST", url=os.environ["URL"] + "a%20b?k=1", data=b"body", headers={"content-type": "text/plain"})
    SigV4Auth(Credentials(os.environ["ID"], secret), "lambda", "us-east-1").add_auth(request)
    try:
        answer = urllib.request.urlopen(urllib.request.Request(request.url, b"body", dict(request.headers.items()), method="POST"))
        context = json.load(answer)
        print(context["body"], context["requestContext"]["accountId"], context["requestContext"]["authorizer"]["iam"]["accessKey"])
    except urllib.error.HTTPError as error:
        print(error.code, error.headers["x-amzn-errortype"], error.read().decode()[:23])
`;
    const env = { URL: functionURL, ID: key.accessKeyId, SECRET: key.secretAccessKey };
    const [right, wrong] = (await runPython(script, { env })).trim().split("\n");
    assert.equal(right, `body ${accountIdOf("team-a")} ${key.accessKeyId}`);
    assert.equal(wrong, '403 AccessDeniedException {"Message":"Forbidden.');
    const nobody = await request(functionURL, {
      headers: { authorization: `Bearer ${await world.token("team-a/nobody")}` },
    });
    assert.deepEqual([nobody.statusCode, agent.calls.length], [403, 1]);
    await nobody.body.dump();
    const token = await world.token("team-a/ci");
    const own = await request(functionURL, { headers: { authorization: `Bearer ${token}`, "x-own": "1" } });
    assert.equal(own.statusCode, 200);
    await own.body.dump();
    const event = agent.calls.at(-1)?.event ?? "";
    const { headers, requestContext } = JSON.parse(event) as UrlEventSeen;
    assert.deepEqual([headers["x-own"], requestContext.accountId], ["1", accountIdOf("team-a")]);
    assert.ok(!event.includes(token), "the function is not given its caller's token");
  });

  it("is bound to the host and the URL that were signed, whatever form the request's target has", async () => {
    const host = `${urlId}.${urlHostSuffix}`;
    const functionURLConfig = { authType: "AWS_IAM", invokeMode: "BUFFERED" };
    const web = { namespace: "team-a", name: "web-by-host", spec: { functionURLConfig } as never };
    const owner = await world.routers.addFunction({ ...web, status: { functionURL: `https://${host}/` } });
    const agent = await world.routers.addEnvironment(owner);
    agent.script = ({ event }) => ({ body: event });
    /** What the answer begins with. */
    const send = async (target: string, signedHost: string, path = "/a"): Promise<string> => {
      const v4 = new SignatureV4({ credentials: key, region: "us-east-1", service: "lambda", sha256: Sha256 });
      const request = { method: "POST", protocol: "http:", hostname: signedHost, path, body: "{}" };
      const { headers } = await v4.sign({ ...request, headers: { host: signedHost } });
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
      const text = `POST ${target} HTTP/1.1\r\n${lines.join("")}content-length: 2\r\nconnection: close\r\n\r\n{}`;
      const { answer } = await sendRaw(world.routerUrl.slice("http://".length), [Buffer.from(text)], 10_000);
      return answer.toString().split("\r\n")[0] ?? "";
    };
    assert.equal(await send("/a", host), "HTTP/1.1 200 OK");
    assert.equal(await send(`http://${host}/a`, host), "HTTP/1.1 200 OK");
    assert.equal(agent.calls.length, 2);
    assert.equal(await send(`http://${host}/a`, "lambda.test"), "HTTP/1.1 400 Bad Request");
    assert.equal(agent.calls.length, 2, "what was signed for another host reaches no function");
    const byPath = `/lambda-url/${urlId}/a`;
    assert.equal(await send(byPath, "lambda.test", byPath), "HTTP/1.1 200 OK");
    // A signature signs a path without its dot segments.
    const other = `/lambda-url/${aliasUrlId}/a`;
    for (const way of [`/lambda-url/${urlId}/..`, `/lambda-url/${urlId}/a/./..//..`])
      assert.equal(await send(other.replace("/lambda-url", way), "lambda.test", other), "HTTP/1.1 403 Forbidden");
    assert.equal(agent.calls.length, 3, "what was signed for another URL reaches no function");
    await world.routers.store.delete({ kind: functionKind, namespace: "team-a", name: "web-by-host" });
  });

  it("ends with the access key, which the command line makes, lists without its secret, and deletes", async () => {
    const printed: string[] = [];
    const tools = {
      open: () => Promise.resolve({ store: world.keys, close: () => Promise.resolve() }),
      nowMs: () => Date.parse("2026-11-25T12:00:00Z"),
      write: (text: string) => void printed.push(text),
    };
    const cli = async (...args: string[]): Promise<string> => {
      await runAccessKey(args, tools);
      return printed.pop() ?? "";
    };
    const made = await cli("create", "--service-account", "team-a/ci", "--description", "nightly", "--output", "env");
    const [, accessKeyId = "", secretAccessKey = ""] =
      /^export AWS_ACCESS_KEY_ID=(KLAK[A-Z2-7]{16})\nexport AWS_SECRET_ACCESS_KEY=(\S{40})\n$/.exec(made) ?? [];
    await untilKnown({ accessKeyId, secretAccessKey, serviceAccount: "team-a/ci" });
    const list = await cli("list");
    assert.match(list, new RegExp(`${accessKeyId} +team-a/ci +2026-11-25T12:00:00.000Z +nightly\n`));
    assert.ok(!list.includes(secretAccessKey));
    assert.equal(await cli("delete", accessKeyId), `access key ${accessKeyId} deleted\n`);
    await waitUntil({ what: "the key to be unknown", timeoutMs: 10_000, everyMs: 50 }, async () =>
      (await invoke({ accessKeyId, secretAccessKey }, "hello")).includes("UnrecognizedClient") ? true : undefined,
    );
    await assert.rejects(
      cli("delete", accessKeyId),
      /Cannot delete access key "KLAK.*": there is none in Secret "kubelambda\/kubelambda-access-keys"/,
    );
    await assert.rejects(
      cli("create", "--service-account", "team-a/ghost"),
      /there is no ServiceAccount "team-a\/ghost"/,
    );
    await assert.rejects(cli("create", "--service-account", "ci"), /right is <namespace>\/<name>/);
    for (const args of [["create"], ["rotate"], ["list", "--colour"], ["delete"], ["list", "--output", "xml"]]) {
      await assert.rejects(cli(...args), UsageError, args.join(" "));
    }
  });

  it("goes on while the API server is away for who has called, and is refused to everyone else", async () => {
    assert.match(await invoke(key, "hello"), /team-a/);
    const known = await world.token("team-a/ci");
    const unknown = await world.token("team-a/nobody");
    assert.equal((await invokeWith(known, "hello")).status, 200);
    await world.controlPlane.kill("kube-apiserver");
    try {
      assert.match(await invoke(key, "hello"), /team-a/);
      assert.equal((await invokeWith(known, "hello")).status, 200);
      const answer = await invokeWith(unknown, "hello");
      const Message = "Cannot check the caller's credentials: the API server does not answer";
      assert.deepEqual(answer, { status: 500, type: "ServiceException", body: { Type: "Service", Message } });
      assert.match(await invoke(key, arnOf("team-c", "hello")), /^500 ServiceException/);
    } finally {
      await world.controlPlane.start("kube-apiserver");
    }
    await waitUntil({ what: "answers again", timeoutMs: 20_000, everyMs: 250 }, async () =>
      (await invokeWith(unknown, "hello")).status === 403 ? true : undefined,
    );
  });

  const invocations: Question = {
    verb: "create",
    resource: "functions",
    group,
    subresource: "invocations",
    namespace: "team-a",
  };
  const urls: Question = { ...invocations, subresource: "urlinvocations" };
  const functions = (verb: string): Question => ({ verb, resource: "functions", group, namespace: "team-a" });
  const roles: Record<string, { readonly can: readonly Question[]; readonly cannot: readonly Question[] }> = {
    "kubelambda-invoke": { can: [invocations, urls], cannot: [functions("get"), functions("create")] },
    "kubelambda-view": { can: [functions("get"), functions("watch")], cannot: [invocations, urls, functions("patch")] },
    "kubelambda-edit": {
      can: [functions("create"), functions("patch"), functions("delete")],
      cannot: [
        { ...functions("patch"), subresource: "status" },
        { ...functions("create"), namespace: "team-b" },
      ],
    },
  };
  for (const [role, { can, cannot }] of Object.entries(roles)) {
    it(`the role ${role} allows what it says and nothing else`, async () => {
      const account = `team-a/has-${role}`;
      await world.makeAccount(account);
      await world.grant(account, "team-a", role);
      for (const question of can) {
        // The API server's own watch of roles is a moment late.
        const what = `${role} to allow ${JSON.stringify(question)}`;
        await waitUntil({ what, timeoutMs: 10_000, everyMs: 50 }, async () =>
          (await world.may(account, question)) ? true : undefined,
        );
      }
      for (const question of cannot) assert.equal(await world.may(account, question), false, JSON.stringify(question));
    });
  }

  describeTop(() => world);

  it("the router may ask who someone is and what someone may do, and read one Secret", async () => {
    const router = "kubelambda/kubelambda-router";
    const secrets = { resource: "secrets", namespace: "kubelambda" };
    const reviews = { verb: "create", resource: "subjectaccessreviews", group: "authorization.k8s.io" };
    const tokens = { verb: "create", resource: "tokenreviews", group: "authentication.k8s.io" };
    const can: readonly Question[] = [reviews, tokens, { verb: "watch", ...secrets, name: "kubelambda-access-keys" }];
    const cannot: readonly Question[] = [
      ...["list", "watch", "get"].map((verb) => ({ verb, ...secrets })),
      ...["update", "patch", "delete"].map((verb) => ({ verb, ...secrets, name: "kubelambda-access-keys" })),
      { verb: "get", resource: "secrets", namespace: "team-a" },
      { verb: "create", resource: "serviceaccounts", subresource: "token", namespace: "team-a" },
      { verb: "impersonate", resource: "serviceaccounts", namespace: "team-a" },
      { ...tokens, verb: "get" },
      invocations,
    ];
    for (const question of can) assert.equal(await world.may(router, question), true, JSON.stringify(question));
    for (const question of cannot) assert.equal(await world.may(router, question), false, JSON.stringify(question));
    for (const other of ["operator", "packages"]) {
      for (const question of [...can, ...cannot]) {
        const account = `kubelambda/kubelambda-${other}`;
        assert.equal(await world.may(account, question), false, `${other} ${JSON.stringify(question)}`);
      }
    }
  });
});
