import { Agent, request, type ClientRequest, type IncomingMessage } from "node:http";
import type { TelemetryDestination } from "../domain/telemetry-subscription.ts";
import { loopback, type Delivery, type Destination } from "./delivery.ts";

/** What a listener says beside its status is read, not kept; more than this ends the connection. */
const maxAnswerBytes = 64 * 1024;

/** Sends batches as JSON arrays over one kept connection. A status below 400 acknowledges. */
export class HttpDestination implements Destination {
  readonly #destination: Extract<TelemetryDestination, { readonly protocol: "HTTP" }>;
  readonly #connection = new Agent({ keepAlive: true, maxSockets: 1 });

  constructor(destination: Extract<TelemetryDestination, { readonly protocol: "HTTP" }>) {
    this.#destination = destination;
  }

  async send(events: readonly string[], signal: AbortSignal): Promise<Delivery> {
    const body = Buffer.from(`[${events.join(",")}]`);
    for (;;) {
      const { delivery, wasStale } = await this.#attempt(body, signal);
      if (!wasStale || signal.aborted) return delivery;
    }
  }

  close(): void {
    this.#connection.destroy();
  }

  /** `wasStale`: the kept connection was closed by the listener just before. */
  #attempt(body: Buffer, signal: AbortSignal): Promise<{ delivery: Delivery; wasStale: boolean }> {
    const { promise, resolve } = Promise.withResolvers<{ delivery: Delivery; wasStale: boolean }>();
    const sent = this.#begin(body, signal);
    let delivery: Delivery = "unreachable";
    let hasAnswered = false;
    sent.once("response", (response) => {
      hasAnswered = true;
      delivery = (response.statusCode ?? 500) < 400 ? "taken" : "refused";
      drain(response);
    });
    sent.on("error", () => undefined); // "close" follows
    sent.once("close", () => resolve({ delivery, wasStale: !hasAnswered && sent.reusedSocket }));
    sent.end(body);
    return promise;
  }

  #begin(body: Buffer, signal: AbortSignal): ClientRequest {
    const { host, port, path, method } = this.#destination;
    const headers = {
      Host: `${host}:${port}`,
      "Content-Type": "application/json",
      "Content-Length": body.length,
    };
    return request({ host: loopback, port, path, method, headers, signal, agent: this.#connection });
  }
}

function drain(response: IncomingMessage): void {
  let bytes = 0;
  response.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > maxAnswerBytes) response.destroy();
  });
  response.on("error", () => undefined);
}
