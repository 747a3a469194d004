import { request, type Dispatcher } from "undici";
import { accountIdOf } from "../../crds/names.ts";
import { readBody } from "../../lib/http/read-body.ts";

/** What the Invoke API answered. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Buffer;
}

export interface InvokeOptions {
  readonly namespace?: string;
  /** Default: as the account that may call every function. */
  readonly authorization?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Default 60,000. */
  readonly timeoutMs?: number;
  /** Whose connections are kept, as those of clients in production are. Default: a connection for each call. */
  readonly dispatcher?: Dispatcher;
}

let callerAuthorization = "";

/** As whom invoke() calls from now on. */
export function callAs(authorization: string): void {
  callerAuthorization = authorization;
}

/** The header of whoever invoke() calls as. */
export function authorizationOfCaller(): string {
  return callerAuthorization;
}

const mostBytes = 16 * 1024 * 1024;

/** One call, unless told on a connection of its own, so that calls spread over all routers. `payload` that is no Buffer goes as JSON. */
export async function invoke(
  routerUrl: string,
  name: string,
  payload: unknown,
  options: InvokeOptions = {},
): Promise<Answer> {
  const { namespace = "default", authorization = callerAuthorization, headers = {}, timeoutMs = 60_000 } = options;
  const target = namespace === "default" ? name : `${accountIdOf(namespace)}:function:${name}`;
  const response = await request(`${routerUrl}/2015-03-31/functions/${encodeURIComponent(target)}/invocations`, {
    method: "POST",
    headers: { "content-type": "application/json", ...(authorization !== "" && { authorization }), ...headers },
    body: Buffer.isBuffer(payload) ? payload : JSON.stringify(payload),
    ...(options.dispatcher === undefined ? { reset: true } : { dispatcher: options.dispatcher }),
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    signal: AbortSignal.timeout(timeoutMs),
  });
  const flat = Object.entries(response.headers).map(([key, value]) => [key, String(value)] as const);
  return {
    status: response.statusCode,
    headers: Object.fromEntries(flat),
    bytes: await readBody(response.body, mostBytes),
  };
}

/** The JSON of an answer that is no error; anything else throws with what came instead. */
export function resultOf(answer: Answer): unknown {
  const text = answer.bytes.toString();
  const functionError = answer.headers["x-amz-function-error"];
  if (answer.status !== 200 || functionError !== undefined) {
    throw new Error(`Cannot take the answer: status ${answer.status}, function error "${functionError}": ${text}`);
  }
  return JSON.parse(text);
}

/** The JSON of an answer, whatever its status. */
export function jsonOf({ bytes }: Answer): Readonly<Record<string, unknown>> {
  return JSON.parse(bytes.toString()) as Readonly<Record<string, unknown>>;
}
