import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpuMs, descendants, privateBytes } from "./process-usage.ts";

describe("process usage", () => {
  it("counts the CPU time that this process spends, about as the process itself does", () => {
    const [before, ours] = [cpuMs([process.pid]), process.cpuUsage()];
    const spent = (): number => {
      const { user, system } = process.cpuUsage(ours);
      return (user + system) / 1000;
    };
    while (spent() < 200);
    const counted = cpuMs([process.pid]) - before;
    assert.ok(Math.abs(counted - spent()) <= 60, `${counted} ms`);
  });

  it("counts nothing for a process that is gone", () => assert.equal(cpuMs([2 ** 22 + 1]), 0));

  it("sees memory that this process alone has", () => {
    const before = privateBytes(process.pid);
    const block = Buffer.alloc(32 * 1024 * 1024, 1);
    const grown = privateBytes(process.pid) - before;
    assert.ok(grown > 28 * 1024 * 1024 && block.length > 0, `${grown} bytes`);
  });

  it("finds grandchildren", async () => {
    const child = spawn("sh", ["-c", "sh -c 'echo up; read x; :'; :"], { stdio: ["pipe", "pipe", "inherit"] });
    await once(child.stdout, "data");
    assert.equal(descendants(child.pid!).length, 1);
    assert.ok(descendants(process.pid).includes(descendants(child.pid!)[0]!));
    child.stdin.end("\n");
    await once(child, "close");
    assert.deepEqual(descendants(child.pid!), []);
  });
});
