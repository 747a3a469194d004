/** An execution environment whose runtime is one of the real clients of test/clients. */
import { readFile } from "node:fs/promises";
import { buildClient } from "../clients/build.ts";
import { clients, type ClientName } from "../clients/clients.ts";
import { AgentEnvironment, type EnvironmentOptions } from "./agent-environment.ts";

/** Enough for a Java heap and for a stack that overflows. */
const memorySize = 512;
/** Long enough for the start of a virtual machine inside a call, on a machine that is busy. */
const timeoutSeconds = 20;

export async function startClient(
  name: ClientName,
  document: EnvironmentOptions["document"] = {},
): Promise<AgentEnvironment> {
  const { runtime, handler } = clients[name];
  const { task, managed } = await buildClient(name, (line) => process.stderr.write(`    ${line}\n`));
  return await AgentEnvironment.start({
    document: { runtime, handler, memorySize, timeoutSeconds, ...document },
    variables: {
      KUBELAMBDA_TASK_ROOT: task,
      ...(managed !== undefined && { KUBELAMBDA_RUNTIME_ROOT: `${managed}/runtime` }),
    },
  });
}

/** Ports from which connections to 127.0.0.1:`port` are open, in order. Source: proc(5), /proc/net/tcp. */
export async function openConnections(port: number): Promise<readonly number[]> {
  const table = (await readFile("/proc/net/tcp", "utf8")).split("\n").slice(1);
  const established = "01";
  const ports = table.flatMap((line) => {
    const [, local, remote, state] = line.trim().split(/\s+/);
    return remote?.endsWith(`:${hex(port)}`) === true && state === established ? [portOf(local)] : [];
  });
  return ports.sort((one, other) => one - other);
}

const hex = (port: number): string => port.toString(16).toUpperCase().padStart(4, "0");
const portOf = (address: string | undefined): number => parseInt(address?.split(":")[1] ?? "", 16);
