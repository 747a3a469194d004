import type { LifecyclePort, RegisteredExtension } from "../lifecycle-port.ts";
import { errorAnswer } from "../runtime-api/answers.ts";
import { headerOf, type AgentRequest, type AgentResponse } from "../runtime-api/exchange.ts";

export type Identified =
  | { readonly ok: true; readonly extension: RegisteredExtension }
  | { readonly ok: false; readonly answer: AgentResponse };

export type Identify = (request: AgentRequest) => Identified;

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** The header as it should be, checked before the body and before any state. Source: emulator rapi/middleware/middleware.go. */
export function identifierOf(
  request: AgentRequest,
): { readonly ok: true; readonly id: string } | { readonly ok: false; readonly answer: AgentResponse } {
  const id = headerOf(request, "lambda-extension-identifier");
  if (id === undefined) return { ok: false, answer: missing };
  return uuid.test(id) ? { ok: true, id: id.toLowerCase() } : { ok: false, answer: invalid };
}

const missing = errorAnswer(403, "Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header");
const invalid = errorAnswer(403, "Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier");

/** Who calls, for the Telemetry and Logs API. */
export function identify(lifecycle: LifecyclePort, request: AgentRequest): Identified {
  const identified = identifierOf(request);
  if (!identified.ok) return identified;
  const extension = lifecycle.findExtension(identified.id);
  if (extension !== undefined) return { ok: true, extension };
  const message = `Unknown extension ${identified.id}`;
  return { ok: false, answer: errorAnswer(403, "Extension.UnknownExtensionIdentifier", message) };
}
