import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { RunError } from "../cluster/run.ts";
import type { System } from "./fixture.ts";

/** Keeps what a look at the cluster shows now, below its own logs; answers with the folder. Never fails. */
export async function collectLogs(system: System, title: string): Promise<string> {
  const name = title.replaceAll(/[^A-Za-z0-9]+/g, "-").slice(0, 100);
  const folder = join(system.cluster.stateDir, "logs", "e2e", name);
  mkdirSync(folder, { recursive: true });
  const keep = async (file: string, ...args: string[]): Promise<string> => {
    const output = await system.kubectl(args).catch((error: unknown) => `${describe(error)}\n`);
    writeFileSync(join(folder, file), output);
    return output;
  };
  await keep("objects.txt", "get", "pods,controllerrevisions,services,leases", "-A", "-o", "wide", "--show-labels");
  await keep("functions.yaml", "get", "functions.kubelambda.dev", "-A", "-o", "yaml");
  await keep("events.txt", "get", "events", "-A", "--sort-by=.metadata.creationTimestamp");
  const path = `jsonpath={range .items[*]}{.metadata.namespace} {.metadata.name}{"\\n"}{end}`;
  const pods = (await keep("pods.txt", "get", "pods", "-A", "-o", path)).split("\n");
  for (const pod of pods) {
    const [namespace, podName] = pod.split(" ");
    if (namespace === undefined || podName === undefined || namespace === "kube-system") continue;
    const log = ["logs", "-n", namespace, podName, "--all-containers", "--prefix", "--tail=2000"];
    await keep(`${namespace}.${podName}.log`, ...log);
    await keep(`${namespace}.${podName}.yaml`, "describe", "pod", "-n", namespace, podName);
  }
  return folder;
}

function describe(error: unknown): string {
  return error instanceof RunError ? error.output : String(error);
}
