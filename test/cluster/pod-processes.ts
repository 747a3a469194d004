/** Processes of pods of the cluster that runs on this machine, as the machine sees them. */
import { readdirSync, readFileSync } from "node:fs";

export interface PodProcess {
  readonly pid: number;
  /** Its arguments, separated by spaces. */
  readonly command: string;
}

/** Those whose cgroup is the pod's, but the one that holds its network. */
export function processesOfPod(podUid: string): readonly PodProcess[] {
  const pids = readdirSync("/proc").map(Number).filter(Number.isInteger);
  return pids.flatMap((pid) => {
    if (!read(pid, "cgroup").includes(`/pod${podUid}/`)) return [];
    const command = read(pid, "cmdline").replaceAll("\0", " ").trim();
    return command === "" || command === "/pause" ? [] : [{ pid, command }];
  });
}

/** A process that has ended is fine. */
export function signalProcesses(processes: readonly PodProcess[], signal: NodeJS.Signals): void {
  for (const { pid } of processes) {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
}

/** Empty when it has gone. */
function read(pid: number, file: "cgroup" | "cmdline"): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
}
