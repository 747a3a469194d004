/** An extension that a test plays itself, as code inside the runtime: it registers, subscribes and asks for events. */
import { Agent } from "node:http";
import { exchange, type Exchange } from "./exchange.ts";
import { subscriptionTo, telemetryPath } from "./telemetry-world.ts";
import type { TelemetryListener } from "./telemetry-listener.ts";

export class TelemetryExtension {
  readonly #address: string;
  readonly #connections = new Agent({ keepAlive: true });
  readonly #name: string;
  #id = "";

  constructor(address: string, name: string) {
    this.#address = address;
    this.#name = name;
  }

  async register(events: readonly string[] = ["INVOKE"]): Promise<void> {
    const headers = { "Lambda-Extension-Name": this.#name };
    const body = JSON.stringify({ events });
    const answer = await exchange(this.#address, "/2020-01-01/extension/register", { method: "POST", headers, body });
    if (answer.status !== 200) throw new Error(`Cannot register: ${answer.body.toString()}`);
    this.#id = String(answer.headers["lambda-extension-identifier"]);
  }

  async next(): Promise<Exchange> {
    return await this.#call("/2020-01-01/extension/event/next");
  }

  /** To all types, sent as soon as may be, unless `members` say otherwise. */
  async subscribe(listener: TelemetryListener, members: Readonly<Record<string, unknown>> = {}): Promise<Exchange> {
    const body = JSON.stringify({ ...subscriptionTo(listener), ...members });
    return await this.#call(telemetryPath, { method: "PUT", body });
  }

  async #call(path: string, options: { readonly method?: string; readonly body?: string } = {}): Promise<Exchange> {
    const headers = { "Lambda-Extension-Identifier": this.#id };
    return await exchange(this.#address, path, { ...options, headers, agent: this.#connections });
  }
}

/** Subscribes with long batches, prints what it hears, asks for its next event once it has heard of the last one's end. */
export const listeningExtension = `#!${process.execPath}
const http = require("node:http");
const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const call = (method, path, headers, body) => new Promise((resolve) => {
  const sent = http.request({ host, port, method, path, headers }, (answer) => {
    let text = "";
    answer.on("data", (chunk) => (text += chunk));
    answer.on("end", () => resolve({ headers: answer.headers, body: text }));
  });
  sent.end(body);
});
const server = http.createServer((request, response) => {
  let text = "";
  request.on("data", (chunk) => (text += chunk));
  request.on("end", () => {
    for (const event of JSON.parse(text)) console.log("heard " + JSON.stringify(event));
    response.end();
  });
});
server.listen(0, "127.0.0.1", async () => {
  const registered = await call("POST", "/2020-01-01/extension/register", { "Lambda-Extension-Name": "ear.js" }, '{"events":["INVOKE","SHUTDOWN"]}');
  const headers = { "Lambda-Extension-Identifier": registered.headers["lambda-extension-identifier"] };
  const destination = { protocol: "HTTP", URI: "http://sandbox.localdomain:" + server.address().port };
  await call("PUT", "/2022-07-01/telemetry", headers, JSON.stringify({ schemaVersion: "2022-12-13", types: ["platform", "function"], destination, buffering: { timeoutMs: 30000 } }));
  for (;;) {
    const event = JSON.parse((await call("GET", "/2020-01-01/extension/event/next", headers)).body);
    console.log("event " + event.eventType);
    if (event.eventType === "SHUTDOWN") process.exit(0);
  }
});
`;
