/** The runtimes that a user's machine offers: real runtime clients, installed once into a cache folder. */
import { execFile } from "node:child_process";
import { chmod, cp, mkdir, readdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const assets = fileURLToPath(new URL("./runtimes/", import.meta.url));
const installTimeoutMs = 300_000;
const nodeClient = "aws-lambda-ric@4.0.2";
/** The npm package that is nothing but the binary for this platform. */
const nodePackage = `node-${process.platform}-${process.arch}`;
const pythonClient = "awslambdaric==4.2.2";

/** The operator's table of runtimes in local mode: every identifier that functions may still be made with; the runner says which are not here. */
export const localRuntimes: Readonly<
  Record<string, { readonly image: string; readonly state: "supported" | "deprecated" }>
> = {
  ...supported(["nodejs22.x", "nodejs24.x", "python3.11", "python3.12", "python3.13", "python3.14", "provided.al2023"]),
  ...supported(["java17", "java21", "java25", "dotnet10", "ruby3.3", "ruby3.4"]),
  ...deprecated(["nodejs18.x", "nodejs20.x", "python3.9", "python3.10", "dotnet8", "provided.al2"]),
};

function supported(names: readonly string[]): Record<string, { image: string; state: "supported" }> {
  return Object.fromEntries(names.map((name) => [name, { image: `local/${name}`, state: "supported" as const }]));
}

function deprecated(names: readonly string[]): Record<string, { image: string; state: "deprecated" }> {
  return Object.fromEntries(names.map((name) => [name, { image: `local/${name}`, state: "deprecated" as const }]));
}

/** `directory` stands for /var/runtime; undefined for OS-only runtimes, whose bootstrap is in the package. */
export type PreparedRuntime =
  { readonly ok: true; readonly directory: string | undefined } | { readonly ok: false; readonly message: string };

export interface RuntimesOptions {
  /** Kept between runs. */
  readonly cacheDirectory: string;
  readonly path: string;
  /** Told what is being installed, since the first time takes a while. */
  readonly progress: (line: string) => void;
}

/** Finds or installs a runtime by its Lambda identifier; concurrent requests for one runtime share the work. */
export class Runtimes {
  readonly #options: RuntimesOptions;
  readonly #prepared = new Map<string, Promise<PreparedRuntime>>();

  constructor(options: RuntimesOptions) {
    this.#options = options;
  }

  /** Never rejects: a runtime that cannot be had is named with the way to get it, and looked for again the next time. */
  async prepare(runtime: string): Promise<PreparedRuntime> {
    const known = this.#prepared.get(runtime);
    if (known !== undefined) return await known;
    const preparing = this.#prepare(runtime).catch((error: unknown) => ({
      ok: false as const,
      message: installFailure(runtime, error),
    }));
    this.#prepared.set(runtime, preparing);
    const prepared = await preparing;
    if (!prepared.ok) this.#prepared.delete(runtime);
    return prepared;
  }

  async #prepare(runtime: string): Promise<PreparedRuntime> {
    const [, family, version] = /^(nodejs|python|provided)([0-9.]*)/.exec(runtime) ?? [];
    switch (family) {
      case "provided":
        return { ok: true, directory: undefined };
      case "nodejs":
        return await this.#install(`node-${parseInt(version ?? "")}-${nodeClient}`, (directory) =>
          this.#installNode(directory, parseInt(version ?? "")),
        );
      case "python":
        return await this.#preparePython(runtime, version ?? "");
      default:
        return {
          ok: false,
          message: `Runtime "${runtime}" does not run in local mode: it has Node.js, Python and provided.*; use a cluster for the others`,
        };
    }
  }

  async #preparePython(runtime: string, version: string): Promise<PreparedRuntime> {
    const interpreter = await this.#findPython(version);
    if (interpreter !== undefined) {
      return await this.#install(`python-${version}-${pythonClient}`, (directory) =>
        this.#installPython(directory, version, interpreter),
      );
    }
    const others = await this.#pythonVersions();
    const instead =
      others.length === 0
        ? ""
        : `, or set runtime to one that is here: ${others.map((other) => `python${other}`).join(", ")}`;
    return {
      ok: false,
      message: `Runtime "${runtime}" needs Python ${version}, which is not on PATH: install it (Debian: apt-get install python${version}; elsewhere: pyenv install ${version})${instead}`,
    };
  }

  /** Builds in a folder of its own and renames it into place, so that a killed installation is never taken for a whole one. */
  async #install(name: string, fill: (directory: string) => Promise<void>): Promise<PreparedRuntime> {
    const directory = join(this.#options.cacheDirectory, name);
    if (existsSync(join(directory, "bootstrap"))) return { ok: true, directory };
    const unfinished = `${directory}.${process.pid}`;
    await rm(unfinished, { recursive: true, force: true });
    await mkdir(unfinished, { recursive: true });
    this.#options.progress(`Installing ${name} (once) …`);
    try {
      await fill(unfinished);
      await rename(unfinished, directory).catch((error: unknown) => {
        if (!existsSync(join(directory, "bootstrap"))) throw error;
      });
    } finally {
      await rm(unfinished, { recursive: true, force: true });
    }
    return { ok: true, directory };
  }

  async #installNode(directory: string, major: number): Promise<void> {
    const packages = [nodeClient, `${nodePackage}@${major}`];
    await writeFile(join(directory, "package.json"), "{}");
    const npm = [
      "install",
      "--ignore-scripts",
      "--no-audit",
      "--no-fund",
      "--omit=dev",
      "--loglevel=error",
      ...packages,
    ];
    await run("npm", npm, { cwd: directory, timeout: installTimeoutMs });
    await symlink(`node_modules/${nodePackage}/bin/node`, join(directory, "node"));
    await writeFile(join(directory, "node-major"), `${major}\n`);
    await copyAssets("node", directory);
  }

  async #installPython(directory: string, version: string, interpreter: string): Promise<void> {
    const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", directory, pythonClient];
    await run(interpreter, pip, { timeout: installTimeoutMs });
    await symlink(interpreter, join(directory, "python"));
    await writeFile(join(directory, "python-version"), `${version}\n`);
    await copyAssets("python", directory);
  }

  async #findPython(version: string): Promise<string | undefined> {
    for (const name of [`python${version}`, "python3"]) {
      const program = "import sys; print('%d.%d' % sys.version_info[:2], sys.executable)";
      const found = await run(name, ["-c", program], { timeout: 10_000 }).catch(() => undefined);
      const [seen, executable] = found?.stdout.trim().split(" ") ?? [];
      if (seen === version && executable !== undefined) return executable;
    }
    return undefined;
  }

  async #pythonVersions(): Promise<readonly string[]> {
    const names = await Promise.all(this.#options.path.split(":").map((folder) => readdir(folder).catch(() => [])));
    const versions = names.flat().flatMap((name) => /^python(3\.\d+)$/.exec(name)?.[1] ?? []);
    const found = await Promise.all(
      [...new Set(versions)].map(async (version) => ((await this.#findPython(version)) === undefined ? [] : [version])),
    );
    return found.flat().sort();
  }
}

async function copyAssets(family: "node" | "python", directory: string): Promise<void> {
  await cp(join(assets, family), directory, { recursive: true });
  await chmod(join(directory, "bootstrap"), 0o755);
}

function installFailure(runtime: string, error: unknown): string {
  const detail =
    error instanceof Error && "stderr" in error && String(error.stderr).trim() !== ""
      ? String(error.stderr)
      : String(error);
  return `Cannot install runtime "${runtime}": ${detail.trim().slice(0, 500)}`;
}
