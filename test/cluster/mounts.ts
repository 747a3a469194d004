import { existsSync, readdirSync, readFileSync, readlinkSync, realpathSync, rmdirSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { run } from "./run.ts";

const mostRounds = 20;

/** Unmounts everything below the folder, what was mounted last first: that may hide what was mounted before. */
export async function unmountBelow(folder: string): Promise<void> {
  if (!existsSync(folder)) return;
  // A checkout may have its cache behind a link, and mounts are known by their true path.
  const root = realpathSync(folder);
  for (let round = 0, problem = ""; ; round += 1) {
    const points = mountsBelow(root).reverse();
    if (points.length === 0) return;
    if (round === mostRounds) throw new Error(`Cannot unmount ${points.join(", ")}: ${problem}`);
    // One that is hidden cannot be unmounted before its turn comes again.
    for (const point of points)
      await run("umount", ["--lazy", point], { timeoutMs: 10_000 }).catch(
        (error: unknown) => (problem = String(error)),
      );
  }
}

/** In the order in which they were mounted. Source: proc(5), /proc/<pid>/mountinfo, field 5; blanks are written as \040. */
function mountsBelow(root: string): string[] {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) => (line.split(" ")[4] ?? "").replaceAll("\\040", " "))
    .filter((point) => point.startsWith(`${root}/`));
}

/** Removes the control groups that a kubelet leaves behind; one that still has processes stays. */
export function removePodCgroups(): void {
  const root = "/sys/fs/cgroup";
  const hierarchies = existsSync(join(root, "cgroup.controllers"))
    ? [root]
    : readdirSync(root).map((name) => join(root, name));
  for (const hierarchy of hierarchies) removeCgroup(join(hierarchy, "kubepods"));
}

/** Removes the links in /var/log/containers that point to logs of ours. */
export function removeLogLinks(stateDir: string): void {
  const dir = "/var/log/containers";
  if (!existsSync(dir)) return;
  for (const name of readdirSync(dir)) {
    const link = join(dir, name);
    if (readlinkSync(link).startsWith(stateDir)) unlinkSync(link);
  }
}

/** Removes what the network plugins noted of a network's pods, and of these containers' loopback interfaces. */
export function removeNetworkResults(network: string, containers: readonly string[]): void {
  const dir = "/var/lib/cni/results";
  if (!existsSync(dir)) return;
  for (const name of readdirSync(dir)) {
    if (name.startsWith(`${network}-`) || containers.some((id) => name.includes(id))) unlinkSync(join(dir, name));
  }
}

function removeCgroup(dir: string): void {
  if (!existsSync(dir)) return;
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    if (entry.isDirectory()) removeCgroup(join(dir, entry.name));
  }
  try {
    rmdirSync(dir);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EBUSY") throw error;
  }
}
