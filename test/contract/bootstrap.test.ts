/** Which bootstrap runs, what it finds around it, and how long its init may take: packages-layers-env.md 4, 6 and 7. */
import assert from "node:assert/strict";
import { buildClient } from "../clients/build.ts";
import { AgentEnvironment, type EnvironmentOptions } from "../kit/agent-environment.ts";
import { buildSupervisor } from "../kit/build-supervisor.ts";
import { runtimeProgram } from "../kit/scripted-runtime.ts";

/** Answers each event with what it was started as. */
const named = (name: string): string =>
  runtimeProgram(`for (;;) { const { id } = await next();
    await respond(id, JSON.stringify({ name: "${name}", cwd: process.cwd(), argv: process.argv.slice(2), stream: process.env.AWS_LAMBDA_LOG_STREAM_NAME })); }`);

interface Told {
  readonly name: string;
  readonly cwd: string;
  readonly argv: readonly string[];
  readonly stream: string;
}

describe("the bootstrap of an execution environment", function () {
  this.timeout(60_000);
  const environments: AgentEnvironment[] = [];

  before(async function () {
    this.timeout(20 * 60_000);
    await buildSupervisor();
    await buildClient("nodejs24.x", (line) => process.stderr.write(`    ${line}\n`));
  });
  afterEach(async () => {
    for (const environment of environments.splice(0)) await environment.stop();
  });

  async function start(options: EnvironmentOptions): Promise<AgentEnvironment> {
    const environment = await AgentEnvironment.start(options);
    environments.push(environment);
    return environment;
  }

  async function tell(environment: AgentEnvironment): Promise<Told> {
    return JSON.parse((await environment.invoke("{}")).body.toString()) as Told;
  }

  /** The real client of nodejs24.x with these files as the function's package. */
  async function startManaged(
    files: EnvironmentOptions["files"],
    document: EnvironmentOptions["document"] = {},
  ): Promise<AgentEnvironment> {
    const { managed } = await buildClient("nodejs24.x", () => undefined);
    return await start({
      ...(files !== undefined && { files }),
      document: { runtime: "nodejs24.x", timeoutSeconds: 20, ...document },
      variables: { KUBELAMBDA_RUNTIME_ROOT: `${managed ?? ""}/runtime` },
    });
  }

  it("packages 10: is the package's where a layer has one too", async () => {
    const environment = await start({
      files: { bootstrap: named("package") },
      layerFiles: { bootstrap: named("layer") },
    });
    assert.equal((await tell(environment)).name, "package");
  });

  it("packages 11: is a layer's where the package has none, without arguments, in the task folder", async () => {
    const environment = await start({ files: { "data.txt": "1" }, layerFiles: { bootstrap: named("layer") } });
    const { stream: _, ...told } = await tell(environment);
    assert.deepEqual(told, { name: "layer", cwd: `${environment.folder}/task`, argv: [] });
  });

  it("packages 12: of a managed runtime is its own, whatever the package brings", async () => {
    const files = { bootstrap: named("package"), "index.mjs": "export const handler = async () => 'managed';" };
    const environment = await startManaged(files);
    assert.equal((await environment.invoke("{}")).body.toString(), '"managed"');
  });

  it("packages 13: is no folder of that name", async () => {
    const environment = await start({
      files: { "bootstrap/readme": "1" },
      layerFiles: { bootstrap: named("layer") },
    });
    assert.equal((await tell(environment)).name, "layer");
  });

  it("packages 15: of a managed runtime ends with 127 where the wrapper is missing", async () => {
    const files = { "index.mjs": "export const handler = async () => 1;" };
    const missing = "/nowhere/wrapper";
    const without = await startManaged(files, { variables: { AWS_LAMBDA_EXEC_WRAPPER: missing } });
    const { body, headers, requestId } = await without.invoke("{}");
    assert.equal(headers["x-amz-function-error"], "Unhandled");
    assert.equal(
      body.toString(),
      `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ${requestId} Error: Runtime exited with error: exit status 127"}`,
    );
    assert.ok(without.output.includes(`${missing}: does not exist`), without.output);
  });

  it("packages 16: of an OS-only runtime runs no wrapper", async () => {
    const environment = await start({
      files: { bootstrap: named("package") },
      document: { variables: { AWS_LAMBDA_EXEC_WRAPPER: "/nowhere/wrapper" } },
    });
    assert.equal((await tell(environment)).name, "package");
  });

  it("packages 26: has a log stream of its own in every environment", async () => {
    const streams: string[] = [];
    for (const name of ["one", "two"]) {
      const environment = await start({ files: { bootstrap: named(name) } });
      streams.push((await tell(environment)).stream);
    }
    for (const stream of streams) assert.match(stream, /^\d{4}\/\d\d\/\d\d\/\[\$LATEST\][0-9a-f]{32}$/);
    assert.notEqual(streams[0], streams[1]);
  });

  it("packages 35: finds a handler in a folder of the package", async () => {
    const files = { "dir/file.mjs": "export const handler = async (event) => event.name;" };
    const environment = await startManaged(files, { handler: "dir/file.handler" });
    assert.equal((await environment.invoke('{"name":"Ada"}')).body.toString(), '"Ada"');
  });

  it("lifecycle 14: may take longer than ten seconds in an environment of provisioned concurrency", async () => {
    const bootstrap = runtimeProgram(
      `await sleep(10_300); for (;;) { const { id } = await next(); await respond(id, process.env.AWS_LAMBDA_INITIALIZATION_TYPE); }`,
    );
    const environment = await start({
      files: { bootstrap },
      isUnwatched: true,
      document: { initializationType: "provisioned-concurrency", initTimeoutMs: 130_000 },
    });
    const { init } = await environment.router.announced(({ state }) => state === "ready");
    assert.equal(init?.ok, true);
    assert.equal((await environment.invoke("{}")).body.toString(), "provisioned-concurrency");
    assert.equal(environment.output.split("\n").filter((line) => line.startsWith("INIT_START")).length, 1);
  });
});
