import { dirname } from "node:path";
import type { EnvironmentDocument } from "../crds/wire/environment.ts";
import type { Clock } from "../lib/clock.ts";
import type { AgentConfig } from "./agent-config.ts";
import { readFetchMs } from "./assembled.ts";
import { describeExtensionProcess, describeRuntimeProcess, logStreamName } from "./domain/environment-variables.ts";
import type { SdkAccess } from "./domain/sdk-variables.ts";
import { EnvironmentRecords } from "./environment-records.ts";
import { ExecutionEnvironment, type EnvironmentParts } from "./execution-environment.ts";
import type { Supervisors } from "./supervisors.ts";

export interface EnvironmentSurroundings extends Pick<EnvironmentParts, "log" | "connections" | "newId" | "onChange"> {
  readonly supervisors: Supervisors;
  /** `host:port` for the environment's processes. */
  readonly runtimeApi: string;
  readonly clock: Clock;
  readonly randomHex: (bytes: number) => string;
  readonly sdk: SdkAccess | undefined;
}

/** The environment that the document describes; nothing is started yet. */
export function createEnvironment(
  document: EnvironmentDocument,
  config: AgentConfig,
  surroundings: EnvironmentSurroundings,
): ExecutionEnvironment {
  const { supervisors, runtimeApi, sdk, clock, randomHex, log, connections, newId, onChange } = surroundings;
  const { taskRoot, layersRoot, runtimeRoot, variables: agentVariables } = config;
  const logStream = logStreamName(document.version, clock.nowMs(), randomHex(16));
  const place = { taskRoot, layersRoot, runtimeRoot, runtimeApi, logStream, agentVariables, sdk };
  const fetchMs = readFetchMs(dirname(config.runtimeSocket));
  const { createdAtMs } = config;
  const birth = { ...(createdAtMs !== undefined && { createdAtMs }), ...(fetchMs !== undefined && { fetchMs }) };
  return new ExecutionEnvironment({
    document,
    runtimeProcess: describeRuntimeProcess(document, place),
    extensionProcess: (file) => describeExtensionProcess(document, place, file),
    supervisors,
    log,
    records: new EnvironmentRecords({ document, log, clock, logStream, supervisors, birth }),
    connections,
    clock,
    newId,
    onChange,
  });
}
