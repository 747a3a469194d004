import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { buildClient } from "../clients/build.ts";
import type { ClientName } from "../clients/clients.ts";
import { withFileLock } from "./file-lock.ts";
import type { Progress } from "./go-program.ts";
import { type ImageSpec, packLayer, writeOciArchive } from "./oci-archive.ts";
import { cacheDir, clusterSources, repositoryRoot } from "./paths.ts";
import { run } from "./run.ts";
import { sourceHash } from "./source-hash.ts";

export type TestImage =
  | "kubelambda.test/base/node:24"
  | "kubelambda.test/runtime/nodejs24.x:1"
  | "kubelambda.test/runtime/nodejs22.x:1"
  | "kubelambda.test/runtime/python3.11:1"
  | "kubelambda.test/runtime/python3.13:1"
  | "kubelambda.test/runtime/java17:1"
  | "kubelambda.test/runtime/provided.al2023:1";

interface Recipe {
  /** Its folder below images/, whose build.sh fills the image's own layer; below it lies the Debian of images/os. */
  readonly folder: string;
  readonly config: ImageSpec["config"];
  /** Whose runtime the image has; its build.sh finds it in $CLIENT. */
  readonly client?: ClientName;
}

const sources = join(clusterSources, "images");
const osSources = [join(sources, "os"), join(sources, "common"), join(repositoryRoot, "test", "clients", "common")];
const archives = join(cacheDir, "images");
const nodeBinary = join(repositoryRoot, "node_modules", "node", "bin", "node");

/** Source: environment of AWS's base images; LD_LIBRARY_PATH and PATH as a managed runtime has them. */
function lambdaConfig(lang: "with /var/lang" | "without"): ImageSpec["config"] {
  const [bin, lib] = lang === "without" ? ["", ""] : ["/var/lang/bin:", "/var/lang/lib:"];
  return {
    Env: [
      "LANG=en_US.UTF-8",
      "TZ=:/etc/localtime",
      `PATH=${bin}/usr/local/bin:/usr/bin/:/bin:/opt/bin`,
      `LD_LIBRARY_PATH=${lib}/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib`,
      "LAMBDA_TASK_ROOT=/var/task",
      "LAMBDA_RUNTIME_DIR=/var/runtime",
    ],
    Entrypoint: ["/lambda-entrypoint.sh"],
    WorkingDir: "/var/task",
  };
}

function managedRuntime(client: ClientName): Recipe {
  return { folder: client, config: lambdaConfig("with /var/lang"), client };
}

const recipes: Readonly<Record<TestImage, Recipe>> = {
  "kubelambda.test/base/node:24": {
    folder: "node",
    config: {
      Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
      Cmd: ["node"],
      WorkingDir: "/",
    },
  },
  "kubelambda.test/runtime/nodejs24.x:1": managedRuntime("nodejs24.x"),
  "kubelambda.test/runtime/nodejs22.x:1": managedRuntime("nodejs22.x"),
  "kubelambda.test/runtime/python3.11:1": managedRuntime("python3.11"),
  "kubelambda.test/runtime/python3.13:1": managedRuntime("python3.13"),
  "kubelambda.test/runtime/java17:1": managedRuntime("java17"),
  "kubelambda.test/runtime/provided.al2023:1": { folder: "provided.al2023", config: lambdaConfig("without") },
};

export const testImages = Object.keys(recipes) as readonly TestImage[];

/** Builds the images that the cache does not have for these sources; answers with each one's OCI archive. Needs root. */
export async function buildImages(
  progress: Progress,
  wanted = testImages,
): Promise<Partial<Record<TestImage, string>>> {
  const built: Partial<Record<TestImage, string>> = {};
  for (const image of wanted) built[image] = await buildImage(image, progress);
  return built;
}

/** Builds one image unless the cache has it; answers with its OCI archive. Needs root. */
export async function buildImage(image: TestImage, progress: Progress): Promise<string> {
  const { folder, config, client } = recipes[image];
  const runtime = client === undefined ? "" : ((await buildClient(client, progress)).managed ?? "");
  const node = [statSync(nodeBinary).size, statSync(nodeBinary).mtimeMs].join();
  const folders = [...osSources, join(sources, folder)];
  const isPinned = image !== "kubelambda.test/base/node:24";
  // An archive of another form is another.
  const words = [isPinned ? "named by its digest" : "", JSON.stringify(config), node, basename(runtime)];
  const archive = join(archives, `${folder}-${sourceHash(folders, words)}.tar`);
  if (existsSync(archive)) return archive;
  mkdirSync(archives, { recursive: true });
  await withFileLock(join(archives, "lock"), 30 * 60_000, async () => {
    if (existsSync(archive)) return;
    const os = await buildOs(progress);
    progress(`building image ${image}`);
    const started = performance.now();
    const work = join(archives, `${folder}.work`);
    rmSync(work, { recursive: true, force: true });
    const layer = join(work, "layer.tar");
    await fillLayer(folder, work, { OS_ROOT: os.root, NODE: nodeBinary, CLIENT: runtime });
    await packLayer(join(work, "root"), layer);
    removeOlder(folder);
    await writeOciArchive(archive, { name: image, isPinned, layers: [os.layer, layer], config });
    rmSync(work, { recursive: true });
    const size = (statSync(archive).size / 1e6).toFixed(0);
    progress(`built image ${image}: ${size} MB in ${((performance.now() - started) / 1000).toFixed(0)} s`);
  });
  return archive;
}

/** The layer that all have below theirs, and the folder that it was packed from. */
async function buildOs(progress: Progress): Promise<{ root: string; layer: string }> {
  const dir = join(archives, `os-${sourceHash(osSources)}`);
  const os = { root: join(dir, "root"), layer: join(dir, "layer.tar") };
  if (existsSync(dir)) return os;
  progress("building the images' Debian from packages");
  const work = join(archives, "os.work");
  rmSync(work, { recursive: true, force: true });
  await fillLayer("os", work, {});
  await packLayer(join(work, "root"), join(work, "layer.tar"));
  renameSync(work, dir);
  return os;
}

async function fillLayer(folder: string, work: string, env: Readonly<Record<string, string>>): Promise<void> {
  const [root, scratch] = [join(work, "root"), join(work, "scratch")];
  mkdirSync(root, { recursive: true });
  mkdirSync(scratch);
  await run("sh", [join(sources, folder, "build.sh")], {
    cwd: work,
    env: { ...env, ROOT: root, WORK: scratch },
    timeoutMs: 20 * 60_000,
  });
  rmSync(scratch, { recursive: true });
}

/** Not those of today: another checkout that shares the cache may be at work with them. */
function removeOlder(folder: string): void {
  const dayMs = 24 * 3_600_000;
  for (const file of readdirSync(archives)) {
    const isArchive = file.startsWith(`${folder}-`) && file.endsWith(".tar");
    if (isArchive && statSync(join(archives, file)).mtimeMs < Date.now() - dayMs) rmSync(join(archives, file));
  }
}
