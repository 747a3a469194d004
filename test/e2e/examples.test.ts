import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { repositoryRoot } from "../cluster/paths.ts";
import { run } from "../cluster/run.ts";
import { waitUntil } from "../cluster/wait-until.ts";
import { awsEnvironment } from "./caller.ts";
import { system, type System } from "./fixture.ts";
import { invoke, resultOf } from "./invoke.ts";
import { decodePng, encodePng } from "./png.ts";

const region = "us-east-1";

const picture = { width: 64, height: 32, rgba: Buffer.alloc(64 * 32 * 4) };
for (let pixel = 0; pixel < 64 * 32; pixel += 1) {
  // Left half red, right half blue.
  picture.rgba.set(pixel % 64 < 32 ? [255, 0, 0, 255] : [0, 0, 255, 255], pixel * 4);
}

interface Example {
  readonly payload: unknown;
  readonly check: (result: unknown) => void;
}

const examples: Record<string, Example> = {
  hello: {
    payload: { name: "Ada" },
    check: (result) => {
      assert.deepEqual(result, { greeting: "Hello, Ada" });
    },
  },
  shell: {
    payload: { say: "hello" },
    check: (result) => {
      assert.deepEqual(result, { characters: 15, shout: { SAY: "HELLO" } });
    },
  },
  web: {
    payload: { rawPath: "/there", requestContext: { http: { method: "GET", sourceIp: "10.1.2.3" } } },
    check: (result) => {
      const { statusCode, body } = result as { statusCode: number; body: string };
      assert.equal(statusCode, 200);
      assert.match(body, /Hello, world.*GET \/there from 10\.1\.2\.3/s);
    },
  },
  thumbnail: { payload: { width: 16, image: encodePng(picture).toString("base64") }, check: checkThumbnail },
};

function checkThumbnail(result: unknown): void {
  const { width, height, image } = result as { width: number; height: number; image: string };
  assert.deepEqual({ width, height }, { width: 16, height: 8 });
  const thumb = decodePng(Buffer.from(image, "base64"));
  assert.deepEqual([thumb.width, thumb.height], [16, 8]);
  assert.deepEqual([...thumb.rgba.subarray(0, 4)], [255, 0, 0, 255], "the left is red");
  assert.deepEqual([...thumb.rgba.subarray(-4)], [0, 0, 255, 255], "the right is blue");
}

