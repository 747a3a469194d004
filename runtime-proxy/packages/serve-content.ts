/** Content by its digest over HTTP: the same for a store and for a cache before it. */
import { Readable } from "node:stream";
import { routes } from "../../crds/wire/routes.ts";
import { jsonResponse, type HttpRequest, type HttpResponse } from "../../lib/http/handler.ts";
import { decideRange } from "./range.ts";
import { refusal, refuseMethod } from "./refusals.ts";
import type { ByteRange, PackageFacts, PackageReader } from "./store.ts";

const objectPath = new RegExp(`^${routes.object("sha256:")}([0-9a-f]{64})$`);

/** The digest that a path names goes to `serve`; another path, or another method than GET and HEAD, is refused. */
export async function toObject(
  { path, method }: HttpRequest,
  serve: (digest: string) => Promise<HttpResponse>,
): Promise<HttpResponse> {
  const hex = objectPath.exec(path)?.[1];
  if (hex === undefined) return refusal("NotFound", `Cannot serve "${path.slice(0, 200)}": no such path`);
  if (method !== "GET" && method !== "HEAD") return refuseMethod(method, path, "GET, HEAD");
  return await serve(`sha256:${hex}`);
}

type ContentFacts = Pick<PackageFacts, "digest" | "zippedBytes">;

export interface Served {
  readonly response: HttpResponse;
  /** Of the body. */
  readonly bytes: number;
}

/** The content, or the range that the request asks for; undefined when it is gone meanwhile. */
export async function serveContent(
  reader: PackageReader,
  { headers, method }: HttpRequest,
  facts: ContentFacts,
): Promise<Served | undefined> {
  const { digest, zippedBytes } = facts;
  const tag = `"${digest}"`;
  const ifRange = headers["if-range"];
  const wanted = decideRange(ifRange === undefined || ifRange === tag ? headers["range"] : undefined, zippedBytes);
  if (wanted.type === "unsatisfiable") return { response: refuseRange(facts), bytes: 0 };
  const isPart = wanted.type === "part";
  const range = isPart ? wanted.range : { start: 0, end: zippedBytes - 1 };
  const body = method === "HEAD" ? Readable.from([]) : await reader.read(digest, range);
  if (body === undefined) return undefined;
  const always = { "content-type": "application/zip", "accept-ranges": "bytes", etag: tag };
  const response = { status: isPart ? 206 : 200, headers: { ...always, ...lengthHeaders(range, facts, isPart) }, body };
  return { response, bytes: method === "HEAD" ? 0 : range.end - range.start + 1 };
}

function refuseRange({ digest, zippedBytes }: ContentFacts): HttpResponse {
  const message = `Cannot read that range: package "${digest}" has ${zippedBytes} bytes`;
  return jsonResponse(416, { code: "BadRequest", message }, { "content-range": `bytes */${zippedBytes}` });
}

function lengthHeaders({ start, end }: ByteRange, { zippedBytes }: ContentFacts, isPart: boolean) {
  return {
    "content-length": String(end - start + 1),
    ...(isPart && { "content-range": `bytes ${start}-${end}/${zippedBytes}` }),
  };
}
