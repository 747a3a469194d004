import { buildGoProgram, components, type Progress } from "./go-program.ts";
import { buildImages, type TestImage } from "./runtime-images.ts";
import { buildSystemImages } from "./system-images.ts";
import { prepareTools } from "./tools.ts";

/** Builds all that the cluster and its tests need and the cache does not have; answers with the archive of each test image. */
export async function buildAll(progress: Progress): Promise<Partial<Record<TestImage, string>>> {
  await prepareTools(progress);
  await buildGoProgram(components, progress);
  await buildSystemImages(progress);
  return await buildImages(progress);
}
