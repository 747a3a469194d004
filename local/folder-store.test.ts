import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, it } from "mocha";
import { claimFolderStore } from "./folder-store.ts";

const claimAndStay = `import { claimFolderStore } from ${JSON.stringify(new URL("folder-store.ts", import.meta.url).href)};
await claimFolderStore(process.argv[1], process.argv[2]);
process.stdout.write("claimed");
process.stdin.resume();`;

describe("package store of a served folder", function () {
  this.timeout(20_000);
  const started: ChildProcess[] = [];
  let root = "";
  let cache = "";

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "folder-store-"));
    cache = join(root, "cache");
  });
  afterEach(() => {
    for (const child of started.splice(0)) child.kill("SIGKILL");
    rmSync(root, { recursive: true, force: true });
  });

  function makeFolder(name: string): string {
    const folder = join(root, name);
    mkdirSync(folder);
    return folder;
  }
  async function claimElsewhere(folder: string): Promise<ChildProcess> {
    const child = spawn(process.execPath, ["--input-type=module", "--eval", claimAndStay, cache, folder], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    started.push(child);
    const [said] = (await once(child.stdout, "data")) as [Buffer];
    assert.equal(said.toString(), "claimed");
    return child;
  }

  it("is another one for another folder, and the same in the next run", async () => {
    const [a, b] = [makeFolder("a"), makeFolder("b")];
    const first = await claimFolderStore(cache, a);
    const other = await claimFolderStore(cache, b);
    assert.notEqual(first.directory, other.directory);
    await first.release();
    assert.equal((await claimFolderStore(cache, `${a}/../a`)).directory, first.directory);
  });

  it("is one process's: a second is told whose, until that one has ended, however it did", async () => {
    const folder = makeFolder("a");
    const holder = await claimElsewhere(folder);
    await assert.rejects(claimFolderStore(cache, folder), {
      message: `"${folder}" is served by process ${holder.pid} already: end that one first`,
    });
    holder.kill("SIGKILL");
    await once(holder, "exit");
    const claim = await claimFolderStore(cache, folder);
    await claim.release();
    await (await claimFolderStore(cache, folder)).release();
  });

  it("says what is wrong with a path that no socket can have, and what would be right", async () => {
    await assert.rejects(claimFolderStore(join(cache, "long".repeat(30)), makeFolder("a")), {
      message: /" is too long: a socket's path has at most 103 bytes; XDG_CACHE_HOME can name a shorter cache folder$/,
    });
  });

  it("is removed when its folder is gone, unless a process still serves it", async () => {
    const gone = makeFolder("gone");
    const { directory, release } = await claimFolderStore(cache, gone);
    mkdirSync(directory);
    await release();
    const held = makeFolder("held");
    await claimElsewhere(held);
    for (const folder of [gone, held]) rmSync(folder, { recursive: true });
    const { directory: own } = await claimFolderStore(cache, makeFolder("kept"));
    assert.ok(!existsSync(directory));
    const left = [own, await directoryOf(held)].map((path) => existsSync(dirname(path)));
    assert.deepEqual(left, [true, true]);
  });

  /** Where the store of a folder would be. */
  async function directoryOf(folder: string): Promise<string> {
    const elsewhere = join(root, "elsewhere");
    mkdirSync(folder);
    const { directory, release } = await claimFolderStore(elsewhere, folder);
    await release();
    return directory.replace(elsewhere, cache);
  }
});
