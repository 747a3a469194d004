/** Processes by who started them. */
import { readdirSync, readFileSync } from "node:fs";

/** What a process started that still runs, and what that started. Of all threads: the Go runtime forks from any. */
export function descendantsOf(pid: number): readonly number[] {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    const lists = threads.map((thread) => readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8"));
    const children = lists.join(" ").split(/\s+/).filter(Boolean).map(Number);
    return children.flatMap((child) => [child, ...descendantsOf(child)]);
  } catch {
    // It has ended by itself.
    return [];
  }
}

/** SIGKILL. */
export function killIfAlive(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}
