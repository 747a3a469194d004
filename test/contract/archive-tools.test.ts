import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  open,
  readFile,
  readdir,
  readlink,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { archiveLimits, unzippedLimitBytes } from "../../runtime-proxy/packages/archive-limits.ts";
import { checkArchive } from "../../runtime-proxy/packages/archive.ts";
import { InflateBudget } from "../../runtime-proxy/packages/inflate-budget.ts";
import { MergeTarget } from "../../runtime-proxy/packages/merge-target.ts";
import { PackageError } from "../../runtime-proxy/packages/package-error.ts";
import { unpackArchive } from "../../runtime-proxy/packages/unpack.ts";
import { runTool, zipTools } from "../kit/zip-tools.ts";

/** Path → what is there, as far as a zip can say. */
type Tree = ReadonlyMap<string, string>;

/** A directory with its mode; a file with mode and digest; a link with its target. */
async function treeOf(
  root: string,
  { modes, links }: { readonly modes: boolean; readonly links: boolean },
): Promise<Tree> {
  const found = new Map<string, string>();
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    const full = join(entry.parentPath, entry.name);
    const mode = modes ? ` ${((await lstat(full)).mode & 0o777).toString(8)}` : "";
    const path = full.slice(root.length + 1);
    if (entry.isDirectory()) found.set(path, `directory${mode}`);
    else if (entry.isSymbolicLink() && links) found.set(path, `link to ${await readlink(full)}`);
    // A tool that follows links gives the target's mode.
    else
      found.set(
        path,
        `file${entry.isSymbolicLink() && modes ? " 644" : mode} ${createHash("sha256")
          .update(await readFile(full))
          .digest("hex")}`,
      );
  }
  return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}

