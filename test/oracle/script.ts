/** What is done to the emulator and to the agent alike: steps as data, played one after another. */
import type { Pairs } from "./stage.ts";

/** Body of a call: text, or so many bytes of one letter. */
export type Body = string | { readonly bytes: number };

export interface Call {
  readonly method: string;
  /** Whole path; `{request}` stands for the latest event's request id, `{id <role>}` for an extension's identifier. Likewise in headers. */
  readonly path: string;
  readonly headers?: Pairs;
  readonly body?: Body;
  readonly isChunked?: boolean;
  readonly trailers?: Pairs;
}

export interface Invocation {
  readonly payload: string;
  readonly headers?: Pairs;
}

/** `name` of what is begun, by which a later step waits for it; a role names a scripted process: `runtime` or an extension's file name. */
export type Step =
  | { readonly do: "starts"; readonly role: string; readonly nth: number; readonly limitMs?: number }
  | { readonly do: "invoke"; readonly name: string; readonly invocation: Invocation }
  | { readonly do: "call"; readonly role: string; readonly call: Call }
  | { readonly do: "begin"; readonly role: string; readonly name: string; readonly call: Call }
  | { readonly do: "raw"; readonly role: string; readonly text: string }
  | { readonly do: "exit"; readonly role: string; readonly status: number }
  | { readonly do: "kill"; readonly role: string; readonly signal: string }
  | { readonly do: "ends"; readonly role: string }
  | { readonly do: "finish"; readonly name: string }
  | { readonly do: "variables"; readonly role: string; readonly names: readonly string[] };

export interface Script {
  /** Names the script in the list of differences. */
  readonly title: string;
  /** File names of scripted extensions; `{ file, text }`: one whose text is given. */
  readonly extensions?: readonly (string | { readonly file: string; readonly text: string; readonly mode?: number })[];
  /** Default: `facts.timeoutSeconds`. */
  readonly timeoutSeconds?: number;
  /** Without it the script's runtime is the scripted one. */
  readonly bootstrap?: { readonly text: string; readonly mode: number };
  readonly steps: readonly Step[];
}

export const starts = (role: string, nth = 1): Step => ({ do: "starts", role, nth });
export const invoke = (name: string, payload = "{}", headers: Pairs = []): Step => ({
  do: "invoke",
  name,
  invocation: { payload, headers },
});
export const finish = (name: string): Step => ({ do: "finish", name });
export const call = (role: string, call: Call): Step => ({ do: "call", role, call });
export const begin = (role: string, name: string, call: Call): Step => ({ do: "begin", role, name, call });
export const raw = (role: string, text: string): Step => ({ do: "raw", role, text });
export const exit = (role: string, status: number): Step => ({ do: "exit", role, status });
export const kill = (role: string, signal: string): Step => ({ do: "kill", role, signal });
export const ends = (role: string): Step => ({ do: "ends", role });
export const variables = (role: string, ...names: readonly string[]): Step => ({ do: "variables", role, names });

/** What a step is called in transcripts and in the list of differences. */
export function describeStep(step: Step): string {
  switch (step.do) {
    case "starts":
      return `${step.role} starts (${step.nth})`;
    case "invoke":
      return `invoke ${step.name}`;
    case "call":
      return `${step.role}: ${step.call.method} ${step.call.path}`;
    case "begin":
      return `${step.role} begins ${step.name}: ${step.call.method} ${step.call.path}`;
    case "raw":
      return `${step.role}: ${step.text.split("\r\n", 1)[0]} as bytes`;
    case "exit":
      return `${step.role} exits with ${step.status}`;
    case "kill":
      return `${step.role} gets ${step.signal}`;
    case "ends":
      return `${step.role} ends`;
    case "finish":
      return `${step.name} is answered`;
    case "variables":
      return `variables of ${step.role}`;
  }
}
