/**
 * What an extension may subscribe to, and the words in which it is told what is wrong.
 * Source: developer guide, telemetry-api-reference and runtimes-logs-api.
 */

export type TelemetryApiName = "Telemetry" | "Logs";
export type TelemetrySchema = "2022-07-01" | "2022-12-13" | "2025-01-29" | "2020-08-15" | "2021-03-18";
export type TelemetryCategory = "platform" | "function" | "extension";

export type TelemetryDestination =
  | {
      readonly protocol: "HTTP";
      readonly port: number;
      readonly host: string;
      /** With its query; `/` when the URI has none. */
      readonly path: string;
      readonly method: "PUT" | "POST";
    }
  | { readonly protocol: "TCP"; readonly port: number };

/** A batch goes out when it has so many items or bytes, or when its first event is so old. */
export interface TelemetryBuffering {
  readonly maxItems: number;
  readonly maxBytes: number;
  readonly timeoutMs: number;
}

export interface TelemetrySubscription {
  readonly api: TelemetryApiName;
  readonly schema: TelemetrySchema;
  /** As asked for, each once. */
  readonly types: readonly TelemetryCategory[];
  readonly destination: TelemetryDestination;
  readonly buffering: TelemetryBuffering;
}

export type ParsedSubscription =
  | { readonly ok: true; readonly subscription: TelemetrySubscription }
  /** All faults, joined with `; `. */
  | { readonly ok: false; readonly message: string };

const schemas = {
  Telemetry: ["2022-07-01", "2022-12-13", "2025-01-29"],
  Logs: ["2020-08-15", "2021-03-18"],
} as const satisfies Record<TelemetryApiName, readonly TelemetrySchema[]>;

const categories: readonly TelemetryCategory[] = ["platform", "function", "extension"];

export const bufferingBounds = {
  maxItems: { default: 10_000, min: 1_000, max: 10_000 },
  maxBytes: { default: 262_144, min: 262_144, max: 1_048_576 },
  timeoutMs: { default: 1_000, min: 25, max: 30_000 },
} as const satisfies Record<keyof TelemetryBuffering, object>;

type Members = Readonly<Record<string, unknown>>;

interface Fault {
  readonly fault: string;
}

/** Reads a subscription's body. `reservedPorts` are the platform's own: nothing is delivered to them. */
export function parseSubscription(
  api: TelemetryApiName,
  body: string,
  reservedPorts: readonly number[],
): ParsedSubscription {
  const members = parseObject(body);
  if (members === undefined) return { ok: false, message: "request body is not a JSON object" };
  const schema = readSchema(api, members["schemaVersion"]);
  const destination = readDestination(api, members["destination"], reservedPorts);
  const types = readTypes(members["types"]);
  const buffering = readBuffering(members["buffering"]);
  if (isFault(schema) || isFault(destination) || isFault(types) || isFault(buffering)) {
    const faults = [schema, destination, types, buffering].filter(isFault);
    return { ok: false, message: faults.map(({ fault }) => fault).join("; ") };
  }
  return { ok: true, subscription: { api, schema, types, destination, buffering } };
}

/** Equal when nothing would be delivered otherwise. */
export function isSameSubscription(a: TelemetrySubscription, b: TelemetrySubscription): boolean {
  const key = ({ types, ...rest }: TelemetrySubscription): string => JSON.stringify([[...types].sort(), rest]);
  return key(a) === key(b);
}

function parseObject(text: string): Members | undefined {
  try {
    return objectOf(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function objectOf(value: unknown): Members | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Members) : undefined;
}

function isFault(read: unknown): read is Fault {
  return typeof read === "object" && read !== null && "fault" in read;
}

function fault(message: string): Fault {
  return { fault: message };
}

function isAbsent(value: unknown): value is undefined | null {
  return value === undefined || value === null;
}

function isIntegerIn(value: unknown, min: number, max: number): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= min && value <= max;
}

function readSchema(api: TelemetryApiName, value: unknown): TelemetrySchema | Fault {
  if (isAbsent(value)) return api === "Logs" ? "2020-08-15" : fault("schemaVersion is not provided");
  const known = schemas[api].find((schema) => schema === value);
  return known ?? fault(`schemaVersion should be one of ${schemas[api].join(", ")}`);
}

