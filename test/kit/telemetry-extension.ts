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
