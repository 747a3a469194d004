import { execFileSync } from "node:child_process";

/** A command that runs on one core alone; without a core where it is put. */
export function pinned(core: number | undefined, argv: readonly string[]): readonly string[] {
  return core === undefined ? argv : ["taskset", "--cpu-list", String(core), ...argv];
}

/** Keeps this process, with all its threads, on these cores; returns the way back. */
export function keepOn(cores: readonly number[]): () => void {
  const before = affinity();
  setAffinity(cores.join(","));
  return () => setAffinity(before);
}

function affinity(): string {
  const told = execFileSync("taskset", ["--pid", "--cpu-list", String(process.pid)], { encoding: "utf8" });
  return told.trim().split(": ").at(-1) ?? "0";
}

function setAffinity(cores: string): void {
  execFileSync("taskset", ["--all-tasks", "--pid", "--cpu-list", cores, String(process.pid)]);
}
