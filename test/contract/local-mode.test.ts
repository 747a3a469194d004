/** Local mode as a user sees it: real runtime clients, real processes, with and without namespaces. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, it } from "mocha";
import { LocalProcess } from "../kit/local-process.ts";

/** One Function manifest with one inline file. */
function manifest(name: string, runtime: string, handler: string, [file, code]: readonly [string, string]): string {
  const text = code.replaceAll("\n", "\n        ");
  return `apiVersion: kubelambda.dev/v1alpha1
kind: Function
metadata: { name: ${name} }
spec:
  runtime: ${runtime}
  handler: ${handler}
  timeout: 5
  environment: { variables: { LITERAL: "$(HOME) $HOME" } }
  code:
    files:
      ${file}: |
        ${text}
`;
}

const nodeCode = `import { writeFileSync, readFileSync } from "node:fs";
let calls = 0;
const attempt = (work) => { try { work(); return "ok"; } catch (error) { return error.code; } };
export const handler = async (event) => {
  if (event.fail) throw new TypeError("bad event");
  if (event.exit) process.exit(3);
  return {
    event, calls: ++calls, cwd: process.cwd(), root: process.env.LAMBDA_TASK_ROOT, literal: process.env.LITERAL,
    task: attempt(() => writeFileSync(process.env.LAMBDA_TASK_ROOT + "/x", "")), tmp: attempt(() => writeFileSync((process.env.TMPDIR ?? "/tmp") + "/x", "")),
  };
};`;
const pythonCode = `def handler(event, context):
    if "fail" in event:
        raise ValueError("bad event")
    return {"event": event, "arn": context.invoked_function_arn, "memory": context.memory_limit_in_mb}`;
const shellCode = `#!/bin/sh
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
while true; do
  event="$(curl -sS -D /tmp/head.$$ "$api/next")" || exit 1
  id="$(sed -n 's/^lambda-runtime-aws-request-id: *\\([^[:space:]]*\\).*/\\1/Ip' /tmp/head.$$)"
  curl -sS -o /dev/null --data-binary "$event" "$api/$id/response"
done`;

