/** A part of the system as a process of its own: it says what it listens on, may be signalled, and is heard by its group alone. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** What a process is told while it runs. */
export interface FleetProcessNews {
  /** Of its clock, against the machine's. */
  readonly offsetMs: number;
}

export interface FleetProcess<Ports> {
  /** It runs as this group, and nothing else does. */
  readonly group: number;
  readonly process: ChildProcess;
  readonly ports: Ports;
}

/** `file`: beside this one; its argument is the order as JSON, and its first line are its ports. */
export async function startFleetProcess<Ports>(
  file: string,
  order: object,
  group: number,
): Promise<FleetProcess<Ports>> {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const args = ["--disable-warning=ExperimentalWarning", path, JSON.stringify(order)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit", "ipc"], gid: group });
  return { group, process: child, ports: await firstLine<Ports>(child) };
}

/** Its time of day is ahead of the machine's by so much from now on. */
export function setClock({ process: child }: Pick<FleetProcess<unknown>, "process">, offsetMs: number): void {
  if (child.connected) child.send({ offsetMs } satisfies FleetProcessNews);
}

export async function untilGone({ process: child }: Pick<FleetProcess<unknown>, "process">): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
}

/** kill -9, also of one that is frozen. */
export async function killProcess(one: Pick<FleetProcess<unknown>, "process">): Promise<void> {
  one.process.kill("SIGCONT");
  one.process.kill("SIGKILL");
  await untilGone(one);
}

async function firstLine<T>(child: ChildProcess): Promise<T> {
  let text = "";
  for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
    text += chunk.toString();
    const end = text.indexOf("\n");
    if (end >= 0) return JSON.parse(text.slice(0, end)) as T;
  }
  throw new Error(`Cannot start a process of a fleet: it said ${JSON.stringify(text)}`);
}
