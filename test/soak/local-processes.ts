import { readFile } from "node:fs/promises";

export const processRoles = ["agent", "supervisor", "runtime"] as const;
export type ProcessRole = (typeof processRoles)[number];

interface SeenProcess {
  readonly pid: number;
  readonly parent: number;
  readonly argv: readonly string[];
}

/** Which of these processes, all descendants of one local mode, are what; those that are gone or something else are left out. */
export async function findByRole(pids: readonly number[]): Promise<Readonly<Record<ProcessRole, readonly number[]>>> {
  const seen = (await Promise.all(pids.map(readProcess))).filter((process) => process !== undefined);
  // The program's own node processes: "unshare" has the same words in its arguments, but further back.
  const running = (file: RegExp): number[] => seen.filter(({ argv }) => file.test(argv[1] ?? "")).map(({ pid }) => pid);
  const supervisors = running(/\/local\/supervisor\.[jt]s$/);
  return {
    agent: running(/\/local\/agent-process\.[jt]s$/),
    supervisor: supervisors,
    runtime: seen.filter(({ parent }) => supervisors.includes(parent)).map(({ pid }) => pid),
  };
}

async function readProcess(pid: number): Promise<SeenProcess | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    const [, state, parent] = /\) (\S) (\d+)/.exec(stat) ?? [];
    if (state === undefined || state === "Z") return undefined;
    const argv = (await readFile(`/proc/${pid}/cmdline`, "utf8")).split("\0");
    return { pid, parent: Number(parent), argv };
  } catch {
    return undefined;
  }
}
