import type { EnvironmentDocument } from "../crds/wire/environment.ts";
import { CREDENTIALS_PATH } from "./credentials-api.ts";
import { identify } from "./extensions-api/identify.ts";
import { extensionsApi } from "./extensions-api/server.ts";
import type { LifecyclePort } from "./lifecycle-port.ts";
import { internalError } from "./runtime-api/answers.ts";
import type { AgentHandler, AgentResponse } from "./runtime-api/exchange.ts";
import { runtimeApi } from "./runtime-api/server.ts";
import { isTelemetryPath, telemetryApi, type TelemetryApiParts } from "./telemetry-api/server.ts";

export interface EnvironmentApiParts extends Pick<TelemetryApiParts, "subscribe" | "reservedPorts"> {
  readonly document: EnvironmentDocument;
  readonly lifecycle: () => LifecyclePort | undefined;
  readonly newId: () => string;
  /** Of the function; absent: none are given. */
  readonly credentials: AgentHandler | undefined;
}

/** Where extensions are switched off. Source: emulator rapi/middleware/middleware.go. */
const switchedOff: AgentResponse = { status: 404, body: "" };
const extensionsRoot = "/2020-01-01/";

/** Everything that the environment's processes may call, on one port. */
export function environmentApi({
  document,
  lifecycle,
  newId,
  credentials,
  ...telemetry
}: EnvironmentApiParts): AgentHandler {
  const { functionName, version: functionVersion, handler = "", functionArn } = document;
  const accountId = functionArn.split(":")[4] ?? "";
  const ofRuntime = runtimeApi(lifecycle);
  const ofExtensions = extensionsApi({
    lifecycle,
    newId,
    identity: { functionName, functionVersion, handler, accountId },
  });
  const ofTelemetry = telemetryApi({
    ...telemetry,
    identify: (request) => {
      const current = lifecycle();
      return current === undefined ? { ok: false, answer: internalError } : identify(current, request);
    },
  });
  return async (request) => {
    if (credentials !== undefined && request.path === CREDENTIALS_PATH) return await credentials(request);
    const isOfTelemetry = isTelemetryPath(request.path);
    if (!isOfTelemetry && !request.path.startsWith(extensionsRoot)) return await ofRuntime(request);
    if (lifecycle()?.areExtensionsDisabled === true) return switchedOff;
    return await (isOfTelemetry ? ofTelemetry : ofExtensions)(request);
  };
}
