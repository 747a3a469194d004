/** One router of a fleet as a process of its own, at its own address. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { FleetRouterNews, FleetRouterOrder, FleetRouterPorts } from "./router-process.ts";

const routerFile = fileURLToPath(new URL("./router-process.ts", import.meta.url));

export interface FleetRouter {
  readonly podUid: string;
  readonly podName: string;
  readonly podIP: string;
  /** It runs as this group, and nothing else does. */
  readonly group: number;
  readonly process: ChildProcess;
  readonly ports: FleetRouterPorts;
}

export async function startRouterProcess(order: FleetRouterOrder, group: number) {
  const args = ["--disable-warning=ExperimentalWarning", routerFile, JSON.stringify(order)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit", "ipc"], gid: group });
  return { process: child, ports: await firstLine<FleetRouterPorts>(child) };
}

/** Its time of day is ahead of the machine's by so much from now on. */
export function setRouterClock({ process: child }: FleetRouter, offsetMs: number): void {
  if (child.connected) child.send({ offsetMs } satisfies FleetRouterNews);
}

export async function untilGone({ process: child }: FleetRouter): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
}

async function firstLine<T>(child: ChildProcess): Promise<T> {
  let text = "";
  for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
    text += chunk.toString();
    const end = text.indexOf("\n");
    if (end >= 0) return JSON.parse(text.slice(0, end)) as T;
  }
  throw new Error(`Cannot start a router: it said ${JSON.stringify(text)}`);
}
