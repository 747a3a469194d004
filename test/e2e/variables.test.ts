import assert from "node:assert/strict";
import type { FunctionSpecInput } from "../../crds/v1alpha1/function.ts";
import { waitUntil } from "../cluster/wait-until.ts";
import { nodeFunction, Space } from "./space.ts";

const own = { GREETING: "Grüße, 世界", DOLLAR: "$HOME/x $(PATH) $$", TZ: "Europe/Paris" };
const more = { environment: { variables: own }, memorySize: 512, timeout: 10 };

const functions: Record<string, FunctionSpecInput> = {
  node: { ...nodeFunction("export const handler = async () => ({ ...process.env });"), ...more },
  node22: {
    ...nodeFunction("export const handler = async () => ({ ...process.env });"),
    ...more,
    runtime: "nodejs22.x",
  },
  python: {
    ...{ runtime: "python3.11", handler: "main.handler" },
    code: { files: { "main.py": "import os\ndef handler(event, context):\n    return dict(os.environ)\n" } },
    ...more,
  },
  shell: {
    ...{ runtime: "provided.al2023", handler: "what.ever" },
    code: {
      files: {
        bootstrap: `#!/bin/bash
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
while curl -sS -D /tmp/headers -o /dev/null "$api/next"; do
  id="$(sed -n 's/^[Ll]ambda-[Rr]untime-[Aa]ws-[Rr]equest-[Ii]d: *\\([^[:space:]]*\\).*/\\1/p' /tmp/headers)"
  printf '"%s"' "$(tr '\\0' '\\n' < /proc/$$/environ | base64 -w0)" | curl -sS -o /dev/null --data-binary @- "$api/$id/response"
done
`,
      },
    },
    ...more,
  },
};

/** Source: developer guide, configuration-envvars; recordings. */
function reserved(name: string, handler: string): Record<string, string> {
  return {
    _HANDLER: handler,
    AWS_REGION: "us-east-1",
    AWS_DEFAULT_REGION: "us-east-1",
    AWS_LAMBDA_FUNCTION_NAME: name,
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: "512",
    AWS_LAMBDA_FUNCTION_VERSION: "$LATEST",
    AWS_LAMBDA_INITIALIZATION_TYPE: "on-demand",
    AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${name}`,
    AWS_LAMBDA_RUNTIME_API: "127.0.0.1:9001",
    LAMBDA_TASK_ROOT: "/var/task",
    LAMBDA_RUNTIME_DIR: "/var/runtime",
    LANG: "en_US.UTF-8",
    AWS_XRAY_CONTEXT_MISSING: "LOG_ERROR",
    AWS_XRAY_DAEMON_ADDRESS: "169.254.100.1:2000",
  };
}

const wanted: Record<string, Record<string, string>> = {
  node: {
    ...reserved("node", "index.handler"),
    AWS_EXECUTION_ENV: "AWS_Lambda_nodejs24.x",
    PATH: "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
    LD_LIBRARY_PATH: "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
    NODE_PATH:
      "/opt/nodejs/node24/node_modules:/opt/nodejs/node_modules:/var/runtime/node_modules:/var/runtime:/var/task",
  },
  node22: {
    ...reserved("node22", "index.handler"),
    AWS_EXECUTION_ENV: "AWS_Lambda_nodejs22.x",
    PATH: "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
    NODE_PATH:
      "/opt/nodejs/node22/node_modules:/opt/nodejs/node_modules:/var/runtime/node_modules:/var/runtime:/var/task",
  },
  python: {
    ...reserved("python", "main.handler"),
    AWS_EXECUTION_ENV: "AWS_Lambda_python3.11",
    PYTHONPATH: "/var/runtime",
  },
  shell: reserved("shell", "what.ever"),
};

describe("environment variables of a function", () => {
  let space: Space;
  const seen: Record<string, Record<string, string>> = {};
  before(async function () {
    this.timeout(240_000);
    space = await Space.open("e2e-variables");
    for (const [name, spec] of Object.entries(functions)) await space.applyFunction(name, spec);
    for (const name of Object.keys(functions)) {
      await space.waitReady(name);
      const answer = await space.call(name, {});
      seen[name] = typeof answer === "string" ? parse(answer) : (answer as Record<string, string>);
    }
  });
  after(async () => {
    await space.close();
  });

  for (const [name, variables] of Object.entries(wanted)) {
    it(`packages 17, 25: ${name} has those of the platform, with their values`, () => {
      const actual = seen[name] ?? {};
      assert.deepEqual(Object.fromEntries(Object.keys(variables).map((key) => [key, actual[key]])), variables);
      assert.match(actual["AWS_LAMBDA_LOG_STREAM_NAME"] ?? "", /^\d{4}\/\d\d\/\d\d\/\[\$LATEST\][0-9a-f]{32}$/);
    });

    it(`packages 19, 23: ${name} has the function's own to the letter`, () => {
      const actual = seen[name] ?? {};
      assert.deepEqual(Object.fromEntries(Object.keys(own).map((key) => [key, actual[key]])), own);
    });

    it(`${name} has none of the cluster's or of ours`, () => {
      const foreign = Object.keys(seen[name] ?? {}).filter((key) =>
        /^(KUBERNETES|KUBELAMBDA)_|_SERVICE_(HOST|PORT)$|^HOME$/.test(key),
      );
      assert.deepEqual(foreign, []);
    });
  }

  it("packages 18: an OS-only runtime has no AWS_EXECUTION_ENV", () => {
    assert.equal("AWS_EXECUTION_ENV" in (seen["shell"] ?? {}), false);
  });

  it("may come from a Secret and a ConfigMap, and no process of ours reads these", async () => {
    await space.apply(
      { apiVersion: "v1", kind: "Secret", metadata: { name: "keys" }, stringData: { word: "$(hidden)" } },
      { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "settings" }, data: { word: "shown" } },
    );
    const valueFrom = {
      HIDDEN: { secretKeyRef: { name: "keys", key: "word" } },
      SHOWN: { configMapKeyRef: { name: "settings", key: "word" } },
    };
    await space.serve("filled", {
      ...nodeFunction("export const handler = async () => [process.env.HIDDEN, process.env.SHOWN];", { timeout: 10 }),
      environment: { variables: {}, valueFrom },
    });
    assert.deepEqual(await space.call("filled", {}), ["$(hidden)", "shown"]);
  });
});

