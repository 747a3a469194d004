/** Images as `docker build` makes them: from a Dockerfile, a layer an instruction, with Docker's history and in its format (v2 schema 2). */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../cluster/run.ts";

export interface DockerBuild {
  readonly dockerfile: string;
  /** Beside the Dockerfile: name → content, executable. */
  readonly files: Readonly<Record<string, Buffer | string>>;
  /** `host:port/repository:tag`, of a registry without TLS. */
  readonly target: string;
}

const limitMs = 120_000;

/** With buildah, which needs no daemon; its storage goes with the folder. */
export async function buildDockerImage({ dockerfile, files, target }: DockerBuild): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "docker-build-"));
  const storage = ["--storage-driver", "vfs", "--root", join(folder, "root"), "--runroot", join(folder, "run")];
  const context = join(folder, "context");
  try {
    await mkdir(context);
    await writeFile(join(context, "Dockerfile"), dockerfile);
    for (const [name, content] of Object.entries(files)) await writeFile(join(context, name), content, { mode: 0o755 });
    const how = ["--format", "docker", "--isolation", "chroot", "--layers", "--quiet"];
    await run("buildah", [...storage, "build", ...how, "--tag", "built", context], { timeoutMs: limitMs });
    const form = ["--format", "v2s2", "--tls-verify=false", "--quiet"];
    await run("buildah", [...storage, "push", ...form, "built", `docker://${target}`], { timeoutMs: limitMs });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
