/** Process `assemble`, and its library: code into `/var/task`, layers into `/opt`, the supervisor to where containers start it. */
import { lchownSync, lstatSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { chmod, copyFile, mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { EnvironmentDocument } from "../crds/wire/environment.ts";
import { places } from "../crds/wire/places.ts";
import { tellFetchMs } from "./assembled.ts";
import { unzippedLimitBytes } from "./packages/archive-limits.ts";
import { hexOfDigest } from "./packages/digest.ts";
import { downloadPackage, type Download } from "./packages/download.ts";
import type { KnownHosts } from "./packages/known-hosts.ts";
import { InflateBudget } from "./packages/inflate-budget.ts";
import { MergeTarget } from "./packages/merge-target.ts";
import { unpackArchive } from "./packages/unpack.ts";
import { writeTerminationLog } from "./termination-log.ts";
import { tokenReader } from "./token-file.ts";

export interface AssembleOptions {
  readonly environment: Pick<EnvironmentDocument, "code" | "layers">;
  /** Of the package store: `http(s)://host:port`. */
  readonly packagesUrl: string;
  /** Of the node's cache before it; empty or absent: there is none. */
  readonly cacheUrl?: string | undefined;
  readonly readToken: () => Promise<string>;
  /** Code goes here; must be there if there is code or a layer. Downloads pass through a directory within. */
  readonly taskDirectory: string;
  /** Layers go here, merged in order; must be there. */
  readonly layersDirectory: string;
  /** Copied to `<directory>/supervisor`; absent: none. */
  readonly supervisor?: { readonly source: string; readonly directories: readonly string[] };
  /** For everything, ms; default 120,000. */
  readonly deadlineMs?: number;
  /** Ends it early. */
  readonly signal?: AbortSignal;
  /** Where store and cache were before; absent: they are looked up. */
  readonly hosts?: KnownHosts | undefined;
  /** Milliseconds that only rise; default performance.now. */
  readonly elapsedMs?: () => number;
}

export interface AssembledPackage {
  /** `code` or `layer "<name>"`. */
  readonly name: string;
  readonly digest: string;
  readonly zippedBytes: number;
  readonly from: Download["from"];
  readonly unzippedBytes: number;
  readonly entries: number;
  /** Since the start. */
  readonly downloadedAfterMs: number;
  readonly unpackedAfterMs: number;
}

export interface AssembleReport {
  /** Code first, then the layers in order. */
  readonly packages: readonly AssembledPackage[];
  readonly totalMs: number;
}

/** One package could not be had; the message says which and why, in one line. */
export class AssembleError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message.replaceAll(/\s+/g, " "), { cause });
    this.name = "AssembleError";
  }
}

interface Wanted {
  readonly name: string;
  readonly digest: string;
}

interface Run {
  readonly options: AssembleOptions;
  readonly scratch: string;
  readonly signal: AbortSignal;
  readonly budget: InflateBudget;
  readonly elapsedMs: () => number;
}

const scratchPrefix = ".kubelambda-assemble-";

/**
 * Everything in parallel but the layers' unpacking, whose order decides. Safe to repeat; throws AssembleError. Short steps block: nothing else runs
 * meanwhile, and a thread's turn takes longer than they do.
 */
