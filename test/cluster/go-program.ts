import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { withFileLock } from "./file-lock.ts";
import { cacheDir, clusterSources } from "./paths.ts";
import { run } from "./run.ts";
import { sourceHash } from "./source-hash.ts";

export interface GoProgram {
  /** Its file's name, and its folder's. */
  readonly name: string;
  /** Its folder's name where that is another. */
  readonly folder?: string;
  /** Where that folder is; default: test/cluster. */
  readonly sources?: string;
  readonly ldflags: string;
  /** Build tags, with commas; default: none. */
  readonly tags?: string;
  /** A main package of another module, which the folder's go.mod names; default: the folder itself. */
  readonly mainPackage?: string;
  /** Shown before a cold build. */
  readonly duration: string;
}

export const kubernetesVersion = "v1.34.4";

const versionFlag = "-X k8s.io/component-base/version";

/** All that the cluster runs of Kubernetes itself; its first argument picks the component. */
export const components: GoProgram = {
  name: "components",
  ldflags: `-s -w ${versionFlag}.gitVersion=${kubernetesVersion} ${versionFlag}.gitMajor=1 ${versionFlag}.gitMinor=34`,
  duration: "4 to 8 minutes on two cores",
};

export const coredns: GoProgram = { name: "coredns", ldflags: "-s -w", duration: "1 to 2 minutes on two cores" };

export const pause: GoProgram = { name: "pause", ldflags: "-s -w", duration: "a few seconds" };

/** The health rules of Flux, as a filter: objects in, statuses out. */
export const kstatus: GoProgram = { name: "kstatus", ldflags: "-s -w", duration: "20 seconds on two cores" };

/** An S3-compatible server that checks signatures, on a directory. */
export const versitygw: GoProgram = {
  name: "versitygw",
  ldflags: "-s -w",
  mainPackage: "github.com/versity/versitygw/cmd/versitygw",
  duration: "2 to 4 minutes on two cores",
};

/** Puts artifacts into registries. */
export const oras: GoProgram = {
  name: "oras",
  ldflags: "-s -w",
  mainPackage: "oras.land/oras/cmd/oras",
  duration: "half a minute on two cores",
};

/** Takes spans by OTLP and shows them as JSON, read by the protocol's own generated code. */
export const otlp: GoProgram = { name: "otlp", ldflags: "-s -w", duration: "5 seconds on two cores" };

/** Shows one line of progress. */
export type Progress = (line: string) => void;

/** Builds the program unless the cache has it for these sources; answers with its path. */
export async function buildGoProgram(program: GoProgram, progress: Progress): Promise<string> {
  const { tags } = program;
  const source = join(program.sources ?? clusterSources, program.folder ?? program.name);
  const words = [program.ldflags, ...(tags === undefined ? [] : [tags])];
  const target = join(cacheDir, "build", `${program.name}-${sourceHash([source], words)}`);
  if (existsSync(target)) return target;
  mkdirSync(dirname(target), { recursive: true });
  await withFileLock(join(cacheDir, "build", `${program.name}.lock`), 30 * 60_000, async () => {
    if (existsSync(target)) return;
    progress(`building ${program.name} (when Go's cache is empty: ${program.duration})`);
    const started = performance.now();
    const unfinished = `${target}.unfinished`;
    await run(
      "go",
      [
        "build",
        "-buildvcs=false",
        "-trimpath",
        "-ldflags",
        program.ldflags,
        ...(tags === undefined ? [] : ["-tags", tags]),
        "-o",
        unfinished,
        program.mainPackage ?? ".",
      ],
      {
        cwd: source,
        env: { CGO_ENABLED: "0", GOFLAGS: "-mod=readonly", GOWORK: "off" },
        timeoutMs: 30 * 60_000,
      },
    );
    removeOlder(dirname(target), program.name);
    renameSync(unfinished, target);
    const seconds = ((performance.now() - started) / 1000).toFixed(0);
    progress(`built ${program.name}: ${(statSync(target).size / 1e6).toFixed(0)} MB in ${seconds} s`);
  });
  return target;
}

function removeOlder(dir: string, name: string): void {
  for (const file of readdirSync(dir)) {
    if (new RegExp(`^${name}-[0-9a-f]{16}$`).test(file)) rmSync(join(dir, file));
  }
}
