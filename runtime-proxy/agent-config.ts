import type { KeyObject } from "node:crypto";
import type { EnvironmentDocument } from "../crds/wire/environment.ts";
import { places } from "../crds/wire/places.ts";
import { ports } from "../crds/wire/routes.ts";
import { parsePublicKey } from "../lib/http/signed-claim.ts";
import type { FillSource } from "./fill.ts";

/** What one agent runs by. Ports may be 0: any. */
export interface AgentConfig {
  /** Undefined: a generic pod that is nobody's yet. */
  readonly document: EnvironmentDocument | undefined;
  /** Absent: code and layers are there already. */
  readonly fillSource?: FillSource;
  readonly podUid: string;
  readonly podIp: string;
  readonly agentPort: number;
  readonly runtimeApi: { readonly host: string; readonly port: number };
  /** `http://host:port`, each of which may stand for several routers. */
  readonly routerUrls: readonly string[];
  /** Where functions find the Invoke API; absent: they are not told. */
  readonly lambdaUrl?: string;
  /** Keys that sign routers' claims; two while they are changed. */
  readonly routerKeys: readonly KeyObject[];
  /** Service account token of audience `router`. */
  readonly tokenFile: string;
  /** Where the runtime's supervisor connects, once. */
  readonly runtimeSocket: string;
  /** Where the supervisor of an extension's own container connects, once; by file name. */
  readonly extensionSockets: Readonly<Record<string, string>>;
  readonly taskRoot: string;
  readonly layersRoot: string;
  readonly runtimeRoot: string;
  /** The agent's own variables: `document.variablesFrom` names some of them. */
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** Where the last words go that the pod's status shows. */
  readonly terminationLog: string;
  /** Of the routers' roster when the pod was made; 0: there was none, and until one speaks whoever has the routers' proof is obeyed. */
  readonly epoch: number;
  /** When the pod was made, ms since 1970; absent: nobody has said. */
  readonly createdAtMs?: number;
}

/** Reads the agent's environment variables; throws an Error that names the variable that is missing or wrong. */
export function parseAgentConfig(env: Readonly<Record<string, string | undefined>>): AgentConfig {
  const lambdaUrl = env["KUBELAMBDA_LAMBDA_URL"] ?? "";
  const fillSource = parseFillSource(env);
  const document = parseDocument(env, fillSource);
  return {
    document,
    ...(fillSource !== undefined && { fillSource }),
    podUid: need(env, "KUBELAMBDA_POD_UID"),
    podIp: need(env, "KUBELAMBDA_POD_IP"),
    agentPort: parsePort("KUBELAMBDA_AGENT_PORT", env["KUBELAMBDA_AGENT_PORT"] ?? String(ports.agent)),
    runtimeApi: parseRuntimeApi(env["KUBELAMBDA_RUNTIME_API"] ?? `127.0.0.1:${ports.runtimeApi}`),
    routerUrls: list(need(env, "KUBELAMBDA_ROUTER_URL")).map(parseRouterUrl),
    ...(lambdaUrl !== "" && { lambdaUrl }),
    routerKeys: list(need(env, "KUBELAMBDA_ROUTER_KEYS")).map(parseKey),
    tokenFile: env["KUBELAMBDA_TOKEN_FILE"] ?? places.routerToken,
    runtimeSocket: env["KUBELAMBDA_RUNTIME_SOCKET"] ?? places.socket,
    extensionSockets: parseSockets(env["KUBELAMBDA_EXTENSION_SOCKETS"] ?? "{}"),
    taskRoot: env["KUBELAMBDA_TASK_ROOT"] ?? places.task,
    layersRoot: env["KUBELAMBDA_LAYERS_ROOT"] ?? places.layers,
    runtimeRoot: env["KUBELAMBDA_RUNTIME_ROOT"] ?? "/var/runtime",
    variables: env,
    terminationLog: env["KUBELAMBDA_TERMINATION_LOG"] ?? "/dev/termination-log",
    epoch: parseEpoch(env["KUBELAMBDA_EPOCH"] ?? "0"),
    ...(document?.createdAtMs !== undefined && { createdAtMs: document.createdAtMs }),
  };
}

function need(env: Readonly<Record<string, string | undefined>>, name: string): string {
  const value = env[name];
  if (value === undefined || value === "") throw new Error(`Cannot start the agent: ${name} is not set`);
  return value;
}

function list(text: string): string[] {
  const parts = text.split(",").map((part) => part.trim());
  return parts.filter((part) => part !== "");
}

function parseFillSource(env: Readonly<Record<string, string | undefined>>): FillSource | undefined {
  if ((env["KUBELAMBDA_PACKAGES_URL"] ?? "") === "") return undefined;
  return {
    packagesUrl: need(env, "KUBELAMBDA_PACKAGES_URL"),
    cacheUrl: env["KUBELAMBDA_CACHE_URL"] ?? "",
    tokenFile: env["KUBELAMBDA_PACKAGES_TOKEN_FILE"] ?? places.packagesToken,
  };
}

/** The operator has written it and checked it by its schema, which the agent does not carry. A pod without one is filled once it has one. */
function parseDocument(
  env: Readonly<Record<string, string | undefined>>,
  fillSource: FillSource | undefined,
): EnvironmentDocument | undefined {
  const isGeneric = fillSource !== undefined && (env["KUBELAMBDA_ENVIRONMENT"] ?? "") === "";
  if (isGeneric) return undefined;
  const text = need(env, "KUBELAMBDA_ENVIRONMENT");
  try {
    return JSON.parse(text) as EnvironmentDocument;
  } catch (cause) {
    throw new Error("Cannot start the agent: KUBELAMBDA_ENVIRONMENT is no JSON", { cause });
  }
}

function parseSockets(text: string): AgentConfig["extensionSockets"] {
  try {
    const sockets: unknown = JSON.parse(text);
    const isRight = typeof sockets === "object" && sockets !== null && Object.values(sockets).every(isText);
    if (isRight) return sockets as AgentConfig["extensionSockets"];
  } catch {
    // Told below.
  }
  throw new Error("Cannot start the agent: KUBELAMBDA_EXTENSION_SOCKETS is no JSON object of file names and paths");
}

function isText(value: unknown): boolean {
  return typeof value === "string";
}

function parsePort(name: string, text: string): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port < 65_536) return port;
  throw new Error(`Cannot start the agent: ${name} is "${text}", right is a port from 0 to 65535`);
}

function parseEpoch(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new Error(`Cannot start the agent: KUBELAMBDA_EPOCH is "${text}", right is a whole number`);
}

function parseRuntimeApi(text: string): AgentConfig["runtimeApi"] {
  const [host, port, ...rest] = text.split(":");
  if (host === undefined || host === "" || port === undefined || rest.length > 0) {
    throw new Error(`Cannot start the agent: KUBELAMBDA_RUNTIME_API is "${text}", right is <IPv4 address>:<port>`);
  }
  return { host, port: parsePort("KUBELAMBDA_RUNTIME_API", port) };
}

function parseRouterUrl(text: string): string {
  if (URL.canParse(text) && new URL(text).protocol === "http:") return text;
  throw new Error(`Cannot start the agent: KUBELAMBDA_ROUTER_URL has "${text}", right is http://<host>:<port>`);
}

function parseKey(base64: string): KeyObject {
  try {
    return parsePublicKey(base64);
  } catch (cause) {
    throw new Error("Cannot start the agent: KUBELAMBDA_ROUTER_KEYS has a part that is no base64 of an SPKI key", {
      cause,
    });
  }
}
