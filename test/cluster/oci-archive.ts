import { createHash } from "node:crypto";
import {
  createReadStream,
  linkSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { run } from "./run.ts";

export interface ImageSpec {
  /** With registry and tag: "kubelambda.test/pause:1". */
  readonly name: string;
  /** Nodes shall know it by its digest as well; buildah reads no archive of two names. */
  readonly isPinned?: boolean;
  /** Uncompressed tar files, lowest first, on the archive's file system. */
  readonly layers: readonly string[];
  readonly config: {
    readonly Env?: readonly string[];
    readonly Entrypoint?: readonly string[];
    readonly Cmd?: readonly string[];
    readonly WorkingDir?: string;
    readonly User?: string;
  };
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

const epoch = "1970-01-01T00:00:00Z";
const sameForAll = ["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner", "--format=posix"];
// Without these, times of access and change would make each archive another.
const noTimes = "--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime";

/** Packs a folder as an image layer; equal folders give equal bytes. */
export async function packLayer(folder: string, tarFile: string): Promise<void> {
  await run("tar", [...sameForAll, noTimes, "-cf", tarFile, "-C", folder, "."], { timeoutMs: 300_000 });
}

/** Writes an image as a tar of an OCI layout (source: OCI image layout specification 1.0), which ctr, skopeo and buildah read. */
export async function writeOciArchive(file: string, image: ImageSpec): Promise<void> {
  const layout = mkdtempSync(join(dirname(file), "layout-"));
  try {
    const blobs = join(layout, "blobs", "sha256");
    mkdirSync(blobs, { recursive: true });
    const layers: Descriptor[] = [];
    for (const layer of image.layers) layers.push(await linkBlob(blobs, layer));
    const config = writeBlob(blobs, "application/vnd.oci.image.config.v1+json", {
      created: epoch,
      architecture: process.arch === "x64" ? "amd64" : process.arch,
      os: "linux",
      config: image.config,
      rootfs: { type: "layers", diff_ids: layers.map((layer) => layer.digest) },
      history: layers.map(() => ({ created: epoch, created_by: "test/cluster" })),
    });
    const mediaType = "application/vnd.oci.image.manifest.v1+json";
    const manifest = writeBlob(blobs, mediaType, { schemaVersion: 2, mediaType, config, layers });
    const [name, tag] = splitTag(image.name);
    const named = [
      [`${name}:${tag}`, tag],
      ...(image.isPinned === true ? [[`${name}@${manifest.digest}`, pinnedReference]] : []),
    ].map(([full, reference]) => ({
      ...manifest,
      annotations: { "io.containerd.image.name": full, "org.opencontainers.image.ref.name": reference },
    }));
    writeFileSync(join(layout, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
    writeFileSync(join(layout, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: named }));
    await run("tar", [...sameForAll, noTimes, "-cf", `${file}.unfinished`, "-C", layout, "."], { timeoutMs: 300_000 });
    renameSync(`${file}.unfinished`, file);
  } finally {
    rmSync(layout, { recursive: true, force: true });
  }
}

const pinnedReference = "by-digest";

/** The name by which a node that has taken the archive knows its image for ever: `name@sha256:…`. */
export async function pinnedName(archive: string): Promise<string> {
  const names = await namesOf(archive);
  const pinned = names.find(({ reference }) => reference === pinnedReference);
  if (pinned === undefined) throw new Error(`Cannot find an image by its digest in "${archive}"`);
  return pinned.name;
}

/** As skopeo names the image in an archive that may have it under several names. */
export async function archiveSource(archive: string): Promise<string> {
  const [first] = await namesOf(archive);
  return `oci-archive:${archive}:${first?.reference ?? ""}`;
}

async function namesOf(archive: string): Promise<readonly { readonly name: string; readonly reference: string }[]> {
  const index = JSON.parse(await run("tar", ["-xOf", archive, "./index.json"], { timeoutMs: 60_000 })) as {
    readonly manifests: readonly { readonly annotations: Readonly<Record<string, string>> }[];
  };
  return index.manifests.map(({ annotations }) => ({
    name: annotations["io.containerd.image.name"] ?? "",
    reference: annotations["org.opencontainers.image.ref.name"] ?? "",
  }));
}

function splitTag(name: string): readonly [string, string] {
  const colon = name.lastIndexOf(":");
  return [name.slice(0, colon), name.slice(colon + 1)];
}

async function linkBlob(blobs: string, layer: string): Promise<Descriptor> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(layer), hash);
  const hex = hash.digest("hex");
  linkSync(layer, join(blobs, hex));
  return { mediaType: "application/vnd.oci.image.layer.v1.tar", digest: `sha256:${hex}`, size: statSync(layer).size };
}

function writeBlob(blobs: string, mediaType: string, content: object): Descriptor {
  const bytes = Buffer.from(JSON.stringify(content));
  const hex = createHash("sha256").update(bytes).digest("hex");
  writeFileSync(join(blobs, hex), bytes);
  return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
}
