import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

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
