/** Around every file of unit and contract tests: a temporary folder of this process alone, and a look at what is left. */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Context, RootHookObject } from "mocha";
import { leftoverProcesses } from "./kit/leftover-processes.ts";
import { killIfAlive } from "./kit/process-tree.ts";

const patienceMs = 3000;

// A short name, and beside that of whoever started this process: sockets lie in folders below, and a path of one has 107 characters at most.
const folder = mkdtempSync(join((process.env["KUBELAMBDA_TESTS_TMPDIR"] ??= tmpdir()), "t-"));
// Some tests run programs as another user.
chmodSync(folder, 0o755);
process.env["TMPDIR"] = folder;
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

export const mochaHooks: RootHookObject = {
  async afterAll(this: Context) {
    this.timeout(patienceMs * 3);
    const left = await leftoverProcesses(folder, patienceMs);
    if (left.length === 0) return;
    for (const { pid } of left) killIfAlive(pid);
    const list = left.map(({ pid, command }) => `\n  ${pid} ${command}`).join("");
    throw new Error(`These tests left ${left.length} processes behind, which are killed now:${list}`);
  },
};
