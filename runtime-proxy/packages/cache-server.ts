/** A node's cache over HTTP: the store's objects, on the store's paths, with the store's answers. */
import type { PackageErrorCode } from "../../crds/wire/packages.ts";
import { jsonResponse, type HttpHandler, type HttpRequest, type HttpResponse } from "../../lib/http/handler.ts";
import type { CacheMetrics } from "./cache-metrics.ts";
import { CacheFullError, type NodeCache } from "./node-cache.ts";
import { SourceRefusal } from "./object-source.ts";
import { refuseToken } from "./refusals.ts";
import { serveContent, toObject } from "./serve-content.ts";

export interface CacheServerOptions {
  readonly cache: NodeCache;
  readonly metrics: CacheMetrics;
}

export function createCacheHandler(options: CacheServerOptions): HttpHandler {
  return async (request) => await toObject(request, (digest) => serveObject(options, request, digest));
}

async function serveObject(
  { cache, metrics }: CacheServerOptions,
  request: HttpRequest,
  digest: string,
): Promise<HttpResponse> {
  const { authorization } = request.headers;
  if (authorization === undefined) return refuseToken("no bearer token");
  const reader = cache.readerFor(authorization);
  try {
    const facts = await reader.find(digest);
    const served = facts === undefined ? undefined : await serveContent(reader, request, facts);
    if (served === undefined) return notThere(digest);
    metrics.servedBytes.inc(served.bytes);
    return served.response;
  } catch (error) {
    if (error instanceof SourceRefusal) return refused(error.status, error.message);
    if (error instanceof CacheFullError) return refused(503, error.message);
    throw error;
  }
}

/** In the store's words, which know the namespace, it is said when the store is asked itself. */
function notThere(digest: string): HttpResponse {
  const code: PackageErrorCode = "PackageNotFound";
  return jsonResponse(404, { code, message: `Cannot read package "${digest}": the store has none for this token` });
}

function refused(status: number, message: string): HttpResponse {
  if (status === 401) return refuseToken("the package store does not know this token");
  const code: PackageErrorCode = "StoreUnavailable";
  return jsonResponse(status, { code, message });
}
