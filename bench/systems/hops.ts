/** Proxies that others put before a function, each before the same port. */
import { buildGoProgram } from "../../test/cluster/go-program.ts";
import { freePorts } from "../../lib/free-ports.ts";
import { waitUntil } from "../../test/cluster/wait-until.ts";
import type { BenchContext } from "../context.ts";
import type { RunningProxy } from "./bare.ts";
import { goProxy, queueProxy } from "./go-programs.ts";

const listenLimitMs = 15_000;

/** Knative's, with its usual settings and without limits; it listens on all addresses, and on fixed ports besides. */
export async function startQueueProxy({ processes, progress }: BenchContext, userPort: number): Promise<RunningProxy> {
  const program = await buildGoProgram(queueProxy, progress);
  const [port = 0, tlsPort = 0] = await freePorts(2);
  const started = await processes.start({
    argv: [program],
    env: {
      CONTAINER_CONCURRENCY: "0",
      QUEUE_SERVING_PORT: String(port),
      QUEUE_SERVING_TLS_PORT: String(tlsPort),
      USER_PORT: String(userPort),
      REVISION_TIMEOUT_SECONDS: "300",
      SERVING_LOGGING_CONFIG: "",
      SERVING_LOGGING_LEVEL: "error",
      SERVING_REQUEST_METRICS_BACKEND: "prometheus",
      TRACING_CONFIG_BACKEND: "none",
      SERVING_NAMESPACE: "default",
      SERVING_SERVICE: "bench",
      SERVING_CONFIGURATION: "bench",
      SERVING_REVISION: "bench-00001",
      SERVING_POD: "bench-00001-deployment-0",
      SERVING_POD_IP: "127.0.0.1",
      SYSTEM_NAMESPACE: "knative-serving",
    },
  });
  const proxy = { pid: started.pid, host: "127.0.0.1", port, end: () => started.end() };
  await untilAnswers(proxy);
  return proxy;
}

/** Of Go's standard library. */
export async function startGoProxy({ processes, progress }: BenchContext, port: number): Promise<RunningProxy> {
  const started = await processes.start({ argv: [await buildGoProgram(goProxy, progress), String(port)] }, true);
  const there = await started.ready<{ port: number }>();
  return { pid: started.pid, host: "127.0.0.1", port: there.port, end: () => started.end() };
}

async function untilAnswers({ host, port }: RunningProxy): Promise<void> {
  const what = `a proxy to listen on port ${port}`;
  await waitUntil({ what, timeoutMs: listenLimitMs, everyMs: 20 }, async () => {
    const answer = await fetch(`http://${host}:${port}/`, { method: "POST", body: "{}" }).catch(() => undefined);
    await answer?.text();
    return answer?.ok === true ? true : undefined;
  });
}
