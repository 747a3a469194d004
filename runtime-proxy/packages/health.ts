import type { Registry } from "prom-client";
import { jsonResponse, type HttpHandler } from "../../lib/http/handler.ts";

/** A process that has opened what it serves is alive and ready; what it measures beside that. */
export function createHealthHandler({ registry }: { readonly registry: Registry }): HttpHandler {
  return async ({ path }) => {
    if (path === "/healthz" || path === "/readyz") return jsonResponse(200, { ok: true });
    if (path !== "/metrics")
      return jsonResponse(404, { code: "NotFound", message: `Cannot serve "${path}": no such path` });
    return { status: 200, headers: { "content-type": registry.contentType }, body: await registry.metrics() };
  };
}
