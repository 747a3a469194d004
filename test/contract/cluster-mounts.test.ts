/** The test cluster's clearing up of mounts, on this machine's own. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { unmountBelow } from "../cluster/mounts.ts";

describe("unmountBelow", () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "mounts-"))));
  afterEach(() => rmSync(folder, { recursive: true }));

  function mount(...path: readonly string[]): void {
    const point = join(folder, ...path);
    mkdirSync(point, { recursive: true });
    execFileSync("mount", ["-t", "tmpfs", "none", point]);
  }

  it("unmounts also what a later mount hides, and what is mounted twice in one place", async () => {
    mount("a", "b");
    mount("a");
    mount("a", "b");
    mount("a", "b");
    await unmountBelow(folder);
    assert.ok(!readFileSync("/proc/self/mountinfo", "utf8").includes(folder));
  });

  it("is content with a folder that is not there", async () => {
    await unmountBelow(join(folder, "none"));
  });
});
