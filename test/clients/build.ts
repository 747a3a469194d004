/** Builds what the cache does not have of the runtime clients: a folder .cache/clients/<part>-<hash of its sources> for each part. */
import { existsSync, mkdirSync, realpathSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { withFileLock } from "../cluster/file-lock.ts";
import type { Progress } from "../cluster/go-program.ts";
import { cacheDir, repositoryRoot } from "../cluster/paths.ts";
import { run } from "../cluster/run.ts";
import { sourceHash } from "../cluster/source-hash.ts";
import { clientNames, clients, type Client, type ClientName, type Part } from "./clients.ts";

/** A built client, as folders. */
export interface BuiltClient {
  /** Stands for /var/task. */
  readonly task: string;
  /** Has `runtime` and `lang`, which stand for /var/runtime and /var/lang; absent for clients that a function brings itself. */
  readonly managed?: string;
}

const sources = import.meta.dirname;
const cache = join(cacheDir, "clients");
const nodeBinary = join(repositoryRoot, "node_modules", "node", "bin", "node");
const buildMs = 20 * 60_000;

/** Builds one client unless the cache has it. Needs what scripts/setup.sh installs. */
export async function buildClient(name: ClientName, progress: Progress): Promise<BuiltClient> {
  const { runtimePart, taskPart }: Client = clients[name];
  const managed = runtimePart && (await buildPart(runtimePart, progress));
  const task = await buildPart(taskPart, progress);
  return { task, ...(managed !== undefined && { managed }) };
}

async function buildPart(part: Part, progress: Progress): Promise<string> {
  const name = part.at(-1) ?? "";
  const folder = join(cache, `${name}-${sourceHash(part.map((source) => join(sources, source)))}`);
  if (existsSync(folder)) return folder;
  mkdirSync(cache, { recursive: true });
  await withFileLock(join(cache, `${name}.lock`), 2 * buildMs, async () => {
    if (existsSync(folder)) return;
    progress(`building client ${name}`);
    const started = performance.now();
    await buildInto(folder, name);
    progress(`built client ${name} in ${((performance.now() - started) / 1000).toFixed(0)} s`);
  });
  return folder;
}

async function buildInto(folder: string, name: string): Promise<void> {
  const [unfinished, scratch] = [`${folder}.unfinished`, join(cache, `${name}.work`)];
  for (const fresh of [unfinished, scratch]) {
    rmSync(fresh, { recursive: true, force: true });
    mkdirSync(fresh);
  }
  await run("nice", ["sh", join(sources, name, "build.sh")], {
    cwd: scratch,
    env: { OUT: unfinished, WORK: scratch, NODE: realpathSync(nodeBinary) },
    timeoutMs: buildMs,
  });
  renameSync(unfinished, folder);
  rmSync(scratch, { recursive: true });
}

if (import.meta.main) {
  for (const name of clientNames) await buildClient(name, (line) => process.stderr.write(`${line}\n`));
}