export async function assemble(options: AssembleOptions): Promise<AssembleReport> {
  const now = options.elapsedMs ?? (() => performance.now());
  const startedAtMs = now();
  const failed = new AbortController();
  const deadline = AbortSignal.timeout(options.deadlineMs ?? 120_000);
  const signal = AbortSignal.any([failed.signal, deadline, ...(options.signal === undefined ? [] : [options.signal])]);
  const elapsedMs = (): number => now() - startedAtMs;
  const { code, layers } = options.environment;
  if (code === undefined && layers.length === 0) {
    // An image has both in it; there is no task directory then.
    await copySupervisor(options.supervisor);
    return { packages: [], totalMs: elapsedMs() };
  }
  const scratch = makeScratch(options.taskDirectory);
  try {
    const budget = new InflateBudget(unzippedLimitBytes);
    const packages = await bringAll({ options, scratch, signal, budget, elapsedMs }, failed);
    return { packages, totalMs: elapsedMs() };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** The first failure stops the others, and is the one that is told. */
async function bringAll(run: Run, failed: AbortController): Promise<readonly AssembledPackage[]> {
  const { code, layers } = run.options.environment;
  let failure: unknown;
  const guard = async <T>(step: Promise<T>): Promise<T | undefined> => {
    try {
      return await step;
    } catch (error) {
      failure ??= error;
      failed.abort();
      return undefined;
    }
  };
  const [codePackages, layerPackages] = await Promise.all([
    guard(bringInOrder(run, code === undefined ? [] : [{ name: "code", digest: code }], run.options.taskDirectory)),
    guard(
      bringInOrder(
        run,
        layers.map(({ name, digest }) => ({ name: `layer "${name}"`, digest })),
        run.options.layersDirectory,
      ),
    ),
    guard(copySupervisor(run.options.supervisor)),
  ]);
  if (failure !== undefined) throw failure as Error;
  return [...(codePackages ?? []), ...(layerPackages ?? [])];
}

async function bringInOrder(run: Run, wanted: readonly Wanted[], directory: string): Promise<AssembledPackage[]> {
  const target = new MergeTarget(directory);
  const downloads = wanted.map((one, index) =>
    download(run, one, join(run.scratch, `${one.name === "code" ? "code" : index}.zip`)),
  );
  // Each is awaited below, in order; until then a failure must not count as unheard.
  for (const each of downloads) each.catch(() => undefined);
  const done: AssembledPackage[] = [];
  try {
    for (const each of downloads) {
      const downloaded = await each;
      const unpacked = await explain(downloaded, () => unpackArchive(downloaded.path, target, run.budget));
      const { name, digest, bytes: zippedBytes, from, downloadedAfterMs } = downloaded;
      done.push({ name, digest, zippedBytes, from, downloadedAfterMs, ...unpacked, unpackedAfterMs: run.elapsedMs() });
    }
    if (done.length > 0) takeGroup(directory);
    return done;
  } catch (error) {
    // None may write to a directory that is about to go.
    await Promise.allSettled(downloads);
    throw error;
  }
}

const setGroupId = 0o2000;

/**
 * Beside a file system the kubelet gives every volume the function's group, which what lies directly in it inherits: its bits would
 * count for the function, where those of others have to.
 */
function takeGroup(directory: string): void {
  const { mode } = lstatSync(directory);
  const [uid, gid] = [process.getuid?.(), process.getgid?.()];
  if ((mode & setGroupId) === 0 || uid === undefined || gid === undefined) return;
  for (const name of readdirSync(directory)) lchownSync(join(directory, name), uid, gid);
}

interface Downloaded extends Wanted, Download {
  readonly path: string;
  readonly downloadedAfterMs: number;
}

async function download({ options, signal, elapsedMs }: Run, wanted: Wanted, path: string): Promise<Downloaded> {
  const { packagesUrl: baseUrl, cacheUrl, readToken, hosts } = options;
  const { digest } = wanted;
  const download = await explain(wanted, async () => {
    if (hexOfDigest(digest) === undefined) throw new Error("the digest is not sha256:<64 hex digits>");
    const at = { baseUrl, cacheUrl, readToken, hosts };
    return await downloadPackage({ ...at, digest, path, signal, limitBytes: unzippedLimitBytes });
  });
  return { ...wanted, ...download, path, downloadedAfterMs: elapsedMs() };
}

async function explain<T>({ name, digest }: Wanted, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new AssembleError(`Cannot assemble ${name} (${digest}): ${why}`, error);
  }
}

async function copySupervisor(supervisor: AssembleOptions["supervisor"]): Promise<void> {
  if (supervisor === undefined) return;
  const { source } = supervisor;
  await Promise.all(
    supervisor.directories.map(async (directory) => {
      try {
        await mkdir(directory, { recursive: true });
        const temporary = join(directory, ".supervisor");
        await rm(temporary, { force: true });
        await copyFile(source, temporary);
        await chmod(temporary, 0o555);
        await rename(temporary, join(directory, "supervisor"));
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        throw new AssembleError(`Cannot copy the supervisor from "${source}" to "${directory}": ${why}`, error);
      }
    }),
  );
}

/** A directory for downloads, after those of runs that were killed are gone. */
function makeScratch(directory: string): string {
  try {
    for (const name of readdirSync(directory)) {
      if (name.startsWith(scratchPrefix)) rmSync(join(directory, name), { recursive: true, force: true });
    }
    return mkdtempSync(join(directory, scratchPrefix));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new AssembleError(`Cannot prepare task directory "${directory}": ${why}`, error);
  }
}

/** Exit code 0, or 1 with one line on stderr and in the termination log, from where it reaches the pod's status. */
export async function assembleMain(env: NodeJS.ProcessEnv): Promise<void> {
  try {
    const options = readOptions(env);
    const { packages, totalMs } = await assemble(options);
    const [own] = options.supervisor?.directories ?? [];
    if (own !== undefined) tellFetchMs(own, totalMs);
    const names = packages.map(({ name, zippedBytes, from, unpackedAfterMs }) => ({
      name,
      zippedBytes,
      from,
      unpackedAfterMs: Math.round(unpackedAfterMs),
    }));
    process.stdout.write(
      `${JSON.stringify({ message: "Assembled", totalMs: Math.round(totalMs), packages: names })}\n`,
    );
  } catch (error) {
    const line = (error instanceof Error ? error.message : String(error)).replaceAll(/\s+/g, " ").slice(0, 2000);
    process.stderr.write(`${line}\n`);
    writeTerminationLog(env["KUBELAMBDA_TERMINATION_LOG"] ?? "/dev/termination-log", line);
    process.exitCode = 1;
  }
}

function readOptions(env: NodeJS.ProcessEnv): AssembleOptions {
  const read = (name: string): string => {
    const value = env[name];
    if (value === undefined || value === "") throw new AssembleError(`Cannot assemble: ${name} is not set`);
    return value;
  };
  const directories = (env["KUBELAMBDA_SUPERVISOR_TARGETS"] ?? "").split(",").filter((directory) => directory !== "");
  return {
    environment: parseEnvironment(read("KUBELAMBDA_ENVIRONMENT")),
    packagesUrl: read("KUBELAMBDA_PACKAGES_URL"),
    cacheUrl: env["KUBELAMBDA_CACHE_URL"],
    readToken: tokenReader(env["KUBELAMBDA_TOKEN_FILE"] ?? places.packagesToken),
    taskDirectory: env["KUBELAMBDA_TASK_DIRECTORY"] ?? places.task,
    layersDirectory: env["KUBELAMBDA_LAYERS_DIRECTORY"] ?? places.layers,
    ...(directories.length > 0 && { supervisor: { source: places.supervisor, directories } }),
  };
}

/** By hand, since loading zod takes longer than all else in this process; the operator has validated the document. */
function parseEnvironment(text: string): AssembleOptions["environment"] {
  let value: Partial<EnvironmentDocument> | null;
  try {
    value = JSON.parse(text) as Partial<EnvironmentDocument> | null;
  } catch (error) {
    throw new AssembleError("Cannot assemble: KUBELAMBDA_ENVIRONMENT is not JSON", error);
  }
  const { code, layers } = value ?? {};
  const isCode = code === undefined || typeof code === "string";
  const isLayers =
    Array.isArray(layers) &&
    layers.every((layer) => typeof layer.name === "string" && typeof layer.digest === "string");
  if (!isCode || !isLayers)
    throw new AssembleError("Cannot assemble: KUBELAMBDA_ENVIRONMENT has no code digest and list of layers");
  return { ...(code !== undefined && { code }), layers };
}
