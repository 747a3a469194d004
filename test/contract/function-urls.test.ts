/** Function URLs through a real router: what the function sees, and what its callers get. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { promisify } from "node:util";
import { API_VERSION } from "../../crds/names.ts";
import { aliasKind, type AliasObject } from "../../crds/v1alpha1/alias.ts";
import { functionKind } from "../../crds/v1alpha1/function.ts";
import { versionKind } from "../../crds/v1alpha1/version.ts";
import { waitUntil } from "../cluster/wait-until.ts";
import type { HttpAnswer } from "../kit/router-world.ts";
import { aliasUrlId, urlHost, urlHostSuffix, urlId, UrlWorld } from "../kit/url-world.ts";
import { describeWithRouters } from "../kit/with-routers.ts";

const run = promisify(execFile);
const asJson = (value: unknown) => () => ({ body: JSON.stringify(value) });

describeWithRouters("function URLs", (routers) => {
  let world: UrlWorld;

  before(async () => (world = await UrlWorld.start(routers)));
  after(() => world.close());
  beforeEach(async () => {
    world.agent.calls.length = 0;
    world.versionAgent.calls.length = 0;
    world.agent.script = asJson("hello");
    await world.configure({});
  });

  it("invoke-api 29: raw path, joined query, no body, and the same by host and by path", async () => {
    for (const host of [undefined, urlHost, `${urlHost}:8080`]) {
      const claim = { headers: { "X-Forwarded-Prefix": "/claimed" } };
      const call = host === undefined ? claim : { ...claim, host };
      assert.equal((await world.url("/a%2Fb?k=1&k=2", call)).status, 200);
      const { rawPath, rawQueryString, queryStringParameters, requestContext, headers, ...event } = world.event;
      assert.deepEqual([rawPath, rawQueryString], ["/a%2Fb", "k=1&k=2"]);
      assert.deepEqual(queryStringParameters, { k: "1,2" });
      assert.equal("body" in event, false);
      assert.equal(requestContext.apiId, urlId);
      assert.equal(requestContext.domainName, host === undefined ? "127.0.0.1" : urlHost);
      assert.equal(headers["x-forwarded-prefix"], host === undefined ? `/lambda-url/${urlId}` : undefined);
    }
  });

  it("tells the function who calls and by what id; the answer's x-amzn-RequestId is the same", async () => {
    const { headers } = await world.url("/");
    const { requestContext, headers: seen } = world.event;
    assert.equal(requestContext.requestId, world.agent.calls[0]?.requestId);
    assert.equal(headers["x-amzn-requestid"], requestContext.requestId);
    assert.equal(requestContext.accountId, "anonymous");
    assert.equal(requestContext.authorizer, undefined);
    assert.match(seen["x-amzn-trace-id"] ?? "", /^Root=1-/);
    assert.equal(headers["x-amzn-trace-id"], seen["x-amzn-trace-id"]);
  });

  it("believes a trusted proxy who its client is", async () => {
    await world.url("/", { headers: { "x-forwarded-for": "6.6.6.6, 203.0.113.9", "x-forwarded-proto": "https" } });
    const { requestContext, headers } = world.event;
    assert.equal(requestContext.http["sourceIp"], "203.0.113.9");
    assert.deepEqual(
      ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-port"].map((name) => headers[name]),
      ["203.0.113.9", "https", "443"],
    );
  });

  it("passes a body of bytes on byte for byte, with a length and in chunks", async () => {
    const body = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    await world.url("/", { method: "POST", body, headers: { "content-type": "application/octet-stream" } });
    assert.equal(world.event.isBase64Encoded, true);
    assert.deepEqual(Buffer.from(world.event.body ?? "", "base64"), body);
    assert.equal(world.event.headers["content-length"], "256");
  });

  it("runs an alias' version for an alias' URL, named with the alias", async () => {
    world.versionAgent.script = asJson("version 1");
    assert.equal((await world.url("/", { id: aliasUrlId })).body, "version 1");
    assert.match(String(world.versionAgent.calls[0]?.headers["x-kubelambda-function-arn"]), /:hello:live$/);
    assert.equal(world.agent.calls.length, 0);
  });

  it("invoke-api 30: a text comes without quotes, as application/json", async () => {
    const { status, body, headers } = await world.url("/");
    assert.deepEqual([status, body, headers["content-length"]], [200, "hello", "5"]);
    assert.equal(headers["content-type"], "application/json");
  });

  it("invoke-api 31: status, body and a Set-Cookie for every cookie", async () => {
    world.agent.script = asJson({ statusCode: 201, cookies: ["a=1", "b=2"], body: "x" });
    const { status, body, headers } = await world.url("/");
    assert.deepEqual([status, body, headers["set-cookie"]], [201, "x", ["a=1", "b=2"]]);
  });

  const failing: Record<string, () => { body: string; headers?: Record<string, string> }> = {
    "invoke-api 32: that throws": () => ({
      body: '{"errorType":"Error","errorMessage":"secret"}',
      headers: { "x-amz-function-error": "Unhandled" },
    }),
    "with a status that is none": asJson({ statusCode: 1000 }),
    "with a header that would be two": asJson({ statusCode: 200, headers: { a: "b\r\nc: d" } }),
  };
  for (const [what, script] of Object.entries(failing)) {
    it(`${what.startsWith("invoke") ? "" : "an answer "}${what} is 502 Internal Server Error, and tells nothing else`, async () => {
      world.agent.script = script;
      const { status, body, headers } = await world.url("/");
      assert.deepEqual([status, body], [502, "Internal Server Error"]);
      assert.equal(headers["x-amzn-requestid"], world.agent.calls[0]?.requestId);
      assert.equal(headers["x-amz-function-error"], undefined);
    });
  }

  const unknown: Record<string, { host?: string; id?: string }> = {
    "by path": { id: "z".repeat(32) },
    "by host": { host: `${"z".repeat(32)}.${urlHostSuffix}` },
    "that is no id": { id: "nope" },
    "by host that is no id": { host: `nope.${urlHostSuffix}` },
  };
  for (const [what, call] of Object.entries(unknown)) {
    it(`invoke-api 34: an unknown URL ${what} is 403 with a null message`, async () => {
      const { status, body, headers } = await world.url("/", call);
      assert.deepEqual([status, body], [403, '{"Message":null}']);
      assert.equal(headers["x-amzn-errortype"], "AccessDeniedException");
    });
  }

  it("is closed with AWS_IAM to a caller without credentials, in AWS's words, and runs nothing", async () => {
    await world.configure({ authType: "AWS_IAM" });
    const { status, body, headers } = await world.url("/");
    assert.equal(status, 403);
    assert.match(body, /^\{"Message":"Forbidden\. For troubleshooting Function URL authorization issues, see: https:/);
    assert.equal(headers["x-amzn-errortype"], "AccessDeniedException");
    assert.equal(world.agent.calls.length, 0);
  });

  it("is gone with its configuration, as if there had never been one", async () => {
    const config = { functionURLConfig: null };
    const alias = { kind: aliasKind, name: "alias", namespace: "default" };
    const hello = { kind: functionKind, name: "hello", namespace: "default" };
    for (const [ref, id] of [
      [alias, aliasUrlId],
      [hello, urlId],
    ] as const) {
      const { spec } = await world.store.get<typeof world.hello>(ref);
      assert.equal((await world.url("/", { id })).status, 200);
      await world.store.patch(ref, { spec: config });
      const { status, body } = await world.url("/", { id });
      assert.deepEqual([status, body], [403, '{"Message":null}']);
      await world.store.patch(ref, { spec: { functionURLConfig: spec.functionURLConfig } });
      assert.equal((await world.url("/", { id })).status, 200);
    }
  });

  describe("whose alias or function is deleted", () => {
    const alias = { kind: aliasKind, name: "alias", namespace: "default" };
    const version = { kind: versionKind, name: "version", namespace: "default" };
    let own: UrlWorld;

    beforeEach(async () => (own = await UrlWorld.start(routers)));
    afterEach(() => own.close());

    const untilRefused = async (id: string): Promise<HttpAnswer> =>
      await waitUntil({ what: "the URL to be refused", timeoutMs: 10_000 }, async () => {
        const answer = await own.url("/", { id });
        return answer.status === 200 ? undefined : answer;
      });
    const forbidden = /^\{"Message":"Forbidden\. For troubleshooting Function URL authorization issues, see: https:/;

    for (const [what, ref] of Object.entries({ "is deleted": alias, "leads nowhere": version })) {
      it(`is forbidden in AWS's words when its alias ${what}`, async () => {
        assert.equal((await own.url("/", { id: aliasUrlId })).status, 200);
        await own.store.delete(ref);
        const { status, body, headers } = await untilRefused(aliasUrlId);
        assert.equal(status, 403);
        assert.match(body, forbidden);
        assert.equal(headers["x-amzn-errortype"], "AccessDeniedException");
        assert.equal((await own.url("/")).status, 200);
      });
    }

    it("is there again with its alias, and unknown without its configuration after that", async () => {
      const { spec, status } = await own.store.get<AliasObject>(alias);
      await own.store.delete(alias);
      await untilRefused(aliasUrlId);
      await own.store.create({
        apiVersion: API_VERSION,
        kind: "Alias",
        metadata: { name: "alias", namespace: "default" },
        spec,
      });
      await own.store.patch(alias, { status }, { subresource: "status" });
      await waitUntil({ what: "the URL to be there", timeoutMs: 10_000 }, async () =>
        (await own.url("/", { id: aliasUrlId })).status === 200 ? true : undefined,
      );
      await own.store.patch(alias, { spec: { functionURLConfig: null } });
      assert.equal((await untilRefused(aliasUrlId)).body, '{"Message":null}');
    });

    it("is unknown when its function is deleted", async () => {
      await own.store.delete({ kind: functionKind, name: "hello", namespace: "default" });
      const { status, body } = await untilRefused(urlId);
      assert.deepEqual([status, body], [403, '{"Message":null}']);
    });
  });

  it("is 429 with a reason when the function is off", async () => {
    const ref = { kind: functionKind, name: "hello", namespace: "default" };
    await world.store.patch(ref, { spec: { reservedConcurrentExecutions: 0 } });
    const { status, body, headers } = await world.url("/");
    assert.equal(status, 429);
    assert.match(body, /ReservedFunctionConcurrentInvocationLimitExceeded/);
    assert.equal(headers["retry-after"], "1");
    await world.store.patch(ref, { spec: { reservedConcurrentExecutions: null } });
  });

  it("takes 6 MB as text, and refuses what is more, or becomes more in base64, with 413", async () => {
    const text = { "content-type": "text/plain" };
    const post = async (bytes: number, headers: Record<string, string>): Promise<number> =>
      (await world.url("/", { method: "POST", headers, body: Buffer.alloc(bytes, "a") })).status;
    assert.equal(await post(6_200_000, text), 200);
    assert.equal(await post(6_291_457, text), 413);
    assert.equal(await post(5_000_000, { "content-type": "image/png" }), 413);
    assert.equal(world.agent.calls.length, 1);
  });

  it("HEAD gets the headers of an answer and no body", async () => {
    world.agent.script = asJson({ statusCode: 200, headers: { "x-a": "1" }, body: "12345" });
    const { status, body, headers } = await world.url("/", { method: "HEAD" });
    assert.deepEqual([status, body, headers["content-length"], headers["x-a"]], [200, "", "5", "1"]);
    assert.equal(world.event.requestContext.http["method"], "HEAD");
  });

  it("statuses without a body have none", async () => {
    for (const statusCode of [204, 304]) {
      world.agent.script = asJson({ statusCode, body: "not sent" });
      const { status, body, headers } = await world.url("/");
      assert.deepEqual([status, body, headers["content-length"]], [statusCode, "", undefined]);
    }
  });

  describe("with CORS", () => {
    const cors = {
      allowCredentials: false,
      maxAge: 60,
      allowOrigins: ["https://x"],
      allowMethods: ["GET" as const],
    };
    const origin = "https://x";

    it("invoke-api 33: a preflight is answered without the function", async () => {
      await world.configure({ cors, authType: "AWS_IAM" });
      const headers = { origin, "access-control-request-method": "GET" };
      const answer = await world.url("/", { method: "OPTIONS", headers });
      assert.deepEqual([answer.status, answer.body], [200, ""]);
      assert.equal(answer.headers["access-control-allow-origin"], origin);
      assert.equal(answer.headers["access-control-allow-methods"], "GET");
      assert.equal(answer.headers["access-control-max-age"], "60");
      assert.equal(world.agent.calls.length, 0);
    });

    it("the URL's headers stand in place of the function's, also beside an error", async () => {
      await world.configure({ cors });
      world.agent.script = asJson({ statusCode: 200, headers: { "Access-Control-Allow-Origin": "*" } });
      assert.equal((await world.url("/", { headers: { origin } })).headers["access-control-allow-origin"], origin);
      assert.equal(
        (await world.url("/", { headers: { origin: "https://y" } })).headers["access-control-allow-origin"],
        undefined,
      );
      world.agent.script = asJson({ statusCode: 0 });
      const failed = await world.url("/", { headers: { origin } });
      assert.deepEqual([failed.status, failed.headers["access-control-allow-origin"]], [502, origin]);
    });

    it("without a CORS block OPTIONS goes to the function", async () => {
      await world.url("/", { method: "OPTIONS", headers: { origin, "access-control-request-method": "GET" } });
      assert.equal(world.event.requestContext.http["method"], "OPTIONS");
    });
  });

  it("is called with curl: cookies, a form, a redirect that is not followed", async () => {
    world.agent.script = asJson({ statusCode: 302, headers: { location: "/there" }, cookies: ["s=1; HttpOnly"] });
    const url = `http://127.0.0.1:${world.router.invokePort}/lambda-url/${urlId}/form?x`;
    const { stdout } = await run("curl", ["-si", "--max-time", "10", "-b", "a=1; b=2", "-F", "field=value", url]);
    assert.match(stdout, /^HTTP\/1\.1 302 Found\r\n/);
    assert.match(stdout, /^location: \/there\r$/im);
    assert.match(stdout, /^set-cookie: s=1; HttpOnly\r$/im);
    assert.deepEqual(world.event.cookies, ["a=1", "b=2"]);
    assert.equal(world.event.isBase64Encoded, true);
    assert.match(Buffer.from(world.event.body ?? "", "base64").toString(), /name="field"\r\n\r\nvalue\r\n/);
    assert.deepEqual(world.event.queryStringParameters, { x: "" });
  });

  it("curl that offers HTTP/2 is served over HTTP/1.1", async () => {
    const url = `http://127.0.0.1:${world.router.invokePort}/lambda-url/${urlId}/`;
    const { stdout } = await run("curl", ["-s", "--max-time", "10", "--http2", "-w", " %{http_version}", url]);
    assert.equal(stdout, "hello 1.1");
    assert.equal("upgrade" in world.event.headers || "http2-settings" in world.event.headers, false);
  });

  it("an answer of 6 MB comes whole", async () => {
    const body = "ä".repeat(3_000_000);
    world.agent.script = asJson(body);
    const answer = await world.url("/");
    const hash = (text: string): string => createHash("sha256").update(text).digest("hex");
    assert.equal(hash(answer.body), hash(body));
  });
});

describe("a function URL with AWS_IAM, while callers are asked about and nobody answers", () => {
  let world: UrlWorld;

  before(async () => {
    world = await UrlWorld.start(1, { KUBELAMBDA_AUTH_MODE: "required" });
    await world.configure({ authType: "AWS_IAM" });
  });
  after(() => world.close());

  it("is 429 with a reason to one more than can be asked about from one address, so that it is tried again", async () => {
    const gate = Promise.withResolvers<object>();
    let asked = 0;
    world.store.raw = async () => {
      asked += 1;
      return await gate.promise;
    };
    const call = async (n: number): Promise<HttpAnswer> =>
      await world.url("/", { headers: { authorization: `Bearer token-${n}` } });
    const others = Array.from({ length: 16 }, (_, n) => call(n));
    await waitUntil({ what: "all to be asked about", timeoutMs: 10_000 }, () => asked === 16 || undefined);
    const { status, body, headers } = await call(16);
    const reason = { Reason: "CallerRateLimitExceeded", Type: "User", message: "Rate exceeded" };
    assert.deepEqual([status, JSON.parse(body), headers["retry-after"]], [429, reason, "1"]);
    gate.resolve({ status: { authenticated: false } });
    for (const other of await Promise.all(others)) assert.equal(other.status, 403);
    assert.equal((await call(16)).status, 403, "once there is room again");
    assert.equal(world.agent.calls.length, 0);
  });
});
