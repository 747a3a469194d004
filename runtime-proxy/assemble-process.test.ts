import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startTestStore, type TestStore } from "../test/kit/package-store-server.ts";

describe("assemble as a process", () => {
  let kit: TestStore;
  let task: string;
  let opt: string;
  beforeEach(async () => {
    kit = await startTestStore();
    [task, opt] = [kit.taskDirectory, kit.layersDirectory];
  });
  afterEach(async () => await kit.stop());

  async function run(env: Record<string, string>): Promise<{ code: number | null; stderr: string; stdout: string }> {
    const script = `import { assembleMain } from ${JSON.stringify(new URL("assemble.ts", import.meta.url).href)};
      await assembleMain(process.env);`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], { env, timeout: 15_000 });
    const [stdout, stderr] = [child.stdout, child.stderr].map(async (stream) =>
      Buffer.concat((await stream.toArray()) as Buffer[]),
    );
    const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
    return { code, stdout: String(await stdout), stderr: String(await stderr) };
  }

  async function processEnv(environment: unknown): Promise<Record<string, string>> {
    const tokenFile = join(kit.directory, "token");
    await writeFile(tokenFile, "team-a/default\n");
    await writeFile(join(kit.directory, "termination-log"), "");
    return {
      KUBELAMBDA_ENVIRONMENT: JSON.stringify(environment),
      KUBELAMBDA_PACKAGES_URL: kit.url,
      KUBELAMBDA_TOKEN_FILE: tokenFile,
      KUBELAMBDA_TASK_DIRECTORY: task,
      KUBELAMBDA_LAYERS_DIRECTORY: opt,
      KUBELAMBDA_TERMINATION_LOG: join(kit.directory, "termination-log"),
    };
  }

  it("ends with 0 when everything is in place", async () => {
    const code = await kit.resolve({ type: "files", files: { a: "x" } });
    const { code: exitCode, stdout, stderr } = await run(await processEnv({ code, layers: [] }));
    assert.deepEqual([exitCode, stderr], [0, ""]);
    assert.match(stdout, /^\{"message":"Assembled","totalMs":\d+,"packages":\[\{"name":"code"/);
    assert.equal((await stat(join(task, "a"))).size, 1);
  });

  it("ends with 1 and one line on stderr and in the termination log", async () => {
    const layers = [{ name: "bad", digest: `sha256:${"1".repeat(64)}` }];
    const { code, stderr } = await run(await processEnv({ layers }));
    assert.equal(code, 1);
    assert.match(stderr, /^Cannot assemble layer "bad" \(sha256:1+\): .*no such package\n$/);
    assert.equal(await readFile(join(kit.directory, "termination-log"), "utf8"), stderr.trimEnd());
  });

  const wrong: Record<string, { change: Record<string, string>; want: RegExp }> = {
    "no package store is named": {
      change: { KUBELAMBDA_PACKAGES_URL: "" },
      want: /KUBELAMBDA_PACKAGES_URL is not set/,
    },
    "the document is no JSON": {
      change: { KUBELAMBDA_ENVIRONMENT: "{" },
      want: /KUBELAMBDA_ENVIRONMENT is not JSON/,
    },
    "the document has no layers": {
      change: { KUBELAMBDA_ENVIRONMENT: "{}" },
      want: /no code digest and list of layers/,
    },
    "the document is null": { change: { KUBELAMBDA_ENVIRONMENT: "null" }, want: /no code digest and list of layers/ },
    "the task directory is missing": {
      change: {
        KUBELAMBDA_ENVIRONMENT: JSON.stringify({ code: `sha256:${"0".repeat(64)}`, layers: [] }),
        KUBELAMBDA_TASK_DIRECTORY: "/none",
      },
      want: /^Cannot prepare task directory "\/none": ENOENT/,
    },
  };
  for (const [what, { change, want }] of Object.entries(wrong)) {
    it(`says so in one line when ${what}`, async () => {
      const { code, stderr } = await run({ ...(await processEnv({ layers: [] })), ...change });
      assert.equal(code, 1);
      assert.match(stderr, want);
      assert.equal(stderr.split("\n").length, 2);
    });
  }
});
