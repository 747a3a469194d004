import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { withFileLock } from "../cluster/file-lock.ts";
import { cacheDir, repositoryRoot } from "../cluster/paths.ts";
import { run } from "../cluster/run.ts";
import { pinnedName } from "../cluster/oci-archive.ts";
import { buildImage, testImages, type TestImage } from "../cluster/runtime-images.ts";
import { sourceHash } from "../cluster/source-hash.ts";

const baseImage = "kubelambda.test/base/node:24";
/** Lambda's runtimes by the images that this project builds for its tests. */
export const runtimeImages = {
  "nodejs24.x": "kubelambda.test/runtime/nodejs24.x:1",
  "nodejs22.x": "kubelambda.test/runtime/nodejs22.x:1",
  "python3.11": "kubelambda.test/runtime/python3.11:1",
  "python3.13": "kubelambda.test/runtime/python3.13:1",
  java17: "kubelambda.test/runtime/java17:1",
  "provided.al2023": "kubelambda.test/runtime/provided.al2023:1",
} as const satisfies Record<string, TestImage>;

export interface ProductImage {
  readonly repository: string;
  readonly tag: string;
  /** OCI archive. */
  readonly archive: string;
}

const repository = "kubelambda.test/kubelambda";
const folder = join(cacheDir, "image");
const sourceFolders = ["crds", "lib", "operator", "runtime-proxy", "local"];
const sourceFiles = ["Dockerfile", "package-lock.json", "tsconfig.json", "tsconfig.build.json", "scripts/build.ts"];
const buildMs = 600_000;

/** The product's image as this checkout stands, by the project's own Dockerfile; built again only when a source changed. */
export async function buildProductImage(progress: (line: string) => void): Promise<ProductImage> {
  const words = sourceFiles.map((file) => readFileSync(join(repositoryRoot, file), "utf8"));
  const tag = sourceHash(
    sourceFolders.map((name) => join(repositoryRoot, name)),
    words,
  );
  const archive = join(folder, `kubelambda-${tag}.tar`);
  mkdirSync(folder, { recursive: true });
  await withFileLock(join(folder, "lock"), buildMs, async () => {
    if (existsSync(archive)) return;
    progress("building the image of this checkout");
    const started = performance.now();
    removeOlder();
    const PATH = `${join(repositoryRoot, "node_modules", ".bin")}:${process.env["PATH"] ?? ""}`;
    const node = async (script: string, env: Readonly<Record<string, string>>): Promise<unknown> =>
      await run(process.execPath, [script], { cwd: repositoryRoot, env: { ...env, PATH }, timeoutMs: buildMs });
    await node("scripts/build.ts", {});
    await node("scripts/build-image.ts", {
      IMAGE: `${repository}:${tag}`,
      BASE_IMAGE: baseImage,
      BASE_ARCHIVE: await buildImage(baseImage, progress),
      OUTPUT: archive,
    });
    progress(`built the image in ${((performance.now() - started) / 1000).toFixed(0)} s`);
  });
  return { repository, tag, archive };
}

export interface RuntimeImage {
  /** OCI archive. */
  readonly archive: string;
  /** `name@sha256:…` */
  readonly pinned: string;
}

/** Not those of the last hour: another checkout that shares the cache may be at work with them. */
function removeOlder(): void {
  const anHourAgoMs = Date.now() - 3_600_000;
  for (const file of readdirSync(folder)) {
    const isArchive = /^kubelambda-.*\.tar$/.test(file);
    if (isArchive && statSync(join(folder, file)).mtimeMs < anHourAgoMs) rmSync(join(folder, file));
  }
}

/** The runtimes' images by their names. */
export async function buildRuntimeImages(progress: (line: string) => void): Promise<ReadonlyMap<string, RuntimeImage>> {
  const images = new Map<string, RuntimeImage>();
  for (const image of testImages.filter((name) => name !== baseImage)) {
    const archive = await buildImage(image, progress);
    images.set(image, { archive, pinned: await pinnedName(archive) });
  }
  return images;
}
