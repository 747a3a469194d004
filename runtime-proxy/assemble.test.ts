import assert from "node:assert/strict";
import { lstat, mkdir, readFile, readdir, readlink, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ResolveRequest } from "../crds/wire/packages.ts";
import { startTestStore, type TestStore } from "../test/kit/package-store-server.ts";
import { zipBytes, type ZipEntryDraft } from "../test/kit/zip-bytes.ts";
import { failureOf } from "../test/kit/assemble-failure.ts";
import { assemble, type AssembleReport } from "./assemble.ts";

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

  it("brings the supervisor alone for an image, and needs no task directory", async () => {
    const options = await kit.assembleOptions({ layers: [] });
    const [source, target] = [join(kit.directory, "supervisor-source"), join(kit.directory, "control")];
    await writeFile(source, "#!");
    const supervisor = { source, directories: [target] };
    const report = await assemble({ ...options, taskDirectory: "/none", layersDirectory: "/none", supervisor });
    assert.deepEqual(report.packages, []);
    assert.equal((await stat(join(target, "supervisor"))).mode & 0o777, 0o555);
  });
});
