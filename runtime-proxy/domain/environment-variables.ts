/** Variables, arguments and directory by which the runtime and extensions are started. Source: developer guide, configuration-envvars. */
import { credentialVariables, reservedVariables as reservedNameList } from "../../crds/reserved-variables.ts";
import type { EnvironmentDocument } from "../../crds/wire/environment.ts";
import type { StartProcess } from "../../crds/wire/supervisor.ts";
import { sdkFallbacks, type SdkAccess } from "./sdk-variables.ts";

export interface RuntimePlace {
  /** `/var/task`, `/opt` and `/var/runtime`, or where local mode has them. */
  readonly taskRoot: string;
  readonly layersRoot: string;
  readonly runtimeRoot: string;
  /** `host:port` of the Runtime API. */
  readonly runtimeApi: string;
  readonly logStream: string;
  /** The agent's own variables, from which `variablesFrom` takes values that the kubelet filled. */
  readonly agentVariables: Readonly<Record<string, string | undefined>>;
  /** Absent: SDKs inside are left to themselves. */
  readonly sdk?: SdkAccess | undefined;
}

const openFiles = 1024;
/** Where runtime clients write records of several lines. Source: as AWS sets it. */
const telemetryFd = 62;

/** What to start, the process number apart. */
export function describeRuntimeProcess(
  document: EnvironmentDocument,
  place: RuntimePlace,
): Omit<StartProcess, "process"> {
  const { taskRoot, layersRoot, runtimeRoot } = place;
  const candidates = isOsOnly(document)
    ? [`${taskRoot}/bootstrap`, `${layersRoot}/bootstrap`]
    : [`${runtimeRoot}/bootstrap`];
  return {
    argv: document.argv ?? ["bootstrap"],
    ...(document.argv === undefined && { candidates }),
    env: runtimeVariables(document, place),
    ...fallbacks(document, place),
    workingDirectory: document.workingDirectory ?? taskRoot,
    openFiles,
    telemetryFd,
  };
}

/** What starts an external extension. Its directory is none of the function's. Source: emulator rapid/handlers.go. */
export function describeExtensionProcess(
  document: EnvironmentDocument,
  place: RuntimePlace,
  file: string,
): Omit<StartProcess, "process"> {
  return {
    argv: [`${place.layersRoot}/extensions/${file}`],
    env: extensionVariables(document, place),
    ...fallbacks(document, place),
    workingDirectory: "/",
    openFiles,
  };
}

function fallbacks(
  document: EnvironmentDocument,
  { sdk, agentVariables }: RuntimePlace,
): Pick<StartProcess, "fallbacks"> {
  return sdk === undefined ? {} : { fallbacks: sdkFallbacks(sdk, functionVariables(document, agentVariables)) };
}

/** The runtime's, less what is only its own. Source: developer guide, runtimes-extensions-api; emulator rapidcore/env/environment.go. */
export function extensionVariables(document: EnvironmentDocument, place: RuntimePlace): Record<string, string> {
  const own = functionVariables(document, place.agentVariables);
  const isKept = (name: string): boolean =>
    !name.startsWith("_") && !runtimeOnly.has(name) && (!customersOnly.has(name) || Object.hasOwn(own, name));
  return Object.fromEntries(Object.entries(runtimeVariables(document, place)).filter(([name]) => isKept(name)));
}

const runtimeOnly: ReadonlySet<string> = new Set([
  "AWS_EXECUTION_ENV",
  "AWS_LAMBDA_LOG_GROUP_NAME",
  "AWS_LAMBDA_LOG_STREAM_NAME",
  "LAMBDA_RUNTIME_DIR",
  "LAMBDA_TASK_ROOT",
]);
const customersOnly: ReadonlySet<string> = new Set(["AWS_XRAY_CONTEXT_MISSING", "AWS_XRAY_DAEMON_ADDRESS"]);

/** Later ones win: unreserved variables of the platform, the function's own, reserved ones. */
export function runtimeVariables(document: EnvironmentDocument, place: RuntimePlace): Record<string, string> {
  return {
    ...unreservedVariables(document, place),
    ...functionVariables(document, place.agentVariables),
    ...reservedVariables(document, place),
  };
}

