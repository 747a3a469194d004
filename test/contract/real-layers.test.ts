/** Layers as others pack them, used by functions on real runtime clients, and internal extensions by wrapper script, in processes. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { Runtimes } from "../../local/runtimes.ts";
import { cacheDir } from "../cluster/paths.ts";
import { buildLayer, type LayerName } from "../extensions/build.ts";
import { AgentEnvironment } from "../kit/agent-environment.ts";
import { buildSupervisor } from "../kit/build-supervisor.ts";

const buildLimitMs = 10 * 60_000;
const runtimes = new Runtimes({
  cacheDirectory: join(cacheDir, "bench", "runtimes"),
  path: process.env["PATH"] ?? "",
  progress: (line) => process.stderr.write(`${line}\n`),
});

interface FunctionOfLayer {
  readonly layer: LayerName;
  readonly runtime: "nodejs24.x" | "python3.11";
  readonly handler: string;
  readonly files: Readonly<Record<string, string>>;
  readonly variables?: Readonly<Record<string, string>>;
}

describe("real layers", function () {
  this.timeout(60_000);
  let environment: AgentEnvironment;

  before(async function () {
    this.timeout(buildLimitMs);
    await buildSupervisor();
    for (const name of ["kubectl", "aws-cli", "internal"] as const) await buildLayer(name);
    for (const runtime of ["nodejs24.x", "python3.11"]) await runtimes.prepare(runtime);
  });
  afterEach(async () => environment.stop());

  async function start({ layer, runtime, handler, files, variables = {} }: FunctionOfLayer): Promise<void> {
    const prepared = await runtimes.prepare(runtime);
    if (!prepared.ok) throw new Error(prepared.message);
    environment = await AgentEnvironment.start({
      opt: (await buildLayer(layer)).opt,
      files,
      document: { runtime, handler, variables, timeoutSeconds: 30 },
      variables: { KUBELAMBDA_RUNTIME_ROOT: prepared.directory ?? "" },
    });
  }

  async function call(payload: unknown): Promise<unknown> {
    const { body, headers } = await environment.invoke(JSON.stringify(payload));
    assert.equal(headers["x-amz-function-error"], undefined, body.toString());
    return JSON.parse(body.toString());
  }

  it("packages-layers-env 3, 34: a Node.js function calls kubectl of the CDK's layer", async () => {
    const source = `import { execFileSync } from "node:child_process";
      export const handler = async () =>
        JSON.parse(execFileSync("/opt/kubectl/kubectl", ["version", "--client", "-o", "json"], { env: { HOME: "/tmp" } }));`;
    await start({ layer: "kubectl", runtime: "nodejs24.x", handler: "index.handler", files: { "index.mjs": source } });
    const { clientVersion } = (await call({})) as { clientVersion: { gitVersion: string } };
    assert.match(clientVersion.gitVersion, /^v1\.35\./);
  });

  it("packages-layers-env 3, 34: a Python function calls the AWS CLI of the CDK's layer", async () => {
    const source = `import subprocess, sys
def handler(event, context):
    return subprocess.check_output([sys.executable, "/opt/awscli/aws", "--version"], text=True)
`;
    await start({ layer: "aws-cli", runtime: "python3.11", handler: "main.handler", files: { "main.py": source } });
    assert.match(String(await call({})), /^aws-cli\/\d/);
  });

  const internal = {
    "nodejs24.x": {
      handler: "index.handler",
      files: {
        "index.mjs": `process.on("SIGTERM", () => { console.log("function hears SIGTERM"); process.exit(0); });
          export const handler = async (event) => ({ event });`,
      },
      name: "node",
      interpreter: "node",
    },
    "python3.11": {
      handler: "main.handler",
      files: {
        "main.py": `def handler(event, context):
    return {"event": event}
`,
      },
      name: "python",
      interpreter: "python",
    },
  } as const;
  for (const [runtime, { name, interpreter, handler, files }] of Object.entries(internal)) {
    it(`extensions-api 16, 25, packages-layers-env 14: an internal extension by wrapper script in ${runtime}`, async () => {
      await start({
        layer: "internal",
        runtime: runtime as keyof typeof internal,
        handler,
        files,
        variables: { AWS_LAMBDA_EXEC_WRAPPER: `/opt/internal/${name}-wrapper` },
      });
      // What is printed comes by the supervisor: it may be later than what it tells of.
      await environment.printed(`${name}-internal registered `);
      assert.match(environment.output, new RegExp(`^${name}-wrapper got /.*/${interpreter}[0-9.]*$`, "m"));
      assert.match(environment.output, new RegExp(`^${name}-internal registered 200 \\{"functionName":"probe"`, "m"));
      for (const n of [1, 2]) {
        assert.deepEqual(await call({ n }), { event: { n } });
        await environment.printed(`${name}-internal event `, n);
      }
      assert.match(
        environment.output,
        new RegExp(`^EXTENSION\tName: ${name}-internal\tState: Ready\tEvents: \\[INVOKE\\]$`, "m"),
      );
      await environment.agent.stop();
      // Python's own handlers wait until its client, blocked in next, comes back.
      if (name === "node") await environment.printed("function hears SIGTERM");
    });
  }
});
