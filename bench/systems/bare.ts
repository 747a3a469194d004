import { fileURLToPath } from "node:url";
import type { ProcessGroup } from "../process-group.ts";
import { pinned } from "./pinned.ts";
import type { System } from "./system.ts";

const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

export interface RunningProxy {
  readonly pid: number;
  readonly host: string;
  readonly port: number;
  readonly end: () => Promise<void>;
}

/** A bare Node server that runs the function's handler. */
export async function startBareServer(processes: ProcessGroup): Promise<RunningProxy> {
  return await startProgram(processes, [process.execPath, file("./bare-server.cjs")]);
}

/** A bare Node proxy before a port of this machine; `core`: where it runs, alone. */
export async function startBareProxyTo(processes: ProcessGroup, port: number, core?: number): Promise<RunningProxy> {
  return await startProgram(processes, pinned(core, [process.execPath, file("./bare-proxy.cjs"), `${port}`]));
}

async function startProgram(processes: ProcessGroup, argv: readonly string[]): Promise<RunningProxy> {
  const started = await processes.start({ argv }, true);
  const { port } = await started.ready<{ port: number }>();
  return { pid: started.pid, host: "127.0.0.1", port, end: () => started.end() };
}

/** A bare Node proxy in front of a bare Node server that runs the same handler. */
export async function startBareProxy(processes: ProcessGroup): Promise<System> {
  const server = await startBareServer(processes);
  const proxy = await startBareProxyTo(processes, server.port);
  return {
    name: "bare proxy",
    origins: [`http://127.0.0.1:${proxy.port}`],
    path: "/",
    pidsByRole: () => ({ proxy: [proxy.pid], server: [server.pid] }),
    async end() {
      await Promise.all([proxy.end(), server.end()]);
    },
  };
}
