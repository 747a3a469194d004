import { dnsImage } from "./cluster-dns.ts";
import { pauseImage } from "./containerd.ts";
import { coredns, pause, type Progress } from "./go-program.ts";
import { buildProgramImage } from "./program-image.ts";

/** What the node itself needs: the pause image and CoreDNS, each one static program and nothing else. Answers with archives. */
export async function buildSystemImages(progress: Progress): Promise<string[]> {
  return [await buildProgramImage(pause, pauseImage, progress), await buildProgramImage(coredns, dnsImage, progress)];
}
