import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { lstat, mkdir, readFile, readdir, readlink, stat, symlink, writeFile } from "node:fs/promises";
import type { RequestListener } from "node:http";
import { join } from "node:path";
import type { ResolveRequest } from "../crds/wire/packages.ts";
import { startTestStore, type TestStore } from "../test/kit/package-store-server.ts";
import { startScriptedServer } from "../test/kit/scripted-server.ts";
import { zipBytes, type ZipEntryDraft } from "../test/kit/zip-bytes.ts";
import { assemble, AssembleError, type AssembleOptions, type AssembleReport } from "./assemble.ts";

const zipSource = (...entries: ZipEntryDraft[]): ResolveRequest["source"] => ({
  type: "zip",
  base64: zipBytes(entries).toString("base64"),
});
const link = (name: string, content: string): ZipEntryDraft => ({ name, content, mode: 0o120777 });

describe("assemble", () => {
  let kit: TestStore;
  let task: string;
  let opt: string;
  beforeEach(async () => {
    kit = await startTestStore();
    [task, opt] = [kit.taskDirectory, kit.layersDirectory];
  });
  afterEach(async () => await kit.stop());

  async function assembleLayers(...layers: readonly (readonly ZipEntryDraft[])[]): Promise<AssembleReport> {
    const digests = await Promise.all(layers.map((entries) => kit.resolve(zipSource(...entries))));
    const named = digests.map((digest, index) => ({ name: `layer-${index}`, digest }));
    return await assemble(await kit.assembleOptions({ layers: named }));
  }

  async function failureOf(options: AssembleOptions): Promise<AssembleError> {
    const error: unknown = await assemble(options).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof AssembleError, `want an AssembleError, got ${String(error)}`);
    assert.deepEqual(
      (await readdir(task)).filter((name) => name.startsWith(".")),
      [],
      "downloads are left",
    );
    return error;
  }

  const modeOf = async (path: string): Promise<string> => ((await lstat(path)).mode & 0o7777).toString(8);

  it("brings inline code into the task directory, and leaves nothing else there", async () => {
    const files = { "index.mjs": "export const handler = 1;", run: "#!/bin/sh\n" };
    const code = await kit.resolve({ type: "files", files });
    const report = await assemble(await kit.assembleOptions({ code, layers: [] }));
    assert.equal(await readFile(join(task, "index.mjs"), "utf8"), files["index.mjs"]);
    assert.deepEqual((await readdir(task)).sort(), ["index.mjs", "run"]);
    const [only] = report.packages;
    assert.equal(only?.name, "code");
    assert.equal(only.digest, code);
    assert.deepEqual([only.entries, only.unzippedBytes], [2, 35]);
  });

  it("packages 2 and 3: keeps modes whatever the umask", async () => {
    const before = process.umask(0o077);
    try {
      await assembleLayers([
        { name: "secret", mode: 0o100600, content: "x" },
        { name: "bin/tool", mode: 0o100755, content: "x" },
        { name: "setuid", mode: 0o104755, content: "x" },
        { name: "large", mode: 0o100775, content: Buffer.alloc(5_000_000) },
        { name: "d/", mode: 0o040750 },
        { name: "d/readable", mode: 0o100444, content: "x" },
      ]);
    } finally {
      process.umask(before);
    }
    const modes = {
      secret: "600",
      bin: "755",
      "bin/tool": "755",
      setuid: "755",
      large: "775",
      d: "750",
      "d/readable": "444",
    };
    for (const [path, mode] of Object.entries(modes)) assert.equal(await modeOf(join(opt, path)), mode, path);
  });

  it("packages 5: keeps a relative link of a layer, which resolves", async () => {
    await assembleLayers([{ name: "lib/libx.so.1", content: "library" }, link("lib/libx.so", "libx.so.1")]);
    assert.equal(await readlink(join(opt, "lib/libx.so")), "libx.so.1");
    assert.equal(await readFile(join(opt, "lib/libx.so"), "utf8"), "library");
  });

  it("packages 6: the later of two layers wins", async () => {
    await assembleLayers(
      [{ name: "a.txt", content: "early, and longer", mode: 0o100600 }],
      [{ name: "a.txt", content: "late", mode: 0o100644 }],
    );
    assert.equal(await readFile(join(opt, "a.txt"), "utf8"), "late");
    assert.equal(await modeOf(join(opt, "a.txt")), "644");
  });

  it("packages 7: merges the directories of two layers", async () => {
    await assembleLayers(
      [{ name: "nodejs/node_modules/a/index.js", content: "a" }],
      [{ name: "nodejs/node_modules/b/index.js", content: "b" }],
    );
    assert.deepEqual((await readdir(join(opt, "nodejs/node_modules"))).sort(), ["a", "b"]);
  });

  it("packages 9: counts function and layers together", async () => {
    const part = (bytes: number) => [{ name: "a", content: Buffer.alloc(bytes) }];
    const code = await kit.resolve(zipSource(...part(131_072_000)));
    const fits = { name: "fits", digest: await kit.resolve(zipSource(...part(131_071_999))) };
    const small = { name: "small", digest: await kit.resolve(zipSource({ name: "b", content: "xx" })) };
    const report = await assemble(await kit.assembleOptions({ code, layers: [fits] }));
    assert.equal(
      report.packages.reduce((sum, each) => sum + each.unzippedBytes, 0),
      262_143_999,
    );
    const error = await failureOf(await kit.assembleOptions({ code, layers: [fits, small] }));
    assert.match(error.message, /Unzipped size must be smaller than 262144000 bytes$/);
  }).timeout(60_000);

  describe("where layers disagree", () => {
    it("writes no file through a link of an earlier layer", async () => {
      await assembleLayers(
        [link("d", "real"), { name: "real/keep", content: "kept" }],
        [{ name: "d/x", content: "x" }],
      );
      assert.ok((await lstat(join(opt, "d"))).isDirectory());
      assert.deepEqual(await readdir(join(opt, "real")), ["keep"]);
      assert.equal(await readFile(join(opt, "d/x"), "utf8"), "x");
    });

    it("replaces a link by a file, and leaves alone what it led to", async () => {
      await assembleLayers([link("l", "f"), { name: "f", content: "kept" }], [{ name: "l", content: "new" }]);
      assert.ok((await lstat(join(opt, "l"))).isFile());
      assert.equal(await readFile(join(opt, "f"), "utf8"), "kept");
    });

    it("replaces a directory by a file and a file by a directory, again and again", async () => {
      const asDirectory = [{ name: "a/b/c", content: "c" }];
      const asFile = [{ name: "a", content: "file" }];
      await assembleLayers(asDirectory, asFile);
      assert.equal(await readFile(join(opt, "a"), "utf8"), "file");
      await assembleLayers(asDirectory, asFile, [{ name: "a/d", content: "d" }], asFile, asDirectory);
      assert.deepEqual(await readdir(join(opt, "a")), ["b"]);
    });

    it("replaces a directory by a link", async () => {
      await assembleLayers([{ name: "a/b", content: "b" }], [link("a", "other")]);
      assert.equal(await readlink(join(opt, "a")), "other");
    });

    it("writes into a directory that an earlier layer closed", async () => {
      await assembleLayers([{ name: "d/", mode: 0o040555 }], [{ name: "d/x", content: "x" }]);
      assert.equal(await readFile(join(opt, "d/x"), "utf8"), "x");
    });

    it("touches nothing outside, whatever lay in the target before", async () => {
      const outside = join(kit.directory, "outside");
      await mkdir(outside);
      await writeFile(join(outside, "f"), "kept");
      await symlink(outside, join(opt, "d"));
      await symlink(join(outside, "f"), join(opt, "f"));
      await assembleLayers([
        { name: "d/x", content: "x" },
        { name: "f", content: "new" },
      ]);
      assert.deepEqual(await readdir(outside), ["f"]);
      assert.equal(await readFile(join(outside, "f"), "utf8"), "kept");
      assert.equal(await readFile(join(opt, "f"), "utf8"), "new");
    });
  });

  it("may be repeated over what a killed run left", async () => {
    const code = await kit.resolve({ type: "files", files: { "a/b": "x" } });
    const options = await kit.assembleOptions({ code, layers: [] });
    await assemble(options);
    await mkdir(join(task, ".kubelambda-assemble-left"));
    await writeFile(join(task, "a/b"), "half");
    await assemble(options);
    assert.equal(await readFile(join(task, "a/b"), "utf8"), "x");
    assert.deepEqual(await readdir(task), ["a"]);
  });

  it("copies the supervisor to each container's directory, executable and whole", async () => {
    const source = join(kit.directory, "supervisor");
    await writeFile(source, "binary", { mode: 0o600 });
    const directories = [join(kit.directory, "one"), join(kit.directory, "two/deep")];
    const options = { ...(await kit.assembleOptions({ layers: [] })), supervisor: { source, directories } };
    for (let run = 0; run < 2; run++) await assemble(options);
    for (const directory of directories) {
      assert.deepEqual(await readdir(directory), ["supervisor"]);
      assert.equal(await readFile(join(directory, "supervisor"), "utf8"), "binary");
      assert.equal(await modeOf(join(directory, "supervisor")), "555");
    }
    const error = await failureOf({ ...options, supervisor: { source: "/none", directories } });
    assert.match(error.message, /^Cannot copy the supervisor from "\/none" to ".*(one|two\/deep)": ENOENT/);
  });

  it("names the layer that the store does not have", async () => {
    const code = await kit.resolve({ type: "files", files: { a: "x" } });
    const digest = `sha256:${"0".repeat(64)}`;
    const error = await failureOf(await kit.assembleOptions({ code, layers: [{ name: "tools:3", digest }] }));
    assert.match(
      error.message,
      /^Cannot assemble layer "tools:3" \(sha256:0+\): Cannot read package .*namespace "team-a" has no such package$/,
    );
  });

  it("reads nothing of another namespace", async () => {
    const code = await kit.resolve({ type: "files", files: { a: "x" } }, "team-b");
    assert.match(
      (await failureOf(await kit.assembleOptions({ code, layers: [] }))).message,
      /"team-a" has no such package/,
    );
  });

  it("refuses a digest that is none before it asks anybody", async () => {
    const options = {
      ...(await kit.assembleOptions({ code: "sha256:../x", layers: [] })),
      packagesUrl: "http://127.0.0.1:1",
    };
    assert.match((await failureOf(options)).message, /Cannot assemble code \(sha256:\.\.\/x\): the digest is not/);
  });

  describe("with a store that fails", () => {
    const zip = zipBytes([{ name: "a", content: Buffer.from("content ".repeat(5)), method: 0 }]);
    let digest: string;
    beforeEach(async () => void (digest = await kit.resolve({ type: "zip", base64: zip.toString("base64") })));

    const whole: RequestListener = (_request, response) => void response.end(zip);
    const broken: RequestListener = (_request, response) => {
      response.writeHead(200, { "content-length": zip.length });
      response.write(zip.subarray(0, 50), () => setImmediate(() => response.destroy()));
    };
    const rest: RequestListener = (_request, response) => {
      response.writeHead(206, { "content-range": `bytes 50-${zip.length - 1}/${zip.length}` });
      response.end(zip.subarray(50));
    };
    const status =
      (code: number): RequestListener =>
      (_request, response) =>
        void response.writeHead(code).end('{"message":"not now"}');

    const recoveries: Record<string, { steps: readonly RequestListener[]; ranges: readonly (string | undefined)[] }> = {
      "goes on where the connection broke": { steps: [broken, rest], ranges: [undefined, "bytes=50-"] },
      "starts again when the range is not taken": { steps: [broken, whole], ranges: [undefined, "bytes=50-"] },
      "tries again what is refused for now": {
        steps: [status(401), status(503), whole],
        ranges: [undefined, undefined, undefined],
      },
      "tries again when the digest differs": {
        steps: [(_request, response) => void response.end("other"), whole],
        ranges: [undefined, undefined],
      },
    };
    for (const [what, { steps, ranges }] of Object.entries(recoveries)) {
      it(what, async () => {
        const server = await startScriptedServer(...steps);
        await assemble({ ...(await kit.assembleOptions({ code: digest, layers: [] })), packagesUrl: server.url });
        assert.deepEqual(
          server.requests.map(({ headers }) => headers.range),
          ranges,
        );
        assert.equal(await readFile(join(task, "a"), "utf8"), "content ".repeat(5));
        await server.stop();
      });
    }

    it("gives up after six tries with the last reason", async () => {
      const server = await startScriptedServer(status(503));
      const error = await failureOf({
        ...(await kit.assembleOptions({ code: digest, layers: [] })),
        packagesUrl: server.url,
      });
      assert.match(error.message, /the package store answered 503: not now$/);
      assert.equal(server.requests.length, 6);
      await server.stop();
    });

    it("ends at its deadline", async () => {
      const server = await startScriptedServer(() => undefined);
      const options = await kit.assembleOptions({ code: digest, layers: [{ name: "l", digest }] });
      const error = await failureOf({ ...options, packagesUrl: server.url, deadlineMs: 100 });
      assert.match(error.message, /the time for it is over$/);
      await server.stop();
    });
  });

  describe("as a process", () => {
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
        KUBELAMBDA_SUPERVISOR_SOURCE: "",
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
      "no token file is named": { change: { KUBELAMBDA_TOKEN_FILE: "" }, want: /KUBELAMBDA_TOKEN_FILE is not set/ },
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

  it("brings the supervisor alone for an image, and needs no task directory", async () => {
    const options = await kit.assembleOptions({ layers: [] });
    const [source, target] = [join(kit.directory, "supervisor-source"), join(kit.directory, "control")];
    await writeFile(source, "#!");
    const supervisor = { source, directories: [target] };
    const report = await assemble({ ...options, taskDirectory: "/none", layersDirectory: "/none", supervisor });
    assert.deepEqual(report.packages, []);
    assert.equal((await stat(join(target, "supervisor"))).mode & 0o777, 0o555);
  });

  it("leaves no file behind when it is aborted", async () => {
    const server = await startScriptedServer(() => undefined);
    const digest = `sha256:${"2".repeat(64)}`;
    const options = { ...(await kit.assembleOptions({ code: digest, layers: [] })), packagesUrl: server.url };
    await failureOf({ ...options, signal: AbortSignal.abort() });
    assert.equal(server.requests.length, 0);
    await server.stop();
  });
});
