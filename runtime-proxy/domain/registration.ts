/** The body of an extension's registration. Source: emulator rapi/handler/agentregister.go. */
import type { ExtensionEvent } from "./extension-state.ts";

export type Registration =
  | { readonly ok: true; readonly events: readonly ExtensionEvent[] }
  | {
      readonly ok: false;
      readonly code: "InvalidRequestFormat" | "Extension.InvalidEventType";
      readonly message: string;
    };

const knownEvents: ReadonlySet<string> = new Set<ExtensionEvent>(["INVOKE", "SHUTDOWN"]);

/** No events and no member of that name are fine: registered for nothing. Names of members in any case, as Go reads them. */
export function parseRegistration(body: string): Registration {
  if (body.trim() === "") return invalid("unexpected end of JSON input");
  const parsed = parse(body);
  if (!parsed.ok) return invalid(parsed.message);
  const { value } = parsed;
  if (value === null) return { ok: true, events: [] };
  if (typeof value !== "object" || Array.isArray(value)) return invalid("The body is no JSON object");
  const events = member(value, "events") ?? [];
  const keys = member(value, "configurationkeys") ?? [];
  if (!isTexts(events)) return invalid("events is no list of names");
  if (!isTexts(keys)) return invalid("configurationKeys is no list of names");
  if (keys.length > 0) return invalid("configurationKeys are deprecated; use environment variables instead");
  return checkEvents(events);
}

function checkEvents(events: readonly string[]): Registration {
  const unknown = events.find((event) => !knownEvents.has(event));
  if (unknown !== undefined) {
    return { ok: false, code: "Extension.InvalidEventType", message: `${unknown}: ErrorInvalidEventType` };
  }
  return { ok: true, events: [...new Set(events)] as ExtensionEvent[] };
}

function parse(
  body: string,
): { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly message: string } {
  try {
    return { ok: true, value: JSON.parse(body) };
  } catch (error) {
    return { ok: false, message: error instanceof Error ? error.message : "The body is no JSON" };
  }
}

function member(object: object, name: string): unknown {
  return Object.entries(object).findLast(([key]) => key.toLowerCase() === name)?.[1] as unknown;
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function invalid(message: string): Registration {
  return { ok: false, code: "InvalidRequestFormat", message };
}
