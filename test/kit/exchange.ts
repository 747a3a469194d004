/** One HTTP call of a test over a kept connection, with everything that came back. */
import { Agent, request, type IncomingHttpHeaders } from "node:http";

export interface Exchange {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** In lower case, as they came after a chunked body. */
  readonly trailers: Readonly<NodeJS.Dict<string>>;
  /** Local port of the connection: two calls with the same one shared it. */
  readonly localPort: number;
}

export interface ExchangeOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  /** Sent after the body, which then goes in chunks. */
  readonly trailers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  readonly agent?: Agent;
}

export const keptConnections = (): Agent => new Agent({ keepAlive: true });

/** `address` is `host:port`. Rejects when the connection breaks or the signal is aborted. */
export async function exchange(address: string, path: string, options: ExchangeOptions = {}): Promise<Exchange> {
  const { method = "GET", headers = {}, body, trailers, signal, agent } = options;
  const [host, port] = address.split(":");
  const { promise, resolve, reject } = Promise.withResolvers<Exchange>();
  const isChunked = trailers !== undefined || "transfer-encoding" in headers;
  const length = body === undefined || isChunked ? {} : { "content-length": Buffer.byteLength(body) };
  const sent = request(
    { host, port, method, path, headers: { ...length, ...headers }, ...(signal && { signal }), agent: agent ?? false },
    (response) => {
      const chunks: Buffer[] = [];
      const localPort = response.socket.localPort ?? 0;
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks),
          trailers: response.trailers,
          localPort,
        }),
      );
    },
  );
  sent.on("error", reject);
  if (trailers !== undefined) {
    sent.write(body ?? "");
    sent.addTrailers({ ...trailers });
    sent.end();
  } else sent.end(body);
  return await promise;
}
