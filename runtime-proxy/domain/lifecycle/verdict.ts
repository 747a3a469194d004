/** What a call is told at once. */
import type { AgentRefusal } from "../../../crds/wire/environment.ts";

export type RuntimeRefusal =
  | { readonly code: "InvalidRequestID" }
  | { readonly code: "InvalidStateTransition"; readonly message: string }
  /** There is no runtime: it is being killed, or not started. */
  | { readonly code: "Unavailable" };

export type ExtensionRefusalCode =
  | "Extension.RegistrationClosed"
  | "Extension.InvalidExtensionState"
  | "Extension.TooManyExtensions"
  | "Extension.InvalidEventType"
  | "Extension.UnknownExtensionIdentifier";

export interface ExtensionRefusal {
  readonly code: ExtensionRefusalCode;
  readonly message: string;
}

export type LifecycleRefusal =
  | ({ readonly of: "runtime" } & RuntimeRefusal)
  | ({ readonly of: "extension" } & ExtensionRefusal)
  | ({ readonly of: "router" } & AgentRefusal);

export type Verdict = { readonly ok: true } | { readonly ok: false; readonly refusal: LifecycleRefusal };

export const accepted: Verdict = { ok: true };

export function refuseRuntime(refusal: RuntimeRefusal): Verdict {
  return { ok: false, refusal: { of: "runtime", ...refusal } };
}

export function refuseExtension(code: ExtensionRefusalCode, message: string): Verdict {
  return { ok: false, refusal: { of: "extension", code, message } };
}

export function refuseInvocation(refusal: AgentRefusal): Verdict {
  return { ok: false, refusal: { of: "router", ...refusal } };
}
