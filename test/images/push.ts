/** Puts images into a registry by its own API. Source: OCI distribution specification 1.1, "Push". */
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { archiveSource, packLayer } from "../cluster/oci-archive.ts";
import { run } from "../cluster/run.ts";

export const mediaTypes = {
  ociManifest: "application/vnd.oci.image.manifest.v1+json",
  ociIndex: "application/vnd.oci.image.index.v1+json",
  ociConfig: "application/vnd.oci.image.config.v1+json",
  ociLayer: "application/vnd.oci.image.layer.v1.tar",
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
  dockerList: "application/vnd.docker.distribution.manifest.list.v2+json",
  dockerConfig: "application/vnd.docker.container.image.v1+json",
  dockerLayer: "application/vnd.docker.image.rootfs.diff.tar",
} as const;

export interface ImageConfig {
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly WorkingDir?: string;
  readonly User?: string;
}

export interface ImageToPush {
  readonly repository: string;
  readonly tag: string;
  /** OCI archive of the image below. */
  readonly baseArchive?: string;
  /** Path → text or bytes, and whether it can be executed; absent: no layer of its own. */
  readonly files?: Readonly<Record<string, FileToPack>>;
  /** Over the base's. */
  readonly config?: ImageConfig;
  /** As the image names it; default amd64. */
  readonly architecture?: string;
  readonly isDocker?: boolean;
}

export interface FileToPack {
  readonly content: string | Buffer;
  readonly mode: number;
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

interface Base {
  readonly layers: readonly Descriptor[];
  readonly diffIds: readonly string[];
  readonly config: ImageConfig;
}

/** `http://host:port` of a registry, and the header that it wants. */
export class RegistryPusher {
  readonly #url: string;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(url: string, headers: Readonly<Record<string, string>> = {}) {
    this.#url = url;
    this.#headers = headers;
  }

