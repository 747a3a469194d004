/** Two ways to play a runtime: calls that a test makes itself, and the text of a program that the supervisor starts. */
import { AgentEnvironment, type EnvironmentOptions } from "./agent-environment.ts";
import { exchange, keptConnections, type Exchange, type ExchangeOptions } from "./exchange.ts";

const root = "/2018-06-01";

/** Calls of the Runtime API, one connection kept as real clients do. */
export class ScriptedRuntime {
  readonly #address: string;
  readonly #connections = keptConnections();

  constructor(address: string) {
    this.#address = address;
  }

  async call(path: string, options: ExchangeOptions = {}): Promise<Exchange> {
    return await exchange(this.#address, `${root}${path}`, { agent: this.#connections, ...options });
  }

  async next(signal?: AbortSignal): Promise<Exchange> {
    return await this.call("/runtime/invocation/next", signal && { signal });
  }

  async respond(requestId: string, body: Uint8Array | string, options: ExchangeOptions = {}): Promise<Exchange> {
    return await this.call(`/runtime/invocation/${requestId}/response`, { method: "POST", body, ...options });
  }

  async fail(requestId: string, body: string, headers: Readonly<Record<string, string>> = {}): Promise<Exchange> {
    return await this.call(`/runtime/invocation/${requestId}/error`, { method: "POST", body, headers });
  }

  async failInit(body: string, headers: Readonly<Record<string, string>> = {}): Promise<Exchange> {
    return await this.call("/runtime/init/error", { method: "POST", body, headers });
  }

  /** Takes the next event and answers it. */
  async serve(body: Uint8Array | string, options: ExchangeOptions = {}): Promise<Exchange> {
    return await this.respond(requestIdOf(await this.next()), body, options);
  }
}

export function requestIdOf(event: Exchange): string {
  return String(event.headers["lambda-runtime-aws-request-id"]);
}

export interface PlayedEnvironment {
  readonly environment: AgentEnvironment;
  readonly runtime: ScriptedRuntime;
}

/** An environment in init whose runtime the test plays. */
export async function startPlayed(options: EnvironmentOptions = {}): Promise<PlayedEnvironment> {
  const environment = await AgentEnvironment.start({ ...options, isUnwatched: true });
  await environment.printed("the runtime runs");
  return { environment, runtime: new ScriptedRuntime(environment.agent.runtimeApi) };
}

/** Waits until everybody knows that the environment takes invocations, which needs a `next` under way. */
export async function whenReady({ environment }: PlayedEnvironment): Promise<void> {
  await environment.router.announced(({ state }) => state === "ready");
}

/**
 * A bootstrap in JavaScript. It has `next()`, giving `{ id, headers, body }`, `respond(id, text)`, `fail(id, text)`, `failInit(text)`,
 * each settled when the API has answered, and `fs`.
 */
export function runtimeProgram(script: string): string {
  return `#!${process.execPath}
const fs = require("node:fs");
const http = require("node:http");
const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true });
const call = (method, path, body) => new Promise((resolve, reject) => {
  const sent = http.request({ host, port, agent, method, path: "${root}/runtime/" + path }, (answer) => {
    const chunks = [];
    answer.on("data", (chunk) => chunks.push(chunk));
    answer.on("end", () => resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(chunks).toString() }));
  });
  sent.on("error", reject);
  sent.end(body);
});
const next = async () => {
  const event = await call("GET", "invocation/next");
  return { id: event.headers["lambda-runtime-aws-request-id"], ...event };
};
const respond = (id, text) => call("POST", "invocation/" + id + "/response", text);
const fail = (id, text) => call("POST", "invocation/" + id + "/error", text);
const failInit = (text) => call("POST", "init/error", text);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
(async () => {
${script}
})();
`;
}
