/** Builds the runtime clients that the cache does not have: .cache/clients/<client>-<hash of sources>/{runtime,lang,task}. */
import { existsSync, mkdirSync, realpathSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { withFileLock } from "../cluster/file-lock.ts";
import type { Progress } from "../cluster/go-program.ts";
import { cacheDir, repositoryRoot } from "../cluster/paths.ts";
import { run } from "../cluster/run.ts";
import { sourceHash } from "../cluster/source-hash.ts";
import { clientNames, clients, type ClientName } from "./clients.ts";

/** A built client: in its folder `runtime`, `lang` and `task` stand for /var/runtime, /var/lang and /var/task. */
export interface BuiltClient {
  readonly folder: string;
  readonly runtime: string;
  readonly task: string;
}

const sources = import.meta.dirname;
const cache = join(cacheDir, "clients");
const nodeBinary = join(repositoryRoot, "node_modules", "node", "bin", "node");
const buildMs = 20 * 60_000;

export async function buildClients(progress: Progress): Promise<Readonly<Record<ClientName, BuiltClient>>> {
  const built: Partial<Record<ClientName, BuiltClient>> = {};
  for (const name of clientNames) built[name] = await buildClient(name, progress);
  return built as Record<ClientName, BuiltClient>;
}

/** Builds one client unless the cache has it. Needs what scripts/setup.sh installs. */
export async function buildClient(name: ClientName, progress: Progress): Promise<BuiltClient> {
  const folder = clientFolder(name);
  const built = { folder, runtime: join(folder, "runtime"), task: join(folder, "task") };
  if (existsSync(folder)) return built;
  mkdirSync(cache, { recursive: true });
  await withFileLock(join(cache, `${name}.lock`), 2 * buildMs, async () => {
    if (existsSync(folder)) return;
    progress(`building client ${name}`);
    const started = performance.now();
    await buildInto(folder, name);
    progress(`built client ${name} in ${((performance.now() - started) / 1000).toFixed(0)} s`);
  });
  return built;
}

/** Where the client is once it has been built from the sources as they are. */
export function clientFolder(name: ClientName): string {
  const folders = clients[name].sources.map((folder) => join(sources, folder));
  return join(cache, `${name}-${sourceHash(folders)}`);
}

async function buildInto(folder: string, name: ClientName): Promise<void> {
  const [unfinished, scratch] = [`${folder}.unfinished`, join(cache, `${name}.work`)];
  for (const old of [unfinished, scratch]) rmSync(old, { recursive: true, force: true });
  for (const part of ["runtime", "lang", "task"]) mkdirSync(join(unfinished, part), { recursive: true });
  mkdirSync(scratch);
  await run("nice", ["sh", join(sources, name, "build.sh")], {
    cwd: scratch,
    env: { OUT: unfinished, WORK: scratch, NODE: realpathSync(nodeBinary) },
    timeoutMs: buildMs,
  });
  renameSync(unfinished, folder);
  rmSync(scratch, { recursive: true });
}

if (import.meta.main) await buildClients((line) => process.stderr.write(`${line}\n`));
