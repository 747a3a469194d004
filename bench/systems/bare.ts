import { fileURLToPath } from "node:url";
import type { ProcessGroup } from "../process-group.ts";
import type { System } from "./system.ts";

const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** A bare Node proxy in front of a bare Node server that runs the same handler. */
export async function startBareProxy(processes: ProcessGroup): Promise<System> {
  const server = await processes.start({ argv: [process.execPath, file("./bare-server.cjs")] }, true);
  const { port: serverPort } = await server.ready<{ port: number }>();
  const proxy = await processes.start({ argv: [process.execPath, file("./bare-proxy.cjs"), `${serverPort}`] }, true);
  const { port } = await proxy.ready<{ port: number }>();
  return {
    name: "bare proxy",
    origins: [`http://127.0.0.1:${port}`],
    path: "/",
    pidsByRole: () => ({ proxy: [proxy.pid], server: [server.pid] }),
    async end() {
      await Promise.all([proxy.end(), server.end()]);
    },
  };
}
