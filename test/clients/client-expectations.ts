import type { Behaviour, Expected, Stimulus } from "./behaviours.ts";

/** What one client does: where clients differ, and what only this one can be asked. Sources: the clients' own code, lifecycle.md 3. */
export interface ClientExpectations {
  /** Content type of an ordinary answer. */
  readonly contentType: string;
  /** Members of an error's body, in their order. */
  readonly errorMembers: readonly string[];
  /** runtime-api 33: so many calls one after another. */
  readonly calls: number;
  /** Over connections that are kept; otherwise one a call. */
  readonly keepsConnections: boolean;
  /** Members of the lines that act "log" leaves as JSON at level INFO; `<id>` stands for the request id. */
  readonly jsonLog: readonly object[];
  /** A part of what it leaves as text. */
  readonly textLog: string;
  readonly behaviours: Readonly<Record<Behaviour, Expected>>;
  readonly own: readonly (Stimulus & { readonly expected: Expected })[];
}

/** Its process ended by itself: "exit status 2", "signal: aborted". */
export const exited = (how: string): Expected => ({
  platformError: "Runtime.ExitError",
  message: `Runtime exited with error: ${how}`,
});
/** It tells so and ends; `members`: of the body, where they are not those of its errors. */
export const failsInit = (clientError: string, message: string | RegExp, members?: readonly string[]): Expected => ({
  clientError,
  message,
  process: "anew",
  ...(members && { members }),
});
