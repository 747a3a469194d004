/** Two ways to play an extension: calls that a test makes itself, and the text of a program that a supervisor starts. */
import { exchange, type Exchange } from "./exchange.ts";

const root = "/2020-01-01/extension";

/** A file that says that it runs and then nothing: the test speaks the Extensions API in its place. */
export const silentExtension = '#!/bin/sh\necho "extension $(basename "$0") runs"\nexec sleep 1000\n';

/** Calls of the Extensions API, a connection each. */
export class ScriptedExtension {
  readonly #address: string;
  readonly #name: string;
  id = "";

  constructor(address: string, name: string) {
    this.#address = address;
    this.#name = name;
  }

  async register(body: object | string, headers: Readonly<Record<string, string>> = {}): Promise<Exchange> {
    const answer = await exchange(this.#address, `${root}/register`, {
      method: "POST",
      headers: { "lambda-extension-name": this.#name, ...headers },
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
    this.id = String(answer.headers["lambda-extension-identifier"] ?? this.id);
    return answer;
  }

  async next(signal?: AbortSignal): Promise<Exchange> {
    const headers = { "lambda-extension-identifier": this.id };
    return await exchange(this.#address, `${root}/event/next`, { headers, ...(signal && { signal }) });
  }

  /** `call`: `init` or `exit`. */
  async reportError(call: "init" | "exit", type?: string): Promise<Exchange> {
    const headers = {
      "lambda-extension-identifier": this.id,
      ...(type !== undefined && { "lambda-extension-function-error-type": type }),
    };
    return await exchange(this.#address, `${root}/${call}/error`, { method: "POST", body: "{}", headers });
  }
}

/**
 * A program in JavaScript. It has `register(events)`, `next()` giving the event's body, `reportError("init" | "exit")`, `name`, `sleep` and `fs`;
 * the calls throw unless they are accepted.
 */
export function extensionProgram(script: string): string {
  return `#!${process.execPath}
const fs = require("node:fs");
const http = require("node:http");
const path = require("node:path");
const name = path.basename(process.argv[1]);
const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true });
let id;
const call = (method, path, headers, body) => new Promise((resolve, reject) => {
  const sent = http.request({ host, port, agent, method, path: "${root}/" + path, headers }, (answer) => {
    const chunks = [];
    answer.on("data", (chunk) => chunks.push(chunk));
    answer.on("end", () => {
      const text = Buffer.concat(chunks).toString();
      if (answer.statusCode >= 300) reject(new Error(text));
      else resolve({ headers: answer.headers, body: JSON.parse(text) });
    });
  });
  sent.on("error", reject);
  sent.end(body);
});
const register = async (events) => {
  const { headers } = await call("POST", "register", { "Lambda-Extension-Name": name }, JSON.stringify({ events }));
  id = headers["lambda-extension-identifier"];
};
const next = async () => (await call("GET", "event/next", { "Lambda-Extension-Identifier": id })).body;
const reportError = (when) =>
  call("POST", when + "/error", { "Lambda-Extension-Identifier": id, "Lambda-Extension-Function-Error-Type": "Mine.Broken" }, "{}");
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
(async () => {
${script}
})();
`;
}