function readTypes(value: unknown): readonly TelemetryCategory[] | Fault {
  if (isAbsent(value) || (Array.isArray(value) && value.length === 0)) return fault("types should not be empty");
  const asked: ReadonlySet<unknown> = new Set(Array.isArray(value) ? value : []);
  const types = categories.filter((category) => asked.has(category));
  if (types.length === 0 || types.length < asked.size)
    return fault(`types should be a list of ${categories.join(", ")}`);
  return [...asked] as TelemetryCategory[];
}

function readBuffering(value: unknown): TelemetryBuffering | Fault {
  const members = isAbsent(value) ? {} : objectOf(value);
  if (members === undefined) return fault("buffering should be an object");
  const names = Object.keys(bufferingBounds) as (keyof TelemetryBuffering)[];
  const faults = names.filter((name) => !isAbsent(members[name]) && !isInBounds(name, members[name]));
  if (faults.length > 0) return fault(faults.map(boundsOf).join("; "));
  return {
    maxItems: boundedOf("maxItems", members),
    maxBytes: boundedOf("maxBytes", members),
    timeoutMs: boundedOf("timeoutMs", members),
  };
}

function isInBounds(name: keyof TelemetryBuffering, value: unknown): value is number {
  return isIntegerIn(value, bufferingBounds[name].min, bufferingBounds[name].max);
}

function boundsOf(name: keyof TelemetryBuffering): string {
  return `${name} should be between ${bufferingBounds[name].min} and ${bufferingBounds[name].max}`;
}

function boundedOf(name: keyof TelemetryBuffering, members: Members): number {
  const value = members[name];
  return isInBounds(name, value) ? value : bufferingBounds[name].default;
}

function readDestination(
  api: TelemetryApiName,
  value: unknown,
  reservedPorts: readonly number[],
): TelemetryDestination | Fault {
  if (isAbsent(value)) return fault("destination is not provided");
  const members = objectOf(value);
  if (members === undefined) return fault("destination should be an object");
  const { protocol } = members;
  if (protocol !== "HTTP" && protocol !== "TCP") return fault("protocol should be HTTP or TCP");
  const destination = protocol === "HTTP" ? readHttp(api, members) : readTcp(members);
  if (isFault(destination) || !reservedPorts.includes(destination.port)) return destination;
  return fault(`port ${destination.port} is reserved`);
}

function readTcp({ port }: Members): TelemetryDestination | Fault {
  if (isAbsent(port)) return fault("port is not provided");
  return isIntegerIn(port, 1, 65_535) ? { protocol: "TCP", port } : fault("port should be between 1 and 65535");
}

/** scheme, user, host, port, the rest without a fragment. */
const uriParts = /^([a-z][a-z0-9+.-]*):\/\/(?:([^/?#@]*)@)?([^/?#:@]*)(?::([^/?#]*))?([^#]*)/i;

function readHttp(api: TelemetryApiName, members: Members): TelemetryDestination | Fault {
  const { URI: uri } = members;
  if (isAbsent(uri) || uri === "") return fault("URI is not provided");
  const [, scheme, user, host = "", port = "", rest = ""] = (typeof uri === "string" && uriParts.exec(uri)) || [];
  const path = pathOf(rest);
  if (scheme === undefined || user !== undefined || path === undefined) return fault("URI is not valid");
  if (scheme.toLowerCase() !== "http") return fault("URI scheme should be http");
  if (!isOwnHost(host)) return fault("URI host should be sandbox.localdomain");
  if (port === "") return fault("URI port is not provided");
  if (!/^\d{1,5}$/.test(port) || !isIntegerIn(Number(port), 1, 65_535)) {
    return fault("URI port should be between 1 and 65535");
  }
  const method = api === "Logs" ? readMethod(members) : "POST";
  return isFault(method) ? method : { protocol: "HTTP", port: Number(port), host: host.toLowerCase(), path, method };
}

/** Names of the environment's loopback address. Others are refused, whatever they resolve to. */
function isOwnHost(host: string): boolean {
  return ["sandbox.localdomain", "sandbox"].includes(host.toLowerCase());
}

function pathOf(rest: string): string | undefined {
  const isPath = rest === "" || rest.startsWith("/") || rest.startsWith("?");
  const url = isPath ? URL.parse(`http://sandbox.localdomain${rest}`) : null;
  return url === null ? undefined : `${url.pathname}${url.search}`;
}

function readMethod({ method, encoding }: Members): "PUT" | "POST" | Fault {
  if (!isAbsent(encoding) && encoding !== "JSON") return fault("encoding should be JSON");
  if (isAbsent(method)) return "POST";
  return method === "PUT" || method === "POST" ? method : fault("method should be PUT or POST");
}