describe("archives of other tools", () => {
  let directory: string;
  let folder: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "archive-tools-"));
    folder = join(directory, "tree");
    for (const path of ["", "lib", "lib/deep/deeper", "empty", "närrisch 空"])
      await mkdir(join(folder, path), { recursive: true });
    const files: Record<string, string | Buffer> = {
      "index.mjs": "export const handler = () => 1;\n".repeat(100),
      "lib/deep/deeper/data.json": "{}",
      "empty/.keep": "",
      "närrisch 空/ö.txt": "Grüße\n",
      "large.bin": Buffer.alloc(6_000_000, "large "),
      bootstrap: "#!/bin/sh\necho hello\n",
    };
    for (const [path, content] of Object.entries(files)) {
      await writeFile(join(folder, path), content);
      await chmod(join(folder, path), path === "bootstrap" ? 0o755 : 0o644);
    }
    for (const path of ["lib", "lib/deep", "lib/deep/deeper", "empty", "närrisch 空"])
      await chmod(join(folder, path), 0o755);
    await chmod(join(folder, "lib/deep/deeper/data.json"), 0o640);
    await symlink("../index.mjs", join(folder, "lib/index.mjs"));
  });
  after(() => rm(directory, { recursive: true, force: true }));

  async function unpack(zip: string, within = directory): Promise<string> {
    const target = await mkdtemp(join(within, "archive-target-"));
    await unpackArchive(zip, new MergeTarget(target), new InflateBudget(unzippedLimitBytes));
    return target;
  }

  async function refusalOf(zip: string): Promise<PackageError> {
    const error: unknown = await checkArchive(zip, archiveLimits).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof PackageError, `want a PackageError, got ${String(error)}`);
    return error;
  }

  for (const [name, { make, keeps }] of Object.entries(zipTools)) {
    it(`are unpacked as they were: ${name}`, async () => {
      const zip = join(directory, `${createHash("sha256").update(name).digest("hex").slice(0, 16)}.zip`);
      const scratch = await mkdtemp(join(directory, "scratch-"));
      await make({ folder, zip, scratch });
      const checked = await checkArchive(zip, archiveLimits);
      assert.ok(checked.unzippedBytes > 6_000_000);
      const target = await unpack(zip);
      assert.deepEqual(await treeOf(target, keeps), await treeOf(folder, keeps));
      // Without modes Lambda's programs still run.
      assert.equal((await lstat(join(target, "bootstrap"))).mode & 0o777, 0o755);
      assert.equal((await lstat(join(target, "lib"))).mode & 0o777, 0o755);
    }).timeout(60_000);
  }

  const refused: Record<string, { readonly args: readonly string[]; readonly message: RegExp }> = {
    "a password of zip": { args: ["zip", "-q", "-r", "-P", "secret", "ZIP", "."], message: /it is encrypted/ },
    "AES of 7z": {
      args: ["7z", "a", "-tzip", "-psecret", "-mem=AES256", "-bd", "ZIP", "."],
      message: /it is encrypted/,
    },
    "LZMA of 7z": {
      args: ["7z", "a", "-tzip", "-mm=LZMA", "-bd", "ZIP", "."],
      message: /compression method 14 is not "stored"/,
    },
    "Deflate64 of 7z": {
      args: ["7z", "a", "-tzip", "-mm=Deflate64", "-bd", "ZIP", "."],
      message: /compression method 9 is not/,
    },
    "bzip2 of zip": { args: ["zip", "-q", "-r", "-Z", "bzip2", "ZIP", "."], message: /compression method 12 is not/ },
    "a zip that bsdtar has padded to whole blocks of a tape": {
      args: ["sh", "-c", 'bsdtar -c --format zip -f - . | cat > "$0"', "ZIP"],
      message: /extra bytes at the end of the file/,
    },
    "a tar that is called zip": {
      args: ["bsdtar", "-c", "--format", "ustar", "-f", "ZIP", "."],
      message: /^Could not unzip uploaded file/,
    },
    "a 7z that is called zip": {
      args: ["7z", "a", "-t7z", "-bd", "ZIP", "."],
      message: /^Could not unzip uploaded file/,
    },
    "one volume of several of zip": {
      args: ["sh", "-c", 'zip -q -r -0 -s 64k "$0" . && true', "ZIP"],
      message: /^Could not unzip uploaded file/,
    },
  };
  for (const [what, { args, message }] of Object.entries(refused)) {
    it(`are refused with a reason: ${what}`, async () => {
      const zip = join(await mkdtemp(join(directory, "refused-")), "a.zip");
      const [program = "", ...rest] = args.map((arg) => (arg === "ZIP" ? zip : arg));
      await runTool(program, rest, folder);
      const error = await refusalOf(zip);
      assert.equal(error.code, "InvalidArchive");
      assert.match(error.message, message);
    });
  }

  it("may have more entries than 16 bits count: 66,000 files, which takes the 64-bit form", async () => {
    const zip = join(directory, "many.zip");
    const script = `import sys,zipfile
with zipfile.ZipFile(sys.argv[1],"w") as z:
    for n in range(66000): z.writestr(f"node_modules/p{n//100}/f{n}.js", str(n))`;
    await runTool("python3", ["-c", script, zip], directory);
    // In memory where that is: a disk takes a minute to make so many files, and to remove them.
    const target = await unpack(zip, existsSync("/dev/shm") ? "/dev/shm" : directory);
    assert.equal((await readdir(join(target, "node_modules"))).length, 660);
    assert.equal(await readFile(join(target, "node_modules/p659/f65999.js"), "utf8"), "65999");
    await rm(target, { recursive: true });
  }).timeout(120_000);

  it("are refused by their number of entries: 100,001", async () => {
    const zip = join(directory, "too-many.zip");
    const script = `import sys,zipfile
with zipfile.ZipFile(sys.argv[1],"w") as z:
    for n in range(100001): z.writestr(str(n), b"")`;
    await runTool("python3", ["-c", script, zip], directory);
    const error = await refusalOf(zip);
    assert.deepEqual(
      [error.code, error.message],
      ["CodeTooLarge", "Cannot unpack the archive: 100001 entries, at most 100000"],
    );
  }).timeout(120_000);

  describe("packages 9: at Lambda's bound", () => {
    async function zipOf(bytes: number, ...options: string[]): Promise<string> {
      const source = await mkdtemp(join(directory, "bound-"));
      // Sparse: nothing is written to disk but holes.
      const file = await open(join(source, "a"), "w");
      await file.truncate(bytes);
      await file.close();
      await runTool("zip", ["-q", ...options, "b.zip", "a"], source);
      await rm(join(source, "a"));
      return join(source, "b.zip");
    }

    it("262,143,999 bytes are taken, deflated to a thousandth", async () => {
      const zip = await zipOf(262_143_999);
      assert.equal((await checkArchive(zip, archiveLimits)).unzippedBytes, 262_143_999);
    }).timeout(60_000);

    it("262,144,001 bytes are refused", async () => {
      const error = await refusalOf(await zipOf(262_144_001, "-1"));
      assert.deepEqual(
        [error.code, error.message],
        ["CodeTooLarge", "Unzipped size must be smaller than 262144000 bytes"],
      );
    }).timeout(60_000);

    it("a bomb of 300 MB that is honest about it is left at the bound", async () => {
      const zip = join(directory, "bomb.zip");
      const script = `import sys,zipfile
with zipfile.ZipFile(sys.argv[1],"w",zipfile.ZIP_DEFLATED,compresslevel=1) as z:
    with z.open("bomb","w",force_zip64=True) as o:
        for n in range(300): o.write(bytes(1000000))`;
      await runTool("python3", ["-c", script, zip], directory);
      assert.equal((await refusalOf(zip)).code, "CodeTooLarge");
    }).timeout(60_000);
  });
});
