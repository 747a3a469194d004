import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { joinCpuGroup, limitCpu } from "./cpu-group.ts";

const file = fileURLToPath(new URL("./cpu-group.ts", import.meta.url));
const program = `
  import { readFileSync } from "node:fs";
  import { joinCpuGroup } from ${JSON.stringify(file)};
  const here = () => readFileSync("/proc/self/cgroup", "utf8");
  const before = here();
  const leave = joinCpuGroup();
  const inside = here();
  leave?.();
  console.log(JSON.stringify({ before, inside, after: here(), hasJoined: leave !== undefined, pid: process.pid }));`;

describe("joinCpuGroup", () => {
  it("moves a process to a group of its own and back, or leaves it where it is", () => {
    const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
      encoding: "utf8",
    });
    assert.doesNotMatch(stderr, /Cannot remove/);
    const { before, inside, after, hasJoined, pid } = JSON.parse(stdout) as Record<string, unknown>;
    assert.equal(after, before);
    assert.equal(String(inside).includes(`kubelambda-bench-${String(pid)}`), hasJoined);
  });
});

describe("limitCpu", () => {
  it("puts a process in a group of its own until it has ended, or leaves it where all are", async () => {
    const child = spawn(process.execPath, ["-e", "setTimeout(() => {}, 30_000)"]);
    await once(child, "spawn");
    const pid = child.pid ?? 0;
    const groups = (): string => readFileSync(`/proc/${pid}/cgroup`, "utf8");
    const before = groups();
    const remove = limitCpu(pid, 0.25);
    const inside = groups();
    child.kill("SIGKILL");
    await once(child, "exit");
    remove?.();
    assert.equal(inside.includes(`kubelambda-bench-limited-${pid}`), remove !== undefined);
    const leave = joinCpuGroup();
    leave?.();
    // Who may make groups may give shares.
    if (leave !== undefined) assert.notEqual(inside, before);
  });
});
