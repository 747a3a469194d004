/** What every client is asked to do, and what one may answer: data, so that clients differ in tables alone. */
import type { EnvironmentDocument } from "../../crds/wire/environment.ts";
import { MAX_PAYLOAD_BYTES } from "../../runtime-proxy/domain/function-error.ts";

/** One invocation of a fresh environment. */
export interface Stimulus {
  readonly title: string;
  /** Bytes go as they are, all else as JSON. */
  readonly event: object | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
  readonly document?: Partial<EnvironmentDocument>;
}

/** `process`: whether the runtime that did so serves the next event too. */
export type Expected =
  /** Deep equal to the payload's JSON; a Buffer to its bytes. */
  | { readonly answers: unknown; readonly contentType?: string }
  /** What the client has said itself. `members`: of the body, in their order; absent: those of the client's errors. */
  | {
      readonly clientError: string | RegExp;
      readonly message: string | RegExp;
      readonly members?: readonly string[];
      readonly process: "stays" | "anew";
    }
  /** What the platform says of it: errorType and errorMessage after "RequestId: … Error: ". */
  | { readonly platformError: string; readonly message: string }
  | { readonly tooLarge: true; readonly process: "stays" | "anew" };

const padded = (bytes: number): Buffer => {
  const [before, after] = ['{"act":"measure","pad":"', '"}'];
  return Buffer.from(before + "x".repeat(bytes - before.length - after.length) + after);
};
const greeting = { text: "grüße, 世界 €", list: [1, 2.5, null, true], deep: { er: "x" } };

const init = (how: string): Partial<EnvironmentDocument> => ({ variables: { CLIENT_INIT: how } });

/** In an init that fails, each call fails alike (lifecycle 34). */
export const stimuli = {
  success: { title: "answers (JSON in, JSON out)", event: { act: "echo", value: greeting } },
  nothing: { title: "answers nothing", event: { act: "nothing" } },
  error: { title: "lifecycle 1: throws", event: { act: "throw" } },
  initError: { title: "throws in init", event: { act: "pid" }, document: init("throw") },
  initExit: { title: "lifecycle 8: exits in init", event: { act: "pid" }, document: init("exit") },
  exit0: { title: "lifecycle 5: exits with 0", event: { act: "exit", status: 0 } },
  exit3: { title: "lifecycle 6: exits with 3", event: { act: "exit", status: 3 } },
  kill: { title: "lifecycle 7: is killed", event: { act: "kill" } },
  timeout: { title: "lifecycle 2: sleeps past its timeout", event: { act: "sleep" }, document: { timeoutSeconds: 2 } },
  largestIn: { title: "runtime-api 13: takes the largest event", event: padded(MAX_PAYLOAD_BYTES) },
  largestOut: {
    title: "runtime-api 13: gives the largest answer",
    event: { act: "repeat", count: MAX_PAYLOAD_BYTES - 2 },
  },
  tooLarge: {
    title: "runtime-api 14, 15, lifecycle 21: gives an answer that is one byte too large",
    event: { act: "repeat", count: MAX_PAYLOAD_BYTES - 1 },
  },
  recursion: { title: "recurses without end", event: { act: "recurse" } },
} as const satisfies Record<string, Stimulus>;

export type Behaviour = keyof typeof stimuli;

/** What is so whatever the client. */
export const commonExpectations = {
  success: { answers: greeting },
  nothing: { answers: null },
  initExit: { platformError: "Runtime.ExitError", message: "Runtime exited with error: exit status 3" },
  exit0: { platformError: "Runtime.ExitError", message: "Runtime exited without providing a reason" },
  exit3: { platformError: "Runtime.ExitError", message: "Runtime exited with error: exit status 3" },
  kill: { platformError: "Runtime.ExitError", message: "Runtime exited with error: signal: killed" },
  timeout: { platformError: "Sandbox.Timedout", message: "Task timed out after 2.00 seconds" },
  largestIn: { answers: MAX_PAYLOAD_BYTES - '{"act":"measure","pad":""}'.length },
  largestOut: { answers: "x".repeat(MAX_PAYLOAD_BYTES - 2) },
  tooLarge: { tooLarge: true, process: "stays" },
} as const satisfies Partial<Record<Behaviour, Expected>>;
