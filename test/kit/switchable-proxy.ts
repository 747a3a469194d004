import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream";

export interface SwitchableProxy {
  readonly url: string;
  /** Where requests go from now on. */
  target: string;
  stop(): Promise<void>;
}

/** Stands for a Service: requests go where it leads at the moment. */
export async function startSwitchableProxy(target: string): Promise<SwitchableProxy> {
  const proxy = { target };
  const server = createServer((incoming, outgoing) => {
    const { method = "GET", url = "/", headers } = incoming;
    const passed = request(`${proxy.target}${url}`, { method, headers }, (answer) => {
      // Whoever asked has gone.
      if (outgoing.destroyed) return void answer.destroy();
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      pipeline(answer, outgoing, () => undefined);
    });
    passed.once("error", () => outgoing.destroy());
    pipeline(incoming, passed, () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return Object.assign(proxy, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  });
}
