import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { buildGoProgram, type GoProgram, type Progress } from "./go-program.ts";
import { packLayer, writeOciArchive } from "./oci-archive.ts";
import { cacheDir } from "./paths.ts";

/** An image of one static program, `/<its name>`, and nothing else, unless the cache has it; answers with its archive. */
export async function buildProgramImage(program: GoProgram, image: string, progress: Progress): Promise<string> {
  const binary = await buildGoProgram(program, progress);
  const archive = join(cacheDir, "images", `${basename(binary)}.tar`);
  if (existsSync(archive)) return archive;
  mkdirSync(dirname(archive), { recursive: true });
  const work = mkdtempSync(join(dirname(archive), "work-"));
  try {
    mkdirSync(join(work, "root"));
    copyFileSync(binary, join(work, "root", program.name));
    const layer = join(work, "layer.tar");
    await packLayer(join(work, "root"), layer);
    await writeOciArchive(archive, { name: image, layers: [layer], config: { Entrypoint: [`/${program.name}`] } });
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return archive;
}
