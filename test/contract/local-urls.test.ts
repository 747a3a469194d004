/** Function URLs in local mode: the real Node.js client behind the real router, called with curl. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, describe, it } from "mocha";
import { promisify } from "node:util";
import { stringify } from "yaml";
import { LocalProcess } from "../kit/local-process.ts";

const run = promisify(execFile);
const apiVersion = "kubelambda.dev/v1alpha1";

const web = `
export const handler = async (event) => {
  if (event.rawPath === "/throw") throw new Error("no");
  if (event.rawPath === "/text") return "hello";
  return { statusCode: 201, cookies: ["a=1", "b=2"], body: event.rawPath + "?" + event.rawQueryString };
};`;
const stream = `
export const handler = awslambda.streamifyResponse(async (event, responseStream) => {
  const metadata = { statusCode: 202, headers: { "Content-Type": "text/plain", "X-Path": event.rawPath } };
  const stream = awslambda.HttpResponseStream.from(responseStream, metadata);
  stream.write("first ");
  await new Promise((resolve) => setTimeout(resolve, 20));
  stream.write("second");
  stream.end();
});`;

function manifest(kind: string, name: string, spec: object): string {
  return stringify({ apiVersion, kind, metadata: { name }, spec });
}
function coded(name: string, code: string, functionURLConfig: object): string {
  const base = { runtime: "nodejs24.x", handler: "index.handler", timeout: 10 };
  return manifest("Function", name, { ...base, functionURLConfig, code: { files: { "index.mjs": code } } });
}

describe("local mode's function URLs", function () {
  this.timeout(120_000);
  const local = new LocalProcess();

  before(async () => {
    local.write("web.yaml", coded("web", web, { authType: "NONE" }));
    local.write("stream.yaml", coded("stream", stream, { authType: "NONE", invokeMode: "RESPONSE_STREAM" }));
    local.write("closed.yaml", coded("closed", web, { authType: "AWS_IAM" }));
    local.write("first.yaml", manifest("Version", "first", { functionName: "web" }));
    const functionURLConfig = { authType: "NONE" };
    local.write(
      "live.yaml",
      manifest("Alias", "live", { functionName: "web", functionVersion: "1", functionURLConfig }),
    );
    await local.start();
    await local.until(() => ["web", "stream", "closed", "web:live"].every((name) => urlOf(name) !== undefined), 60_000);
  });
  after(async () => {
    const { status, left } = await local.stop();
    assert.deepEqual([status, left], [0, []]);
  });

  /** As the table shows it, under the Invoke API's. */
  function urlOf(name: string): string | undefined {
    const url = new RegExp(
      `/functions/${name}/invocations\\n +(http://127\\.0\\.0\\.1:\\d+/lambda-url/[0-9a-z]{32}/)\\n`,
    );
    return url.exec(local.output)?.[1];
  }

  async function curl(...args: readonly string[]): Promise<string> {
    return (await run("curl", ["-si", "--max-time", "20", ...args])).stdout;
  }

  it("are in the table, and serve by path and by host", async () => {
    const url = urlOf("web") ?? "";
    const { port } = new URL(url);
    const id = url.split("/").at(-2) ?? "";
    const host = `Host: ${id}.lambda-url.localhost:${port}`;
    for (const args of [[`${url}a%2Fb?k=1`], ["-H", host, `http://127.0.0.1:${port}/a%2Fb?k=1`]]) {
      const answer = await curl(...args);
      assert.match(answer, /^HTTP\/1\.1 201 Created\r\n/);
      assert.match(answer, /set-cookie: a=1\r\nset-cookie: b=2\r\n/i);
      assert.match(answer, /\r\n\r\n\/a%2Fb\?k=1$/);
    }
  });

  it("invoke-api 30, 32: a text without quotes; an error as 502", async () => {
    assert.match(await curl(`${urlOf("web") ?? ""}text`), /^HTTP\/1\.1 200 .*content-length: 5\r\n.*\r\n\r\nhello$/is);
    assert.match(await curl(`${urlOf("web") ?? ""}throw`), /^HTTP\/1\.1 502 .*\r\n\r\nInternal Server Error$/s);
  });

  it("stream what awslambda.HttpResponseStream writes, behind its prelude", async () => {
    const answer = await curl("--raw", `${urlOf("stream") ?? ""}here`);
    assert.match(answer, /^HTTP\/1\.1 202 Accepted\r\n/);
    assert.match(answer, /^content-type: text\/plain\r$/im);
    assert.match(answer, /^x-path: \/here\r$/im);
    assert.match(answer, /\r\n\r\n6\r\nfirst \r\n6\r\nsecond\r\n0\r\n\r\n$/);
  });

  it("lead to an alias' version", async () => {
    assert.match(await curl(`${urlOf("web:live") ?? ""}x`), /^HTTP\/1\.1 201 .*\r\n\r\n\/x\?$/s);
    assert.notEqual(urlOf("web:live"), urlOf("web"));
  });

  it("are closed with AWS_IAM to who shows nothing", async () => {
    assert.match(await curl(urlOf("closed") ?? ""), /^HTTP\/1\.1 403 .*\{"Message":"Forbidden\./s);
  });
});