describe("the examples", () => {
  let installed: System;
  let scratch: string;
  before(async function () {
    this.timeout(240_000);
    installed = await system();
    scratch = await mkdtemp(join(tmpdir(), "kubelambda-e2e-"));
    await run(join(repositoryRoot, "examples/thumbnail/build.sh"), [], { timeoutMs: 120_000 });
    await installed.kubectl(["delete", "-R", "-f", "examples", "--ignore-not-found"]);
    await waitUntil({ what: "an earlier run's pods to go", timeoutMs: 60_000 }, async () =>
      (await leftovers(installed)) === "" ? true : undefined,
    );
  });
  after(async () => {
    await rm(scratch, { recursive: true, force: true });
  });

  it("are applied with kubectl and become Ready", async () => {
    const { kubectl } = installed;
    await kubectl(["apply", "-R", "-f", "examples"]);
    const functions = Object.keys(examples).map((name) => `fn/${name}`);
    await kubectl(["wait", "--for=condition=Ready", ...functions, "--timeout=60s"], { timeoutMs: 70_000 });
  });

  it("show themselves in kubectl get fn", async () => {
    const output = await installed.kubectl(["get", "fn"]);
    const [header = "", ...lines] = output.trimEnd().split("\n");
    assert.deepEqual(header.split(/\s+/), ["NAME", "RUNTIME", "STATE", "VERSION", "ENVIRONMENTS", "AGE"]);
    const shown = lines.map((line) => line.split(/\s+/).slice(0, 4));
    for (const [name, runtime] of [
      ["hello", "nodejs24.x"],
      ["shell", "provided.al2023"],
      ["thumbnail", "python3.11"],
    ] as const) {
      assert.ok(
        shown.some((columns) => columns.join() === [name, runtime, "Active", "$LATEST"].join()),
        output,
      );
    }
    assert.match(await installed.kubectl(["get", "kubelambda"]), /function.*hello/);
  });

  for (const [name, { payload, check }] of Object.entries(examples)) {
    it(`${name} answers an HTTP request through the Service`, async () => {
      const answer = await invoke(installed.routerUrl, name, payload);
      check(resultOf(answer));
      assert.equal(answer.headers["x-amz-executed-version"], "$LATEST");
      assert.match(answer.headers["x-amzn-requestid"] ?? "", /^[0-9a-f-]{36}$/);
    });

    it(`${name} answers the AWS CLI`, async () => {
      const [input, output] = [join(scratch, `${name}.in`), join(scratch, `${name}.out`)];
      await writeFile(input, JSON.stringify(payload));
      const args = ["lambda", "invoke", "--function-name", name, "--payload", `fileb://${input}`, "--log-type", "Tail"];
      const stdout = await run(
        installed.cluster.aws,
        [...args, "--endpoint-url", installed.routerUrl, "--region", region, output],
        { timeoutMs: 60_000, env: { ...awsEnvironment(installed), HOME: scratch } },
      );
      const shown = JSON.parse(stdout) as { StatusCode: number; ExecutedVersion: string; LogResult: string };
      assert.equal(shown.StatusCode, 200);
      assert.equal(shown.ExecutedVersion, "$LATEST");
      assert.match(Buffer.from(shown.LogResult, "base64").toString(), /END RequestId: .*\nREPORT RequestId: /);
      check(JSON.parse(await readFile(output, "utf8")));
    });

    it(`${name} answers @aws-sdk/client-lambda`, async () => {
      const client = new LambdaClient({ endpoint: installed.routerUrl, region, credentials: installed.credentials });
      const { StatusCode, FunctionError, Payload } = await client.send(
        new InvokeCommand({ FunctionName: name, Payload: Buffer.from(JSON.stringify(payload)) }),
      );
      client.destroy();
      assert.equal(StatusCode, 200);
      assert.equal(FunctionError, undefined);
      check(JSON.parse(Buffer.from(Payload ?? []).toString()));
    });
  }

  it("show each call in kubectl logs", async () => {
    const { headers } = await invoke(installed.routerUrl, "shell", { say: "logged" });
    const id = headers["x-amzn-requestid"] ?? "";
    const selector = ["-l", "kubelambda.dev/component=environment", "-c", "runtime", "--tail=-1"];
    const wanted = new RegExp(
      `START RequestId: ${id}[^]*invocation ${id}: 16 characters\\nEND RequestId: ${id}\\nREPORT RequestId: ${id}`,
    );
    await waitUntil({ what: "the log of a call", timeoutMs: 20_000, everyMs: 250 }, async () => {
      const log = await installed.kubectl(["logs", ...selector]);
      if (!wanted.test(log)) throw new Error(`it is ${log.slice(-1000)}`);
      return true;
    });
  });

  it("leave nothing behind when they are deleted", async () => {
    const { kubectl } = installed;
    assert.notEqual(await leftovers(installed), "", "there is something to clean up");
    await kubectl(["delete", "-R", "-f", "examples"]);
    await waitUntil({ what: "pods and recipes of the examples to go", timeoutMs: 60_000, everyMs: 250 }, async () => {
      const left = await leftovers(installed);
      if (left !== "") throw new Error(`left are ${left}`);
      return true;
    });
    const answer = await invoke(installed.routerUrl, "hello", {});
    assert.equal(answer.status, 404);
    assert.equal(answer.headers["x-amzn-errortype"], "ResourceNotFoundException");
  });
});

/** What of ours is in the namespace of the examples. */
async function leftovers({ kubectl }: System): Promise<string> {
  const kinds = "pods,controllerrevisions,configmaps,secrets,services,persistentvolumeclaims";
  const found = await kubectl(["get", kinds, "-n", "default", "-o", "name"]);
  // The ledger stays with its namespace: numbers are never given twice, and what waits in a pool is owned by it.
  const staying = new Set(["configmap/kube-root-ca.crt", "configmap/kubelambda-ledger", "service/kubernetes", ""]);
  return found
    .split("\n")
    .filter((name) => !staying.has(name))
    .join(" ");
}
