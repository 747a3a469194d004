/** A registry in memory that tells the truth but where a test has it lie. */
import { createHash } from "node:crypto";
import type { IncomingMessage, RequestListener } from "node:http";
import { startScriptedServer } from "./scripted-server.ts";

export interface LayerDraft {
  readonly bytes: Buffer;
  readonly mediaType?: string;
  /** As the manifest says it; default: the truth. */
  readonly size?: number;
  readonly title?: string;
}

export interface ScriptedRegistry {
  /** `host:port`. */
  readonly host: string;
  readonly requests: readonly IncomingMessage[];
  /** Puts an artifact under a tag of repository `team/app`; answers with its manifest's digest. */
  put(tag: string, layers: readonly LayerDraft[]): string;
  /** Puts any manifest under a tag. */
  putManifest(tag: string, manifest: object, mediaType?: string): string;
  /** What answers a path (`manifests/1`, `blobs/sha256:…`) instead, one listener a request; the last answers all that follow. */
  lie(path: string, ...steps: readonly RequestListener[]): void;
  stop(): Promise<void>;
}

export const artifactTypes = {
  manifest: "application/vnd.oci.image.manifest.v1+json",
  empty: "application/vnd.oci.empty.v1+json",
  tar: "application/vnd.oci.image.layer.v1.tar",
  gzip: "application/vnd.oci.image.layer.v1.tar+gzip",
  zstd: "application/vnd.oci.image.layer.v1.tar+zstd",
  zip: "application/zip",
} as const;

export const digestOf = (bytes: Buffer | string): string =>
  `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

const prefix = "/v2/team/app/";

export async function startScriptedRegistry(): Promise<ScriptedRegistry> {
  const contentByPath = new Map<string, { readonly bytes: Buffer; readonly type: string }>();
  const lies = new Map<string, RequestListener[]>();
  const server = await startScriptedServer((request, response) => {
    const path = (request.url ?? "").slice(prefix.length);
    const steps = lies.get(path);
    const step = steps !== undefined && steps.length > 1 ? steps.shift() : steps?.[0];
    if (step !== undefined) {
      step(request, response);
      return;
    }
    const found = contentByPath.get(path);
    if (found === undefined) return void response.writeHead(404).end('{"errors":[{"code":"MANIFEST_UNKNOWN"}]}');
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    const { bytes, type } = found;
    response.writeHead(from > 0 ? 206 : 200, {
      "content-type": type,
      "docker-content-digest": digestOf(bytes),
      "content-length": bytes.length - from,
      ...(from > 0 && { "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` }),
    });
    response.end(request.method === "HEAD" ? undefined : bytes.subarray(from));
  });

  function putManifest(tag: string, manifest: object, type: string = artifactTypes.manifest): string {
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: type, ...manifest }));
    for (const name of [tag, digestOf(bytes)]) contentByPath.set(`manifests/${name}`, { bytes, type });
    return digestOf(bytes);
  }

  return {
    host: new URL(server.url).host,
    requests: server.requests,
    putManifest,
    put(tag, layers) {
      const described = layers.map(({ bytes, mediaType = artifactTypes.tar, size = bytes.length, title }) => {
        contentByPath.set(`blobs/${digestOf(bytes)}`, { bytes, type: "application/octet-stream" });
        const annotations = title === undefined ? {} : { annotations: { "org.opencontainers.image.title": title } };
        return { mediaType, digest: digestOf(bytes), size, ...annotations };
      });
      const config = { mediaType: artifactTypes.empty, digest: digestOf("{}"), size: 2 };
      return putManifest(tag, { config, layers: described });
    },
    lie: (path, ...steps) => void lies.set(path, [...steps]),
    stop: () => server.stop(),
  };
}
