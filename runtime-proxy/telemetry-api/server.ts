import {
  parseSubscription,
  type TelemetryApiName,
  type TelemetrySubscription,
} from "../domain/telemetry-subscription.ts";
import { methodNotAllowed, notFound } from "../runtime-api/answers.ts";
import type { AgentHandler, AgentRequest, AgentResponse } from "../runtime-api/exchange.ts";
import { readPayload } from "../runtime-api/read-payload.ts";
import type { SubscribeAnswer, SubscribingExtension } from "./subscriptions.ts";

export interface TelemetryApiParts {
  /** Whose request it is, or why nobody's. */
  readonly identify: (request: AgentRequest) => IdentifiedExtension;
  readonly subscribe: (extension: SubscribingExtension, subscription: TelemetrySubscription) => SubscribeAnswer;
  /** The agent's own: nothing is delivered to them. */
  readonly reservedPorts: () => readonly number[];
}

export type IdentifiedExtension =
  | { readonly ok: true; readonly extension: SubscribingExtension }
  | { readonly ok: false; readonly answer: AgentResponse };

/** A subscription has a few hundred bytes. */
const maxBodyBytes = 64 * 1024;

/** With and without a slash at the end, as documentation and clients write them. */
const apis: Readonly<Record<string, TelemetryApiName>> = {
  "/2022-07-01/telemetry": "Telemetry",
  "/2022-07-01/telemetry/": "Telemetry",
  "/2020-08-15/logs": "Logs",
  "/2020-08-15/logs/": "Logs",
};

/** Whether a request is one for `telemetryApi`. */
export function isTelemetryPath(path: string): boolean {
  return Object.hasOwn(apis, path);
}

/** Telemetry API 2022-07-01 and Logs API 2020-08-15. Source: developer guide, telemetry-api-reference, runtimes-logs-api; emulator rapi/handler/runtimelogs.go. */
export function telemetryApi({ identify, subscribe, reservedPorts }: TelemetryApiParts): AgentHandler {
  return async (request) => {
    const api = Object.hasOwn(apis, request.path) ? apis[request.path] : undefined;
    if (api === undefined) return notFound;
    if (request.method !== "PUT") return methodNotAllowed;
    const identified = identify(request);
    if (!identified.ok) return identified.answer;
    const read = await readPayload(request, maxBodyBytes);
    if (read.kind === "tooLarge") await read.drained;
    if (read.kind !== "whole")
      return invalid(api, `request body is ${read.kind === "tooLarge" ? "too large" : "cut off"}`);
    const body = Buffer.concat(read.payload.chunks, read.payload.bytes).toString();
    const parsed = parseSubscription(api, body, reservedPorts());
    if (!parsed.ok) return invalid(api, parsed.message);
    // While the body came, a reset may have made an end of the extension.
    const known = identify(request);
    if (!known.ok) return known.answer;
    return answerOf(api, known.extension.name, subscribe(known.extension, parsed.subscription));
  };
}

function answerOf(api: TelemetryApiName, name: string, answer: SubscribeAnswer): AgentResponse {
  if (answer.ok) return json(200, "OK");
  switch (answer.code) {
    case "Closed":
      return refuse(403, `${api}.SubscriptionClosed`, `${api} API subscription is closed`);
    case "OtherApi":
      return refuse(
        400,
        `${api}.AccessDenied`,
        `The extension ${name} is already subscribed to the ${answer.api}API. You must either subscribe to the LogsAPI or the TelemetryAPI`,
      );
    case "TooMany":
      return invalid(api, "subscriptions of an extension should not be more than 10");
  }
}

function invalid(api: TelemetryApiName, message: string): AgentResponse {
  return refuse(400, api === "Telemetry" ? "ValidationError" : "Logs.ValidationError", message);
}

function refuse(status: number, errorType: string, errorMessage: string): AgentResponse {
  return json(status, { errorType, errorMessage });
}

function json(status: number, value: unknown): AgentResponse {
  return { status, headers: { "Content-Type": "application/json" }, body: JSON.stringify(value) };
}
