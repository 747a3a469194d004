import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Cluster } from "../cluster/any-cluster.ts";

const startMs = 20_000;

/** Forwards a free local port to a Service for as long as this process lives; answers with its URL. */
export async function forwardRouter(
  { kubectl, kubeconfig }: Pick<Cluster, "kubectl" | "kubeconfig">,
  namespace: string,
  service: string,
): Promise<string> {
  const args = ["port-forward", "--namespace", namespace, `service/${service}`, ":80"];
  const child = spawn(kubectl, args, {
    env: { ...process.env, KUBECONFIG: kubeconfig },
    stdio: ["ignore", "pipe", "inherit"],
  });
  process.once("exit", () => child.kill("SIGKILL"));
  const timer = setTimeout(() => child.kill("SIGKILL"), startMs);
  for await (const line of createInterface(child.stdout)) {
    const address = /^Forwarding from (127\.0\.0\.1:\d+) /.exec(line)?.[1];
    if (address === undefined) continue;
    clearTimeout(timer);
    return `http://${address}`;
  }
  throw new Error(`Cannot forward a port to service "${service}": kubectl ended or was silent for ${startMs} ms`);
}
