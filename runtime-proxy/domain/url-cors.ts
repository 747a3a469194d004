/** CORS of a function URL. Source: Lambda API model, Cors; Fetch standard, 3.2 CORS protocol. */
import type { Cors } from "../../crds/v1alpha1/invoke-config.ts";

type Headers = Readonly<Record<string, string>>;
type RequestHeaders = Readonly<Record<string, string | undefined>>;

/** True for a preflight: with a CORS block it is answered in the function's place. */
export function isPreflight(method: string, headers: RequestHeaders): boolean {
  return (
    method === "OPTIONS" && headers["origin"] !== undefined && headers["access-control-request-method"] !== undefined
  );
}

/** The headers of a preflight's answer; none but `Vary` for an origin, method or header that is not allowed. */
export function preflightHeaders(cors: Cors, headers: RequestHeaders): Headers {
  const origin = allowedOrigin(cors, headers["origin"]);
  const method = headers["access-control-request-method"] ?? "";
  const vary = { vary: "origin, access-control-request-method, access-control-request-headers" };
  if (origin === undefined || !isMethodAllowed(cors, method)) return vary;
  const asked = splitList(headers["access-control-request-headers"]);
  const allowed = cors.allowHeaders ?? [];
  // A lone * covers Authorization for no client: what was asked for is named.
  const names = allowed.includes("*") ? asked : allowed;
  return {
    ...vary,
    "access-control-allow-origin": origin,
    "access-control-allow-methods": allowedMethods(cors, method),
    ...(names.length > 0 && { "access-control-allow-headers": names.join(",") }),
    ...(cors.allowCredentials && { "access-control-allow-credentials": "true" }),
    "access-control-max-age": String(cors.maxAge),
  };
}

/** The function's headers with CORS headers of its own taken away and the URL's in their place. */
export function withCors<Value extends string | readonly string[]>(
  cors: Cors,
  requestOrigin: string | undefined,
  headers: Readonly<Record<string, Value>>,
): Readonly<Record<string, Value | string>> {
  const own = Object.entries(headers).filter(([name]) => !name.startsWith("access-control-"));
  const origin = allowedOrigin(cors, requestOrigin);
  const exposed = cors.exposeHeaders ?? [];
  const vary = headers["vary"] === undefined ? "origin" : `${String(headers["vary"])}, origin`;
  return {
    ...Object.fromEntries(own),
    ...(isOneOfMany(cors) && { vary }),
    ...(origin !== undefined && {
      "access-control-allow-origin": origin,
      ...(exposed.length > 0 && { "access-control-expose-headers": exposed.join(",") }),
      ...(cors.allowCredentials && { "access-control-allow-credentials": "true" }),
    }),
  };
}

/** `*` with credentials is no answer that a browser takes: then the origin itself is named. */
function allowedOrigin(cors: Cors, origin: string | undefined): string | undefined {
  if (origin === undefined) return undefined;
  const origins = cors.allowOrigins ?? [];
  if (origins.includes("*")) return cors.allowCredentials ? origin : "*";
  return origins.some((allowed) => allowed.toLowerCase() === origin.toLowerCase()) ? origin : undefined;
}

function isOneOfMany({ allowOrigins = [], allowCredentials }: Cors): boolean {
  return allowCredentials || !allowOrigins.includes("*");
}

function isMethodAllowed({ allowMethods = [] }: Cors, method: string): boolean {
  return allowMethods.some((allowed) => allowed === "*" || allowed === method);
}

function allowedMethods({ allowMethods = [], allowCredentials }: Cors, method: string): string {
  return allowMethods.includes("*") && allowCredentials ? method : allowMethods.join(",");
}

function splitList(text: string | undefined): readonly string[] {
  return (text ?? "")
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}
