import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { archiveLimits } from "./archive-limits.ts";
import { openArchive } from "./archive.ts";
import { buildZip } from "./build-zip.ts";
import { InflateBudget } from "./inflate-budget.ts";

const build = (files: Readonly<Record<string, string>>): Promise<Buffer> =>
  buildZip(new Map(Object.entries(files).map(([name, text]) => [name, Buffer.from(text)])));
const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

const files = {
  "index.mjs": "export const handler = 1;\n",
  "lib/täst.txt": "",
  run: "#!/bin/sh\n",
  bootstrap: "\x7fELF",
};

describe("building a zip from files", () => {
  it("gives the same bytes for the same content in any order", async () => {
    const reversed = Object.fromEntries(Object.entries(files).reverse());
    assert.deepEqual(await build(files), await build(reversed));
    assert.notDeepEqual(await build(files), await build({ ...files, run: "#!/bin/bash\n" }));
  });

  it("gives the digest that it gave in every release", async () => {
    assert.equal(sha256(await build(files)), "f477b7d83c95867e111df039ff6efb6be48eab2a5038d6d27d620aa5ea36d4ee");
  });

  it("gives the same bytes in every time zone", () => {
    const script = `import { buildZip } from ${JSON.stringify(new URL("build-zip.ts", import.meta.url).href)};
      process.stdout.write((await buildZip(new Map([["a", Buffer.from("x")]]))).toString("hex"));`;
    const zips = ["Pacific/Kiritimati", "America/Los_Angeles"].map((zone) => {
      const options = { env: { ...process.env, TZ: zone }, encoding: "utf8", timeout: 20_000 } as const;
      return spawnSync(process.execPath, ["--input-type=module", "-e", script], options).stdout;
    });
    assert.ok(zips[0] !== "");
    assert.equal(zips[0], zips[1]);
  });

  it("makes scripts and what Lambda starts executable, and reads back as it was", async () => {
    const directory = await mkdtemp(join(tmpdir(), "build-zip-"));
    const path = join(directory, "a.zip");
    await writeFile(path, await build(files));
    const archive = await openArchive(path, archiveLimits);
    const seen: Record<string, [string, string]> = {};
    for (const entry of archive.entries) {
      seen[entry.path] = [entry.mode.toString(8), (await archive.readWhole(entry, new InflateBudget(1000))).toString()];
    }
    await archive.close();
    await rm(directory, { recursive: true });
    assert.deepEqual(seen, {
      bootstrap: ["755", "\x7fELF"],
      "index.mjs": ["644", "export const handler = 1;\n"],
      "lib/täst.txt": ["644", ""],
      run: ["755", "#!/bin/sh\n"],
    });
  });

  const refusals: Record<string, { files: Readonly<Record<string, string>>; want: RegExp }> = {
    "no files": { files: {}, want: /there are no files/ },
    "a name that leads out": { files: { "../x": "" }, want: /"\.\.\/x".*"\.\."/ },
    "a directory": { files: { "d/": "" }, want: /"d\/".*no file name/ },
    "a file beneath a file": { files: { a: "", "a/b": "" }, want: /"a\/b".*beneath a file/ },
    "two spellings of one name": { files: { "a/b": "", "a//b": "" }, want: /twice/ },
  };
  for (const [what, { files: bad, want }] of Object.entries(refusals)) {
    it(`refuses ${what}`, async () => await assert.rejects(build(bad), want));
  }
});
