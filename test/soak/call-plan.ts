import { pickWeighted, type Draw } from "./draw.ts";

/** What a call asks of its function; the functions of soak-functions.ts know these words. */
export type Act = "echo" | "wait" | "throw" | "exit" | "hang" | "stray";

/** The payload of one call: no two are alike. */
export interface SoakEvent {
  readonly call: number;
  readonly act: Act;
  readonly waitMs: number;
  readonly padding: string;
}

export interface CallPlan {
  readonly functionName: string;
  readonly event: SoakEvent;
}

/** How often each act is asked for. A hang costs its caller the function's whole time. */
const weights: Readonly<Record<Act, number>> = { echo: 70, wait: 12, throw: 8, exit: 4, hang: 1, stray: 5 };
const longestWaitMs = 300;
const longestPadding = 16_384;

export function planCall(draw: Draw, call: number, functionNames: readonly string[]): CallPlan {
  const functionName = functionNames[Math.floor(draw() * functionNames.length)] ?? "";
  const act = pickWeighted(draw, weights);
  const waitMs = act === "wait" ? Math.floor(draw() * longestWaitMs) : 0;
  // Few are long: most calls of a soak shall be many.
  const padding = `${call};`.repeat(Math.floor((draw() ** 8 * longestPadding) / `${call};`.length));
  return { functionName, event: { call, act, waitMs, padding } };
}
