/** What this kernel grants: true paths by namespaces, or environment variables instead. */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const script = fileURLToPath(new URL("./isolate.sh", import.meta.url));

export interface Bind {
  readonly from: string;
  readonly to: string;
  readonly readOnly: boolean;
}

/** How a command is started: as it is, or in namespaces where the binds stand at Lambda's paths. */
export interface Isolation {
  readonly truePaths: boolean;
  /** Why there are no true paths; for people. */
  readonly reason?: string;
  /** argv that runs `argv` with these binds; `root` is an empty folder of its own. Without true paths: argv unchanged. */
  wrap(options: {
    readonly root: string;
    readonly binds: readonly Bind[];
    readonly argv: readonly string[];
  }): readonly string[];
}

/** Tries out, once, what every environment will need; falls back instead of failing. */
export async function detectIsolation(
  stateDirectory: string,
  options: { readonly disabled: boolean },
): Promise<Isolation> {
  if (options.disabled) return withoutNamespaces("turned off by --no-namespaces");
  if (process.platform !== "linux") return withoutNamespaces(`${process.platform} has no mount namespaces`);
  const isRoot = process.getuid?.() === 0;
  const namespaces = isRoot ? ["--mount", "--pid"] : ["--user", "--map-root-user", "--mount", "--pid"];
  const unshare = ["unshare", ...namespaces, "--fork", "--kill-child", "sh", script];
  const probe = await mkdtemp(join(stateDirectory, "probe-"));
  try {
    const [root, from] = [join(probe, "root"), join(probe, "from")];
    await mkdir(root);
    await mkdir(from);
    const [command, ...args] = [...unshare, root, `ro:${from}:/var/task`, `rw:${from}:/tmp`, "--", "true"];
    await run(command, args, { timeout: 10_000 });
  } catch (error) {
    return withoutNamespaces(`the kernel refuses mount namespaces (${firstLine(error)})`);
  } finally {
    await rm(probe, { recursive: true, force: true });
  }
  return {
    truePaths: true,
    wrap: ({ root, binds, argv }) => [
      ...unshare,
      root,
      ...binds.map((bind) => `${bind.readOnly ? "ro" : "rw"}:${bind.from}:${bind.to}`),
      "--",
      ...argv,
    ],
  };
}

function withoutNamespaces(reason: string): Isolation {
  return { truePaths: false, reason, wrap: ({ argv }) => argv };
}

function firstLine(error: unknown): string {
  const text = error instanceof Error && "stderr" in error ? String(error.stderr) : String(error);
  return text.trim().split("\n")[0]?.slice(0, 200) ?? "";
}
