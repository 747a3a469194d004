/** What the agent may say, checked by hand: a schema library would cost every environment's start more than the rest of it. */
import type { EnvFallback, ListDirectory, SignalProcess, StartProcess } from "../crds/wire/supervisor.ts";

/** The agent is not what we think it is: the connection ends. */
export class AgentNonsenseError extends Error {
  override readonly name = "AgentNonsenseError";
}

type Members = Readonly<Record<string, unknown>>;

/** Payload of a frame that holds one JSON object. */
export function parseObject(kind: string, payload: Buffer): Members {
  let value: unknown;
  try {
    value = JSON.parse(payload.toString());
  } catch (cause) {
    throw new AgentNonsenseError(`frame '${kind}' of the agent is not the JSON it should be: ${String(cause)}`);
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Members;
  throw new AgentNonsenseError(`frame '${kind}' of the agent is not a JSON object`);
}

/** Descriptors that may be asked for: 0 to 2 have their meaning. */
const [minTelemetryFd, maxTelemetryFd] = [3, 255];

export function parseStart(payload: Buffer): StartProcess {
  const { process, argv, candidates, env, fallbacks, workingDirectory, openFiles, telemetryFd } = parseObject(
    "S",
    payload,
  );
  if (!isNumber(process)) throw new AgentNonsenseError("frame 'S' of the agent names no process number");
  const isRight =
    isStrings(argv) &&
    (candidates === undefined || isStrings(candidates)) &&
    isEnv(env) &&
    (fallbacks === undefined || (Array.isArray(fallbacks) && fallbacks.every(isFallback))) &&
    typeof workingDirectory === "string" &&
    (openFiles === undefined || isNumber(openFiles)) &&
    (telemetryFd === undefined || isNumber(telemetryFd));
  if (!isRight)
    throw new AgentNonsenseError("frame 'S' of the agent is not the JSON it should be: a member has a wrong type");
  if (telemetryFd !== undefined && (telemetryFd < minTelemetryFd || telemetryFd > maxTelemetryFd))
    throw new AgentNonsenseError(
      `frame 'S' of the agent has telemetry descriptor ${telemetryFd}, right is ${minTelemetryFd} to ${maxTelemetryFd}`,
    );
  return {
    process,
    argv,
    env,
    workingDirectory,
    ...(fallbacks !== undefined && { fallbacks }),
    ...(candidates !== undefined && { candidates }),
    ...(openFiles !== undefined && { openFiles }),
    ...(telemetryFd !== undefined && { telemetryFd }),
  };
}

const signals: readonly unknown[] = ["SIGTERM", "SIGKILL", "SIGSTOP", "SIGCONT"] satisfies SignalProcess["signal"][];

export function parseSignal(payload: Buffer): SignalProcess {
  const { process, signal } = parseObject("K", payload);
  if (isNumber(process) && signals.includes(signal)) return { process, signal: signal as SignalProcess["signal"] };
  throw new AgentNonsenseError(
    `frame 'K' of the agent has signal ${JSON.stringify(signal)}, right is a process number and SIGTERM, SIGKILL, SIGSTOP or SIGCONT`,
  );
}

export function parseList(payload: Buffer): ListDirectory {
  const { id, path } = parseObject("L", payload);
  if (typeof id !== "number") throw new AgentNonsenseError("frame 'L' of the agent has no id");
  if (typeof path === "string") return { id, path };
  throw new AgentNonsenseError("frame 'L' of the agent is not the JSON it should be: its path is no text");
}

export function parseFlush(payload: Buffer): { readonly id: number } {
  const { id } = parseObject("F", payload);
  if (typeof id !== "number") throw new AgentNonsenseError("frame 'F' of the agent has no id");
  return { id };
}

function isEnv(value: unknown): value is Record<string, string> {
  return typeof value === "object" && value !== null && isStrings(Object.values(value));
}

function isFallback(value: unknown): value is EnvFallback {
  const { unless, env } = (value ?? {}) as Members;
  return isStrings(unless) && isEnv(env);
}

function isNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff;
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((entry) => typeof entry === "string");
}
