/** Calls of the Extensions API. */
import { MAX_EXTENSIONS, startRuntime } from "./init.ts";
import type { LifecycleInput } from "./input.ts";
import { deliver, type Life } from "./life.ts";
import type { ExtensionSeen, LifecycleState } from "./state.ts";
import { accepted, refuseExtension, type Verdict } from "./verdict.ts";
import { moveExtension, type ExtensionMove } from "../extension-state.ts";

type Registration = Extract<LifecycleInput, { readonly type: "register" }>;

/** A name that is a file's is the external extension of that file, any other one an internal extension. */
export function onRegister(life: Life, registration: Registration): Verdict {
  const { extensions, phase } = life.state;
  const external = extensions.find(({ kind, name }) => kind === "external" && name === registration.name);
  if (external === undefined) return registerInternal(life, registration);
  if (phase !== "Init" && external.state === "Started") return closed;
  const verdict = move(external, "register", external.name);
  if (!verdict.ok) return verdict;
  external.id = registration.id;
  external.events = registration.events;
  startRuntime(life);
  return accepted;
}

const closed = refuseExtension("Extension.RegistrationClosed", "Extension registration closed already");

/** Until the runtime has asked for its first event. */
function registerInternal({ state }: Life, { name, events, id }: Registration): Verdict {
  if (events.includes("SHUTDOWN")) {
    const message = "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension";
    return refuseExtension("Extension.InvalidEventType", message);
  }
  if (state.phase !== "Init" || state.runtime.state !== "Started") return closed;
  if (state.extensions.some((extension) => extension.name === name)) {
    return refuseExtension("Extension.InvalidExtensionState", "Extension with this name already registered");
  }
  if (state.extensions.length >= MAX_EXTENSIONS) {
    return refuseExtension("Extension.TooManyExtensions", `Extension limit (${MAX_EXTENSIONS}) reached`);
  }
  state.extensions.push({
    name,
    kind: "internal",
    id,
    state: "Registered",
    events,
    process: 0,
    hasProcess: false,
    isPolling: false,
    pending: undefined,
    errorType: undefined,
  });
  return accepted;
}

/** A second `next` is refused while the first one waits, and taken when that one's connection has gone. */
export function onExtensionNext(life: Life, id: string): Verdict {
  const { state } = life;
  const extension = find(state, id);
  if (extension === undefined) return unknown(`Unknown extension ${id}`);
  if (extension.state !== "Ready" || extension.isPolling) {
    const verdict = move(extension, "next", id);
    if (!verdict.ok) return verdict;
  }
  extension.isPolling = true;
  if (extension.pending !== undefined) deliver(life, extension, extension.pending);
  return accepted;
}

/** Only recorded: that the process ends afterwards is what fails. */
export function onExtensionError({ state }: Life, call: "initError" | "exitError", id: string): Verdict {
  const extension = find(state, id);
  if (extension === undefined) return unknown("Unknown Lambda-Extension-Identifier");
  return move(extension, call, id);
}

export function onExtensionPollGone({ state }: Life, id: string): void {
  const extension = find(state, id);
  if (extension !== undefined) extension.isPolling = false;
}

function find({ extensions, shutdown, phase }: LifecycleState, id: string): ExtensionSeen | undefined {
  if (shutdown?.stage === "killing" || phase === "Ended" || id === "") return undefined;
  return extensions.find((extension) => extension.id === id);
}

function unknown(message: string): Verdict {
  return refuseExtension("Extension.UnknownExtensionIdentifier", message);
}

function move(extension: ExtensionSeen, name: ExtensionMove, whom: string): Verdict {
  const moved = moveExtension(extension.state, name, whom);
  if (!moved.ok) return refuseExtension("Extension.InvalidExtensionState", moved.message);
  extension.state = moved.state;
  return accepted;
}