function unreservedVariables(document: EnvironmentDocument, place: RuntimePlace): Record<string, string> {
  return {
    ...(document.packageType === "Zip" && zipVariables(document, place)),
    ...(document.logFormat === "JSON" && {
      AWS_LAMBDA_LOG_FORMAT: "JSON",
      ...(document.applicationLogLevel !== undefined && { AWS_LAMBDA_LOG_LEVEL: document.applicationLogLevel }),
    }),
    AWS_XRAY_CONTEXT_MISSING: "LOG_ERROR",
    AWS_XRAY_DAEMON_ADDRESS: "169.254.100.1:2000",
  };
}

/** Images bring these in their own ENV. */
function zipVariables(document: EnvironmentDocument, place: RuntimePlace): Record<string, string> {
  const { taskRoot, layersRoot, runtimeRoot } = place;
  const hasLanguage = document.runtime !== "provided.al2";
  const libraries = ["/lib64", "/usr/lib64", runtimeRoot, `${runtimeRoot}/lib`, taskRoot, `${taskRoot}/lib`];
  return {
    LANG: "en_US.UTF-8",
    TZ: ":UTC",
    PATH: [...(hasLanguage ? ["/var/lang/bin"] : []), "/usr/local/bin", "/usr/bin/", "/bin", `${layersRoot}/bin`].join(
      ":",
    ),
    LD_LIBRARY_PATH: [...(hasLanguage ? ["/var/lang/lib"] : []), ...libraries, `${layersRoot}/lib`].join(":"),
  };
}

function functionVariables(
  { variables, variablesFrom }: EnvironmentDocument,
  agentVariables: RuntimePlace["agentVariables"],
): Record<string, string> {
  const filled = Object.entries(variablesFrom).flatMap(([name, source]) => {
    const value = agentVariables[source];
    return value === undefined ? [] : [[name, value] as const];
  });
  const literal = Object.entries(variables).filter(([name]) => !isReserved(name));
  return Object.fromEntries([...literal, ...filled.filter(([name]) => !isReserved(name) || credentialNames.has(name))]);
}

function reservedVariables(document: EnvironmentDocument, place: RuntimePlace): Record<string, string> {
  return {
    ...executionEnvironment(document),
    ...(document.packageType === "Zip" && document.handler !== undefined && { _HANDLER: document.handler }),
    AWS_REGION: document.region,
    AWS_DEFAULT_REGION: document.region,
    AWS_LAMBDA_FUNCTION_NAME: document.functionName,
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(document.memorySize),
    AWS_LAMBDA_FUNCTION_VERSION: document.version,
    AWS_LAMBDA_INITIALIZATION_TYPE: document.initializationType,
    ...(document.initializationType !== "snap-start" && {
      AWS_LAMBDA_LOG_GROUP_NAME: document.logGroup,
      AWS_LAMBDA_LOG_STREAM_NAME: place.logStream,
    }),
    AWS_LAMBDA_RUNTIME_API: place.runtimeApi,
    LAMBDA_TASK_ROOT: place.taskRoot,
    LAMBDA_RUNTIME_DIR: place.runtimeRoot,
    _AWS_XRAY_DAEMON_ADDRESS: "169.254.100.1",
    _AWS_XRAY_DAEMON_PORT: "2000",
    _LAMBDA_TELEMETRY_LOG_FD: String(telemetryFd),
  };
}

function executionEnvironment(document: EnvironmentDocument): Record<string, string> {
  if (document.packageType === "Image") return { AWS_EXECUTION_ENV: "AWS_Lambda_Image" };
  if (isOsOnly(document) || document.runtime === undefined) return {};
  return { AWS_EXECUTION_ENV: `AWS_Lambda_${document.runtime}` };
}

function isOsOnly(document: EnvironmentDocument): boolean {
  return document.runtime?.startsWith("provided") === true;
}

const reservedNames: ReadonlySet<string> = new Set(reservedNameList);
/** Of these a Secret may be the source. */
const credentialNames: ReadonlySet<string> = new Set(credentialVariables);

/** A function's variable of such a name is refused at apply; here it is dropped, so that nothing else can set one. */
function isReserved(name: string): boolean {
  return name.startsWith("_") || reservedNames.has(name);
}

/** `YYYY/MM/DD/[<version>]<32 hex>`: one per environment. */
export function logStreamName(version: string, startedMs: number, hex: string): string {
  return `${new Date(startedMs).toISOString().slice(0, 10).replaceAll("-", "/")}/[${version}]${hex}`;
}
