/** The calls of the two APIs, as the scripts make them. */
import type { Body, Call } from "./script.ts";
import type { Pairs } from "./stage.ts";

const runtimeRoot = "/2018-06-01";
const extensionRoot = "/2020-01-01/extension";

interface Sent {
  readonly headers?: Pairs;
  readonly isChunked?: boolean;
  readonly trailers?: Pairs;
}

export const get = (path: string): Call => ({ method: "GET", path });
export const next: Call = get(`${runtimeRoot}/runtime/invocation/next`);
export const restoreNext: Call = get(`${runtimeRoot}/runtime/restore/next`);
export const restoreError: Call = { method: "POST", path: `${runtimeRoot}/runtime/restore/error`, body: "{}" };
export const response = (body: Body, sent: Sent = {}, id = "{request}"): Call => ({
  method: "POST",
  path: `${runtimeRoot}/runtime/invocation/${id}/response`,
  body,
  ...sent,
});
export const error = (body: Body, sent: Sent = {}, id = "{request}"): Call => ({
  method: "POST",
  path: `${runtimeRoot}/runtime/invocation/${id}/error`,
  body,
  ...sent,
});
export const initError = (body: Body, headers: Pairs = []): Call => ({
  method: "POST",
  path: `${runtimeRoot}/runtime/init/error`,
  body,
  headers,
});

/** `name` is what the header says; absent: no header. */
export const register = (name: string | undefined, body: Body, headers: Pairs = []): Call => ({
  method: "POST",
  path: `${extensionRoot}/register`,
  body,
  headers: [...(name === undefined ? [] : [["lambda-extension-name", name] as const]), ...headers],
});
const identified = (id: string | undefined): Pairs => (id === undefined ? [] : [["lambda-extension-identifier", id]]);
/** `id` is what the header says; absent: no header. */
export const eventNext = (id: string | undefined): Call => ({
  method: "GET",
  path: `${extensionRoot}/event/next`,
  headers: identified(id),
});
export const extensionError = (
  kind: "init" | "exit",
  id: string | undefined,
  type?: string,
  body: Body = "",
): Call => ({
  method: "POST",
  path: `${extensionRoot}/${kind}/error`,
  body,
  headers: [
    ...identified(id),
    ...(type === undefined ? [] : [["lambda-extension-function-error-type", type] as const]),
  ],
});
