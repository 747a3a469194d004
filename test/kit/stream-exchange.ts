/** Streams over HTTP as a test sees them: an answer chunk by chunk, a request that is written as the test likes. */
import { request, type ClientRequest, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import { once } from "node:events";

export interface StreamOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface StreamedAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** The next chunk; undefined at the end. */
  readonly chunk: () => Promise<Buffer | undefined>;
  /** All that is left. */
  readonly rest: () => Promise<Buffer>;
  /** Complete after the end. */
  readonly trailers: () => NodeJS.Dict<string>;
  readonly message: IncomingMessage;
}

/** Settles when the head of the answer is there. */
export async function openStream(address: string, path: string, options: StreamOptions = {}): Promise<StreamedAnswer> {
  const { method = "POST", headers = {}, body = "" } = options;
  const [host, port] = address.split(":");
  const sent = request({
    host,
    port,
    method,
    path,
    agent: false,
    headers: { ...headers, "content-length": body.length },
  });
  sent.end(body);
  const [message] = (await once(sent, "response")) as [IncomingMessage];
  const chunks = message[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>;
  const chunk = async (): Promise<Buffer | undefined> => {
    const next = await chunks.next();
    return next.done === true ? undefined : next.value;
  };
  const rest = async (): Promise<Buffer> => {
    const all: Buffer[] = [];
    for (let next = await chunk(); next !== undefined; next = await chunk()) all.push(next);
    return Buffer.concat(all);
  };
  const trailers = (): NodeJS.Dict<string> => message.trailers;
  return { status: message.statusCode ?? 0, headers: message.headers, chunk, rest, trailers, message };
}

/** A POST in chunks that the test writes; `answer` settles with its status once it is answered, 0: the connection broke. */
export function beginPost(
  address: string,
  path: string,
  headers: Readonly<Record<string, string>>,
): { readonly sent: ClientRequest; readonly answer: Promise<number> } {
  const [host, port] = address.split(":");
  const sent = request({
    host,
    port,
    method: "POST",
    path,
    agent: false,
    headers: { "transfer-encoding": "chunked", ...headers },
  });
  const { promise, resolve } = Promise.withResolvers<number>();
  sent.on("response", (response) => {
    response.resume();
    response.once("end", () => resolve(response.statusCode ?? 0));
  });
  sent.on("error", () => resolve(0));
  sent.flushHeaders();
  return { sent, answer: promise };
}
