import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { dnsImage } from "./cluster-dns.ts";
import { pauseImage } from "./containerd.ts";
import { buildGoProgram, coredns, type GoProgram, pause, type Progress } from "./go-program.ts";
import { packLayer, writeOciArchive } from "./oci-archive.ts";
import { cacheDir } from "./paths.ts";

/** What the node itself needs: the pause image and CoreDNS, each one static program and nothing else. Answers with archives. */
export async function buildSystemImages(progress: Progress): Promise<string[]> {
  return [await buildProgramImage(pause, pauseImage, progress), await buildProgramImage(coredns, dnsImage, progress)];
}

async function buildProgramImage(program: GoProgram, image: string, progress: Progress): Promise<string> {
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