  /** Answers with the digest of the manifest. */
  async pushImage(image: ImageToPush): Promise<string> {
    const { repository, tag, isDocker = false } = image;
    const base = image.baseArchive === undefined ? noBase : await this.#pushBase(repository, image.baseArchive);
    const layerType = isDocker ? mediaTypes.dockerLayer : mediaTypes.ociLayer;
    const own = image.files === undefined ? [] : [await this.#pushBlob(repository, layerType, await pack(image.files))];
    const config = {
      architecture: image.architecture ?? "amd64",
      os: "linux",
      config: { ...base.config, ...image.config },
      rootfs: { type: "layers", diff_ids: [...base.diffIds, ...own.map(({ digest }) => digest)] },
    };
    const configType = isDocker ? mediaTypes.dockerConfig : mediaTypes.ociConfig;
    const manifest = {
      schemaVersion: 2,
      mediaType: isDocker ? mediaTypes.dockerManifest : mediaTypes.ociManifest,
      config: await this.#pushBlob(repository, configType, Buffer.from(JSON.stringify(config))),
      layers: [...base.layers, ...own],
    };
    return await this.pushManifest(repository, tag, manifest);
  }

  /** An index of manifests that the repository has; answers with its digest. */
  async pushIndex(
    where: { readonly repository: string; readonly tag: string; readonly isDocker?: boolean },
    members: readonly { readonly digest: string; readonly size?: number; readonly platform: object }[],
  ): Promise<string> {
    const isDocker = where.isDocker ?? false;
    const mediaType = isDocker ? mediaTypes.dockerManifest : mediaTypes.ociManifest;
    const sizes = await Promise.all(members.map(({ digest }) => this.#manifestSize(where.repository, digest)));
    return await this.pushManifest(where.repository, where.tag, {
      schemaVersion: 2,
      mediaType: isDocker ? mediaTypes.dockerList : mediaTypes.ociIndex,
      manifests: members.map((member, index) => ({ mediaType, size: sizes[index], ...member })),
    });
  }

  async pushManifest(
    repository: string,
    tag: string,
    manifest: { readonly mediaType: string; readonly [member: string]: unknown },
  ): Promise<string> {
    const body = JSON.stringify(manifest);
    await this.#send("PUT", `/v2/${repository}/manifests/${tag}`, { "content-type": manifest.mediaType }, body);
    return digestOf(Buffer.from(body));
  }

  async deleteManifest(repository: string, digest: string): Promise<void> {
    await this.#send("DELETE", `/v2/${repository}/manifests/${digest}`, {});
  }

  async #pushBase(repository: string, archive: string): Promise<Base> {
    const { host } = new URL(this.#url);
    const target = `docker://${host}/${repository}:base`;
    // Layers stay as they are: a node that has the base has them by these digests.
    await run(
      "skopeo",
      [
        "--insecure-policy",
        "copy",
        "--quiet",
        "--preserve-digests",
        "--dest-tls-verify=false",
        await archiveSource(archive),
        target,
      ],
      { timeoutMs: 120_000 },
    );
    const accept = mediaTypes.ociManifest;
    const manifest = (await this.#json(`/v2/${repository}/manifests/base`, accept)) as {
      config: Descriptor;
      layers: Descriptor[];
    };
    const config = (await this.#json(`/v2/${repository}/blobs/${manifest.config.digest}`, "*/*")) as {
      config: ImageConfig;
      rootfs: { diff_ids: string[] };
    };
    return { layers: manifest.layers, diffIds: config.rootfs.diff_ids, config: config.config };
  }

  async #pushBlob(repository: string, mediaType: string, bytes: Buffer): Promise<Descriptor> {
    const digest = digestOf(bytes);
    const descriptor = { mediaType, digest, size: bytes.length };
    const there = await this.#fetch("HEAD", `/v2/${repository}/blobs/${digest}`, {});
    if (there.status === 200) return descriptor;
    const started = await this.#send("POST", `/v2/${repository}/blobs/uploads/`, {});
    const upload = new URL(started.headers.get("location") ?? "", this.#url);
    upload.searchParams.set("digest", digest);
    const type = { "content-type": "application/octet-stream" };
    await this.#send("PUT", `${upload.pathname}${upload.search}`, type, new Uint8Array(bytes));
    return descriptor;
  }

  async #manifestSize(repository: string, digest: string): Promise<number> {
    const accept = `${mediaTypes.ociManifest}, ${mediaTypes.dockerManifest}`;
    const answer = await this.#send("GET", `/v2/${repository}/manifests/${digest}`, { accept });
    return (await answer.arrayBuffer()).byteLength;
  }

  async #json(path: string, accept: string): Promise<unknown> {
    return await (await this.#send("GET", path, { accept })).json();
  }

  async #send(
    method: string,
    path: string,
    headers: Record<string, string>,
    body?: string | Uint8Array<ArrayBuffer>,
  ): Promise<Response> {
    const answer = await this.#fetch(method, path, headers, body);
    if (answer.ok) return answer;
    throw new Error(`Cannot ${method} ${path}: the registry answered ${answer.status}: ${await answer.text()}`);
  }

  async #fetch(
    method: string,
    path: string,
    headers: Record<string, string>,
    body?: string | Uint8Array<ArrayBuffer>,
  ): Promise<Response> {
    const signal = AbortSignal.timeout(60_000);
    const all = { ...headers, ...this.#headers };
    return await fetch(`${this.#url}${path}`, { method, headers: all, signal, ...(body !== undefined && { body }) });
  }
}

const noBase: Base = { layers: [], diffIds: [], config: {} };

export function digestOf(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

async function pack(files: Readonly<Record<string, FileToPack>>): Promise<Buffer> {
  const work = mkdtempSync(join(tmpdir(), "layer-"));
  try {
    const root = join(work, "root");
    for (const [path, { content, mode }] of Object.entries(files)) {
      const file = join(root, path);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, content);
      chmodSync(file, mode);
    }
    await packLayer(root, join(work, "layer.tar"));
    return readFileSync(join(work, "layer.tar"));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
