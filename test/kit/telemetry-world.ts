/** The Telemetry API as the agent serves it, without the rest of the agent: the test is the lifecycle and the supervisor. */
import { systemClock, type Clock } from "../../lib/clock.ts";
import { NodeServer } from "../../runtime-proxy/runtime-api/node.ts";
import { EnvironmentLog, type EnvironmentLogParts } from "../../runtime-proxy/telemetry-api/environment-log.ts";
import { telemetryApi } from "../../runtime-proxy/telemetry-api/server.ts";
import { exchange, type Exchange, type ExchangeOptions } from "./exchange.ts";
import type { TelemetryListener } from "./telemetry-listener.ts";

export interface TelemetryWorld {
  readonly log: EnvironmentLog;
  /** What the container's log got. */
  readonly written: readonly string[];
  readonly warnings: readonly object[];
  readonly put: (path: string, body: unknown, options?: ExchangeOptions) => Promise<Exchange>;
  /** Subscribes the extension `x` for these types, by HTTP unless told otherwise; throws when that is refused. */
  readonly subscribe: (listener: TelemetryListener, members?: Readonly<Record<string, unknown>>) => Promise<void>;
  readonly stop: () => Promise<void>;
}

export const telemetryPath = "/2022-07-01/telemetry";
export const logsPath = "/2020-08-15/logs";
/** Of the extension `x`; `y` has `identifierOf("y")`. */
export const identifierOf = (name: string): string => `0000000${name === "x" ? 1 : 2}-0000-4000-8000-000000000000`;

export async function startTelemetry(
  document: EnvironmentLogParts["document"] = { logFormat: "Text" },
  clock: Clock = systemClock,
): Promise<TelemetryWorld> {
  const written: string[] = [];
  const warnings: object[] = [];
  const log = new EnvironmentLog({
    document,
    write: (text) => void written.push(text),
    clock,
    draw: () => 0,
    agentLog: (_level, _message, fields = {}) => void warnings.push(fields),
  });
  const server = new NodeServer({
    handle: telemetryApi({
      identify: ({ headers }) => {
        const name = ["x", "y"].find((known) => identifierOf(known) === headers["lambda-extension-identifier"]);
        if (name !== undefined) return { ok: true, extension: { id: identifierOf(name), name } };
        return { ok: false, answer: { status: 403, body: "unknown" } };
      },
      subscribe: (extension, subscription) => log.subscribe(extension, subscription),
      reservedPorts: () => [9001],
    }),
    isQuick: () => true,
    maxHeaderBytes: 16_384,
    maxConnections: 16,
    headersTimeoutMs: 0,
    requestTimeoutMs: 0,
    answerTimeoutMs: 0,
    onFault: (error) => {
      throw error;
    },
    clock: systemClock,
  });
  const { port } = await server.listen("127.0.0.1", 0);
  const put: TelemetryWorld["put"] = async (path, body, options = {}) =>
    await exchange(`127.0.0.1:${port}`, path, {
      method: "PUT",
      body: typeof body === "string" ? body : JSON.stringify(body),
      ...options,
      headers: { "Lambda-Extension-Identifier": identifierOf("x"), ...options.headers },
    });
  return {
    log,
    written,
    warnings,
    put,
    subscribe: async (listener, members = {}) => {
      const answer = await put(telemetryPath, { ...subscriptionTo(listener), ...members });
      if (answer.status !== 200) throw new Error(`Cannot subscribe: ${answer.body.toString()}`);
    },
    stop: async () => {
      log.reset();
      await server.close(0);
    },
  };
}

/** All types by HTTP, sent as soon as may be. */
export function subscriptionTo({ port }: Pick<TelemetryListener, "port">): Readonly<Record<string, unknown>> {
  return {
    schemaVersion: "2022-12-13",
    types: ["platform", "function", "extension"],
    destination: { protocol: "HTTP", URI: `http://sandbox.localdomain:${port}` },
    buffering: { timeoutMs: 25 },
  };
}
