import { existsSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { apiServerAddress, controlPlanePorts } from "./control-plane-daemons.ts";
import { containerdSocket } from "./containerd.ts";
import { waitForApiServer } from "./api-server.ts";
import { isDaemonAlive, logTail } from "./daemon.ts";
import { nodePorts } from "./node-daemons.ts";
import { bridge } from "./node-network.ts";
import { registryPort } from "./registry.ts";
import { run } from "./run.ts";
import { GivenUp, waitUntil } from "./wait-until.ts";

const urls: Readonly<Record<string, string>> = {
  registry: `http://${bridge.address}:${registryPort}/v2/`,
  etcd: "http://127.0.0.1:22379/health",
  "kube-controller-manager": `https://127.0.0.1:${controlPlanePorts.controllerManager}/healthz`,
  "kube-scheduler": `https://127.0.0.1:${controlPlanePorts.scheduler}/healthz`,
  "kube-proxy": `http://127.0.0.1:${nodePorts.proxyHealth}/healthz`,
  kubelet: `http://127.0.0.1:${nodePorts.kubeletHealth}/healthz`,
};

/** Waits until the daemon answers, 60 s at most; fails at once, with the end of its log, when its process is gone. */
export async function waitForDaemon(stateDir: string, name: string): Promise<void> {
  if (name === "kube-apiserver") {
    await waitForApiServer(stateDir, apiServerAddress, 60_000);
    return;
  }
  const url = urls[name];
  try {
    await waitUntil({ what: `${name} to answer`, timeoutMs: 60_000 }, async () => {
      if (!isDaemonAlive(stateDir, name)) throw new GivenUp("its process has ended");
      const answers = url === undefined ? await doesContainerdAnswer(stateDir) : (await getStatus(url)) === 200;
      return answers ? true : undefined;
    });
  } catch (cause) {
    throw new Error(`Cannot start ${name}: ${(cause as Error).message}; ${logTail(stateDir, name)}`, { cause });
  }
}

async function doesContainerdAnswer(stateDir: string): Promise<boolean> {
  const socket = containerdSocket(stateDir);
  if (!existsSync(socket)) return false;
  await run("ctr", ["--address", socket, "version"], { timeoutMs: 5000 });
  return true;
}

function getStatus(url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    // The certificates of these are self-signed, and only "does it answer" is asked, on this machine's own addresses.
    const options = { agent: false, timeout: 2000, rejectUnauthorized: false } as const;
    const send = url.startsWith("https:") ? httpsRequest : httpRequest;
    const req = send(url, options, (res) => {
      res.resume();
      resolve(res.statusCode ?? 0);
    });
    req.once("timeout", () => req.destroy(new Error("no answer in 2 s")));
    req.once("error", reject);
    req.end();
  });
}
