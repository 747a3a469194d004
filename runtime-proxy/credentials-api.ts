/** Credentials of the function's service account, in the form that AWS SDKs ask a container's agent for. Source: AWS SDKs and tools reference guide, container credential provider. */
import { timingSafeEqual } from "node:crypto";
import { request } from "node:http";
import type { FunctionCredentials } from "../crds/wire/credentials.ts";
import { routes } from "../crds/wire/routes.ts";
import type { Clock } from "../lib/clock.ts";
import type { AgentLog } from "./agent-log.ts";
import { headerOf, type AgentHandler, type AgentResponse } from "./runtime-api/exchange.ts";

export const CREDENTIALS_PATH = "/2026-11-25/credentials";

export interface CredentialsApiParts {
  /** `http://host:port`; a host may stand for several routers, any of which will do. */
  readonly routerUrls: readonly string[];
  /** The service account token for routers, as it is now: it rotates. */
  readonly readToken: () => Promise<string>;
  /** What a caller has to send as `authorization`. */
  readonly password: string;
  readonly clock: Clock;
  readonly agentLog: AgentLog;
}

/** Credentials hold for an hour; SDKs renew what has less than 15 minutes left. */
const leastLeftMs = 20 * 60_000;
const attemptLimitMs = 3_000;
const longestBytes = 16 * 1024;

/** Gives what routers gave last, while it holds for long enough, and asks for new ones then: nothing is asked before the first SDK asks. */
export function credentialsApi(parts: CredentialsApiParts): AgentHandler {
  let last: FunctionCredentials | undefined;
  let asking: Promise<FunctionCredentials> | undefined;
  const leftMs = (): number => (last === undefined ? 0 : Date.parse(last.Expiration) - parts.clock.nowMs());
  const renew = async (): Promise<FunctionCredentials> => {
    try {
      last = await askRouters(parts);
      return last;
    } finally {
      asking = undefined;
    }
  };
  return async (call) => {
    if (call.method !== "GET") return refusal(405, "MethodNotAllowed", "right is GET");
    if (!isSame(headerOf(call, "authorization") ?? "", parts.password)) {
      return refusal(401, "Unauthorized", "right is the value of AWS_CONTAINER_AUTHORIZATION_TOKEN");
    }
    if (last !== undefined && leftMs() > leastLeftMs) return credentialsAnswer(last);
    try {
      return credentialsAnswer(await (asking ??= renew()));
    } catch (error) {
      if (last !== undefined && leftMs() > 0) return credentialsAnswer(last);
      const problem = error instanceof Error ? error.message : String(error);
      parts.agentLog("warn", `Cannot get credentials: ${problem}`);
      return refusal(503, "Unavailable", "no router gives any now");
    }
  };
}

async function askRouters({ routerUrls, readToken }: CredentialsApiParts): Promise<FunctionCredentials> {
  const token = (await readToken()).trim();
  let failure: unknown = new Error("there is no router");
  for (const url of routerUrls) {
    try {
      return await post(url, token);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

async function post(url: string, token: string): Promise<FunctionCredentials> {
  const { promise, resolve, reject } = Promise.withResolvers<FunctionCredentials>();
  const sent = request(new URL(routes.credentials, url), {
    method: "POST",
    agent: false,
    signal: AbortSignal.timeout(attemptLimitMs),
    headers: { authorization: `Bearer ${token}`, "content-length": 0 },
  });
  sent.once("response", (response) => {
    let text = "";
    response.setEncoding("utf8");
    response.on("data", (chunk: string) => {
      text += chunk;
      if (text.length > longestBytes) response.destroy(new Error("the answer is too long"));
    });
    response.on("error", reject);
    response.on("end", () => {
      const credentials = response.statusCode === 200 ? parse(text) : undefined;
      if (credentials !== undefined) resolve(credentials);
      else reject(new Error(`status ${response.statusCode}, right is 200 with credentials`));
    });
  });
  sent.on("error", reject);
  sent.end();
  return await promise;
}

function isSame(given: string, right: string): boolean {
  const [one, other] = [Buffer.from(given), Buffer.from(right)];
  return one.length === other.length && timingSafeEqual(one, other);
}

function parse(text: string): FunctionCredentials | undefined {
  try {
    return JSON.parse(text) as FunctionCredentials;
  } catch {
    return undefined;
  }
}

function credentialsAnswer(credentials: FunctionCredentials): AgentResponse {
  return { status: 200, headers: { "Content-Type": "application/json" }, body: JSON.stringify(credentials) };
}

function refusal(status: number, code: string, problem: string): AgentResponse {
  const body = JSON.stringify({ code, message: `Cannot give credentials: ${problem}` });
  return { status, headers: { "Content-Type": "application/json" }, body };
}