for (const [name, args] of Object.entries({
  "with what the kernel grants": [],
  "without namespaces": ["--no-namespaces"],
})) {
  describe(`local mode ${name}`, function () {
    this.timeout(120_000);
    const local = new LocalProcess(...args);

    before(async () => {
      local.write("node.yaml", manifest("node", "nodejs24.x", "index.handler", ["index.mjs", nodeCode]));
      local.write("python.yaml", manifest("python", "python3.11", "app.handler", ["app.py", pythonCode]));
      local.write("shell.yaml", manifest("shell", "provided.al2023", "x", ["bootstrap", shellCode]));
      local.write(
        "image.yaml",
        "apiVersion: kubelambda.dev/v1alpha1\nkind: Function\nmetadata: { name: image }\nspec: { packageType: Image, code: { imageURI: ghcr.io/team/image:1 } }\n",
      );
      local.write("values.yaml", "just: values\n");
      await local.start("node", "python", "shell");
    });
    after(async () => {
      const { status, left } = await local.stop();
      assert.deepEqual({ status, left }, { status: 0, left: [] });
      assert.doesNotMatch(await readFile("/proc/mounts", "utf8"), /^kubelambda /m);
    });

    it("answers by the real Node.js client, packages-layers-env 1, 23", async () => {
      const { status, body } = await local.invoke("node", { name: "Ada" });
      assert.equal(status, 200, body);
      const answer = JSON.parse(body) as Record<string, unknown>;
      assert.deepEqual(answer["event"], { name: "Ada" });
      assert.equal(answer["cwd"], answer["root"]);
      assert.equal(answer["literal"], "$(HOME) $HOME");
      assert.equal(answer["tmp"], "ok");
      if (answer["root"] === "/var/task") assert.equal(answer["task"], "EROFS");
    });
    it("keeps an environment warm after a handler's error, lifecycle 1", async () => {
      const first = JSON.parse((await local.invoke("node", {})).body) as { calls: number };
      const failed = await local.invoke("node", { fail: true });
      assert.equal(failed.functionError, "Unhandled");
      const error = JSON.parse(failed.body) as Record<string, unknown>;
      assert.deepEqual([error["errorType"], error["errorMessage"]], ["TypeError", "bad event"]);
      const second = JSON.parse((await local.invoke("node", {})).body) as { calls: number };
      assert.equal(second.calls, first.calls + 1);
    });
    it("says how a runtime ended and goes on, lifecycle 6", async () => {
      const { body, functionError } = await local.invoke("node", { exit: true });
      assert.equal(functionError, "Unhandled");
      assert.match(
        body,
        /^\{"errorType":"Runtime.ExitError","errorMessage":"RequestId: [0-9a-f-]{36} Error: Runtime exited with error: exit status 3"\}$/,
      );
      assert.equal((await local.invoke("node", {})).status, 200);
    });
    it("answers by the real Python client", async () => {
      const { status, body } = await local.invoke("python", { a: "é" });
      assert.equal(status, 200, body);
      const answer = JSON.parse(body) as Record<string, unknown>;
      assert.deepEqual(answer["event"], { a: "é" });
      assert.match(String(answer["arn"]), /^arn:aws:lambda:us-east-1:\d{12}:function:python$/);
      const failed = JSON.parse((await local.invoke("python", { fail: 1 })).body) as Record<string, unknown>;
      assert.deepEqual([failed["errorType"], failed["errorMessage"]], ["ValueError", "bad event"]);
    });
    it("runs a bootstrap of the package's own", async () => {
      const { status, body } = await local.invoke("shell", { a: [1, 2] });
      assert.deepEqual({ status, body }, { status: 200, body: '{"a":[1,2]}' });
    });
    it("runs 1,000 calls in a row, runtime-api 33 (Node.js)", async () => {
      for (let call = 0; call < 1000; call++) assert.equal((await local.invoke("node", { call })).status, 200);
    });
    it("runs the new code after a change", async () => {
      local.write(
        "node.yaml",
        manifest("node", "nodejs24.x", "index.handler", ["index.mjs", "export const handler = () => 'new'"]),
      );
      await local.until(async () => (await local.invoke("node", {})).body === '"new"');
    });
    it("tells a mistake with file and field, and goes on with what ran before", async () => {
      local.write(
        "python.yaml",
        manifest("python", "python3.11", "app.handler", ["app.py", pythonCode]).replace("timeout: 5", "timeout: 5000"),
      );
      await local.until(() =>
        /python\.yaml: Function "python" is invalid: spec\.timeout: .*less than or equal to 900/.test(local.output),
      );
      assert.equal((await local.invoke("python", {})).status, 200);
      local.write("python.yaml", manifest("python", "python3.11", "app.handler", ["app.py", pythonCode]));
    });
    it("refuses a change of an immutable field, as an API server does", async () => {
      const renamed = manifest("python", "python3.11", "app.handler", ["app.py", pythonCode]).replace(
        "spec:",
        "spec:\n  name: other",
      );
      local.write("python.yaml", renamed);
      await local.until(() => /python\.yaml: .*name is immutable/.test(local.output));
      local.write("python.yaml", manifest("python", "python3.11", "app.handler", ["app.py", pythonCode]));
    });
    it("names a runtime that is missing and the way to it", async () => {
      local.write("java.yaml", manifest("java", "java21", "a.B", ["a", ""]));
      await local.until(() => /java .*java21 .*does not run in local mode/.test(local.output));
    });
    it("says in the table and to a caller that an image does not run here, and what to do", async () => {
      const says =
        /Cannot run image "ghcr.io\/team\/image:1" here: .*run it on a cluster, or give the code as packageType Zip/;
      await local.until(() => says.test(local.output));
      const { status, body } = await local.invoke("image", {});
      assert.equal(status, 502, body);
      assert.match(
        (JSON.parse(body) as { readonly Message?: string; readonly message?: string }).message ?? body,
        says,
      );
    });
    it("answers 404 for a function that is not there, invoke-api 18", async () => {
      const { status, body } = await local.invoke("nothing", {});
      assert.equal(status, 404);
      assert.match(body, /Function not found: arn:aws:lambda:us-east-1:\d{12}:function:nothing/);
    });
  });
}