describe("a variable of a Secret that is not there", () => {
  let space: Space;
  before(async () => {
    space = await Space.open("e2e-missing-values");
  });
  after(async () => {
    await space.close();
  });

  it("is told by condition and to the caller in time, and the environment goes on once it is there", async () => {
    const valueFrom = { WORD: { secretKeyRef: { name: "late", key: "word" } } };
    const more = { environment: { variables: {}, valueFrom }, timeout: 10 };
    await space.serve("late", nodeFunction("export const handler = async () => process.env.WORD;", more));
    const answer = space.invoke("late", {});
    const healthy = await space.waitCondition("late", "EnvironmentsHealthy", ({ status }) => status === "False");
    assert.equal(healthy.reason, "ContainerNotConfigured");
    assert.match(healthy.message, /^Cannot fill in the variables of environment.valueFrom: secret "late" not found$/);
    const { status, bytes, headers } = await answer;
    assert.equal(status, 502, bytes.toString());
    assert.equal(headers["x-amzn-errortype"], "ResourceNotReadyException");
    assert.match(bytes.toString(), /ContainerNotConfigured: .*secret \\"late\\" not found/);
    await space.apply({ apiVersion: "v1", kind: "Secret", metadata: { name: "late" }, stringData: { other: "x" } });
    await space.waitCondition("late", "EnvironmentsHealthy", ({ message }) => /couldn't find key word/.test(message));
    await space.apply({ apiVersion: "v1", kind: "Secret", metadata: { name: "late" }, stringData: { word: "here" } });
    const word = await waitUntil({ what: "the function to run", timeoutMs: 60_000, everyMs: 250 }, async () =>
      space.call("late", {}),
    );
    assert.equal(word, "here");
    await space.waitCondition("late", "EnvironmentsHealthy", ({ status: healthyNow }) => healthyNow === "True");
  });
});

/** `NAME=value` lines in base64. */
function parse(base64: string): Record<string, string> {
  const lines = Buffer.from(base64, "base64").toString().split("\n");
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]));
}
