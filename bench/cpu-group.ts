/**
 * One CPU cgroup for the whole run. Without, the kernel's autogroups give each session its own share of the CPU, and a supervisor starts the
 * function in a session of its own: 10 functions had 10 shares, all agents and the router together one. Source: sched(7).
 */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const removeLimitMs = 2000;
const pauseMs = 10;

/** Moves this process, and so all that it starts, there; returns the way back, undefined where the kernel or our rights do not allow it. */
export function joinCpuGroup(): (() => void) | undefined {
  const parent = findParent();
  if (parent === undefined) return undefined;
  const group = join(parent, `kubelambda-bench-${process.pid}`);
  try {
    mkdirSync(group);
  } catch {
    return undefined;
  }
  const leave = (): void => {
    writeFileSync(join(parent, "cgroup.procs"), `${process.pid}`);
    removeSoon(group);
  };
  try {
    writeFileSync(join(group, "cgroup.procs"), `${process.pid}`);
    return leave;
  } catch {
    removeSoon(group);
    return undefined;
  }
}

/** The group in which this process is, of version 1 or, where children get the cpu controller, 2. */
function findParent(): string | undefined {
  const groups = readFileSync("/proc/self/cgroup", "utf8");
  const first = /^\d+:(?:[^:\n]*,)?cpu(?:,[^:\n]*)?:(.*)$/m.exec(groups)?.[1];
  if (first !== undefined) return join("/sys/fs/cgroup/cpu", first);
  const second = join("/sys/fs/cgroup", /^0::(.*)$/m.exec(groups)?.[1] ?? "/");
  const control = join(second, "cgroup.subtree_control");
  return existsSync(control) && / ?\bcpu\b/.test(readFileSync(control, "utf8")) ? second : undefined;
}

/** Killed processes stay in their group for a moment. It runs at the very end, so it may block. */
function removeSoon(group: string): void {
  const untilMs = performance.now() + removeLimitMs;
  for (;;) {
    try {
      rmdirSync(group);
      return;
    } catch (error) {
      if (performance.now() > untilMs) {
        process.stderr.write(`Cannot remove cgroup "${group}": ${String(error)}\n`);
        return;
      }
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pauseMs);
    }
  }
}
