import { statSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { EnvironmentDocument } from "../../crds/wire/environment.ts";
import { agentNodeOptions } from "../../operator/environment-settings.ts";
import type { BenchProcess, ProcessGroup } from "../process-group.ts";
import { taskRoot } from "./node-runtime.ts";

/** What all environments of one system share. */
export interface EnvironmentParts {
  readonly processes: ProcessGroup;
  readonly agentBundle: string;
  readonly supervisor: string;
  /** Stands for /var/runtime. */
  readonly runtimeFolder: string;
  /** A folder for each environment goes in here. */
  readonly folder: string;
  /** Where agents announce themselves. */
  readonly routerUrl: string;
  /** As formatPublicKey() writes it. */
  readonly routerKey: string;
  readonly functionUid: string;
  readonly revisionID: string;
  /** Text of an external extension's file. */
  readonly extension?: string;
  /** Default `index.handler`. */
  readonly handler?: string;
}

export interface BenchEnvironment {
  readonly agent: BenchProcess;
  readonly supervisor: BenchProcess;
}

const listenLimitMs = 15_000;

/** Starts agent and supervisor as the pod would; the supervisor starts the runtime. Resolves before that is ready. */
export async function startEnvironment(parts: EnvironmentParts, podUid: string): Promise<BenchEnvironment> {
  const { agent, socket } = await startAgentProcess(parts, podUid);
  await untilOpened(socket);
  const env = { PATH: process.env["PATH"] ?? "", KUBELAMBDA_SOCKET: socket };
  return { agent, supervisor: await parts.processes.start({ argv: [parts.supervisor], env }) };
}

export async function startAgentProcess(
  parts: EnvironmentParts,
  podUid: string,
): Promise<{ readonly agent: BenchProcess; readonly socket: string }> {
  const folder = join(parts.folder, podUid);
  await mkdir(join(folder, "opt/extensions"), { recursive: true });
  if (parts.extension !== undefined) {
    await writeFile(join(folder, "opt/extensions/ear"), parts.extension, { mode: 0o755 });
  }
  await writeFile(join(folder, "token"), podUid);
  const socket = join(folder, "socket");
  const env = {
    PATH: process.env["PATH"] ?? "",
    KUBELAMBDA_ENVIRONMENT: JSON.stringify(documentOf(parts)),
    KUBELAMBDA_POD_UID: podUid,
    KUBELAMBDA_POD_IP: "127.0.0.1",
    KUBELAMBDA_AGENT_PORT: "0",
    KUBELAMBDA_RUNTIME_API: "127.0.0.1:0",
    KUBELAMBDA_ROUTER_URL: parts.routerUrl,
    KUBELAMBDA_ROUTER_KEYS: parts.routerKey,
    KUBELAMBDA_TOKEN_FILE: join(folder, "token"),
    KUBELAMBDA_RUNTIME_SOCKET: socket,
    KUBELAMBDA_TASK_ROOT: taskRoot,
    KUBELAMBDA_LAYERS_ROOT: join(folder, "opt"),
    KUBELAMBDA_RUNTIME_ROOT: parts.runtimeFolder,
  };
  return {
    agent: await parts.processes.start({ argv: [process.execPath, ...agentNodeOptions, parts.agentBundle], env }),
    socket,
  };
}

/** The agent opens its socket to the supervisor's user last of all: both its ports listen by then. */
export async function untilOpened(socket: string): Promise<void> {
  await until(`"${socket}" to be opened to all`, () => (modeOf(socket) & openToAll) === openToAll);
}

export async function untilThere(path: string): Promise<void> {
  await until(`"${path}" to be there`, () => modeOf(path) !== 0);
}

const openToAll = 0o006;

/** Looks every millisecond. */
async function until(what: string, isSo: () => boolean): Promise<void> {
  const untilMs = performance.now() + listenLimitMs;
  while (!isSo()) {
    if (performance.now() > untilMs) throw new Error(`Cannot wait longer for ${what}: ${listenLimitMs} ms have passed`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

function modeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mode ?? 0;
}

function documentOf({ functionUid, revisionID, handler = "index.handler" }: EnvironmentParts): EnvironmentDocument {
  return {
    namespace: "default",
    functionName: "bench",
    functionUid,
    functionArn: "arn:aws:lambda:us-east-1:000000000001:function:bench",
    region: "us-east-1",
    version: "$LATEST",
    revisionID,
    packageType: "Zip",
    runtime: "nodejs24.x",
    handler,
    memorySize: 128,
    timeoutSeconds: 10,
    initTimeoutMs: 10_000,
    initializationType: "on-demand",
    logGroup: "/aws/lambda/bench",
    logFormat: "Text",
    variables: {},
    variablesFrom: {},
    code: "sha256:0000",
    layers: [],
  };
}
