import { eachAtOnce } from "../at-once.ts";
import type { Comparison, Reading } from "../comparison.ts";
import type { BenchContext, Scenario } from "../context.ts";
import { numberOf } from "../number-of.ts";
import { runPlainPods } from "../systems/plain-pods.ts";
import { privateBytes } from "../process-usage.ts";
import { cpuByProcess, cpuShares } from "../systems/cpu-by-process.ts";
import { startAuditedApiServer, type AuditedApiServer } from "../systems/audited-api-server.ts";
import { chartsEnvironment } from "../systems/charts-environment.ts";
import { bundleProgram } from "../systems/bundle-program.ts";
import type { ClusterRouterOrder, ClusterRouterThere } from "../systems/cluster-router-process.ts";
import type { FakeAgentsOrder } from "../systems/fake-agents-process.ts";
import { event, eventAnswer } from "../systems/noop-world.ts";
import type { OperatorOrder, OperatorThere } from "../systems/operator-process.ts";
import { goGarbagePercent, schedulerRequestsPerSecond, startSimulatedNodes } from "../systems/simulated-nodes.ts";
import type { Pod } from "../../operator/pod.ts";
import { API_VERSION } from "../../crds/names.ts";
import { functionKind, type FunctionObject } from "../../crds/v1alpha1/function.ts";
import { waitUntil } from "../../test/cluster/wait-until.ts";
import { operatorToken, startTestStore } from "../../test/kit/package-store-server.ts";
import { availableParallelism } from "node:os";
import { Agent, request } from "undici";

const namespace = "team";
const routerToken = "bench-router-token";
const mebibyte = 1024 * 1024;
const atOnce = 16;
/** Calls under way together, each for one environment. */
const callsAtOnce = 2000;
const settleMs = 15_000;
/** A router gives garbage back 30 s after the last change. */
const quietMs = 45_000;
/** So long the counts in the statuses of as many functions are written, 25 a second, after their environments. */
const countsMs = 40;
const podsOfNode = 2000;
const toldEvery = 1000;
const plain = "pods like them alone";
const mostPlainPods = 2000;
/** KWOK's watches begin at version 0, which with this feature takes an etcd of 3.4.25 or newer; without, each would end at once. */
const simulatorsWatches = ["--feature-gates=WatchList=false"];

interface Sizes {
  readonly functions: number;
  readonly environments: number;
}

interface Pids {
  readonly operator: number;
  readonly router: number;
}

/** The control plane alone: everything real but kubelets and what runs in pods. KUBELAMBDA_BENCH_FUNCTIONS and KUBELAMBDA_BENCH_ENVIRONMENTS make it smaller. */
export const scaleKwok: Scenario = {
  summary:
    "5,000 functions and 10,000 environments on simulated nodes: environments a second, memory of operator and router",
  async run(context) {
    const sizes: Sizes = {
      functions: numberOf("KUBELAMBDA_BENCH_FUNCTIONS", 5000),
      environments: numberOf("KUBELAMBDA_BENCH_ENVIRONMENTS", 10_000),
    };
    const ends: (() => Promise<void>)[] = [];
    try {
      const forMany = { apiServerArgs: simulatorsWatches, apiServerEnv: goGarbagePercent };
      const server = await startAuditedApiServer(context.folder, { writesDown: false, ...forMany });
      ends.push(() => server.stop());
      return [await measure(context, sizes, { server, ends })];
    } finally {
      for (const end of ends.reverse()) await end();
    }
  },
};

interface Begun {
  readonly server: AuditedApiServer;
  /** In the order in which things were started. */
  readonly ends: (() => Promise<void>)[];
}

async function measure(context: BenchContext, sizes: Sizes, begun: Begun): Promise<Comparison> {
  const { functions, environments } = sizes;
  const { server } = begun;
  const { pids, invokeUrl } = await startAll(context, sizes, begun);
  const [empty, full] = ["no function", `${functions} functions, ${environments} environments`];
  const before = await memoryOf(pids);
  context.progress(`Scale: creating ${functions} functions …`);
  await eachAtOnce(names(functions), atOnce, (name) => addFunction(server, name));
  await waitUntil({ what: "all functions to become Active", timeoutMs: 60_000 + functions * 200, everyMs: 5000 }, () =>
    areAllActive(server, functions),
  );
  const withFunctions = await memoryOf(pids);
  context.progress(`Scale: ${environments} environments …`);
  const cpuBefore = cpuByProcess("caller");
  const startedMs = performance.now();
  await callAll(invokeUrl, sizes, (answered) => {
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(0);
    if (answered % toldEvery === 0) context.progress(`Scale: ${answered} answered after ${seconds} s`);
  });
  const elapsedMs = performance.now() - startedMs;
  const made = await podCount(server);
  const cpu = cpuShares(cpuBefore, cpuByProcess("caller"), made);
  const atOnceMiB = { operator: privateBytes(pids.operator) / mebibyte, router: privateBytes(pids.router) / mebibyte };
  const after = await memoryOf(pids, quietMs + countsMs * functions);
  const model = await someEnvironment(server);
  const order = { client: server.client, namespace, model, count: Math.min(environments, mostPlainPods), atOnce: 64 };
  context.progress(`Scale: ${order.count} pods like them …`);
  const plainCpuBefore = cpuByProcess("caller");
  const plainMs = await runPlainPods(order);
  const plainCpu = cpuShares(plainCpuBefore, cpuByProcess("caller"), order.count);
  const rounds: Record<string, Reading>[] = [
    {
      [full]: { ...after, "environments/s": (made * 1000) / elapsedMs },
      [empty]: before,
      [plain]: { "environments/s": (order.count * 1000) / plainMs },
    },
  ];
  const notes = [
    `real: etcd, API server, kube-scheduler with --kube-api-qps=${schedulerRequestsPerSecond} (50 unless raised), operator, router; simulated: kubelets by KWOK, all agents by one process; the Go programs but etcd run with GOGC=${goGarbagePercent.GOGC}`,
    `${made} pods were made in ${(elapsedMs / 1000).toFixed(1)} s, from the first call to the last answer; each call waited for an environment`,
    `functions alone: operator ${withFunctions["operator MiB"]?.toFixed(0) ?? "?"} MiB, router ${withFunctions["router MiB"]?.toFixed(0) ?? "?"} MiB`,
    `CPU ms an environment, on ${availableParallelism()} cores for all: ${cpu}`,
    `"${plain}": ${order.count} with an environment's containers and volumes, made by one client afterwards; CPU ms each: ${plainCpu}`,
    `at the last answer, with garbage: operator ${atOnceMiB.operator.toFixed(0)} MiB, router ${atOnceMiB.router.toFixed(0)} MiB; the table has them at rest`,
    "wanted: 100 environments/s, operator at most 400 MB, router at most 300 MB; MiB are unshared",
  ];
  const metrics = ["environments/s", "operator MiB", "router MiB"];
  return { title: "control plane at scale", subject: full, baselines: [plain, empty], metrics, rounds, notes };
}

async function startAll(context: BenchContext, { environments }: Sizes, { server, ends }: Begun) {
  const { processes, folder } = context;
  const { host, port, serviceAccountDir, kubeconfig, client } = server;
  const access = { host, port, serviceAccountDir };
  await client.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
  const store = await startTestStore();
  ends.push(() => store.stop());
  const nodes = await startSimulatedNodes(context, {
    client,
    kubeconfig,
    nodes: Math.ceil(environments / podsOfNode) + 1,
  });
  ends.push(() => nodes.end());
  const start = async (name: string, order: object, env?: Readonly<Record<string, string>>) => {
    const argv = [process.execPath, await bundleProgram(name, folder), JSON.stringify(order)];
    const started = await processes.start({ argv, ...(env !== undefined && { env }) }, true);
    ends.push(() => started.end());
    return started;
  };
  const operatorOrder: OperatorOrder = { ...access, packagesUrl: store.url, packagesToken: operatorToken, routerToken };
  const operator = await start("operator-process", operatorOrder, chartsEnvironment("operator"));
  const { internalPort } = await operator.ready<OperatorThere>();
  const operatorUrl = `http://127.0.0.1:${internalPort}`;
  const routerOrder: ClusterRouterOrder = { ...access, operatorUrl, operatorToken: routerToken, namespace };
  const router = await start("cluster-router-process", routerOrder, chartsEnvironment("router"));
  const there = await router.ready<ClusterRouterThere>();
  const routerUrl = `http://127.0.0.1:${there.internalPort}`;
  const agentsOrder: FakeAgentsOrder = { ...access, namespace, routerUrl, answer: eventAnswer };
  await (await start("fake-agents-process", agentsOrder)).ready();
  return { pids: { operator: operator.pid, router: router.pid }, invokeUrl: `http://127.0.0.1:${there.invokePort}` };
}

/** As many calls at once for each function as it shall have environments. */
async function callAll(
  invokeUrl: string,
  { functions, environments }: Sizes,
  onAnswer: (answered: number) => void,
): Promise<void> {
  let answered = 0;
  const dispatcher = new Agent({ connections: callsAtOnce, headersTimeout: 900_000, bodyTimeout: 900_000 });
  const each = Math.max(1, Math.round(environments / functions));
  try {
    await eachAtOnce(names(functions), Math.max(1, Math.floor(callsAtOnce / each)), async (name) => {
      const url = `${invokeUrl}/2015-03-31/functions/${name}/invocations`;
      const calls = Array.from({ length: each }, () => request(url, { method: "POST", dispatcher, body: event }));
      for (const { statusCode, body } of await Promise.all(calls)) {
        const text = await body.text();
        if (statusCode !== 200 || text !== eventAnswer)
          throw new Error(`Cannot measure: function "${name}" answered ${statusCode} "${text.slice(0, 300)}"`);
        onAnswer((answered += 1));
      }
    });
  } finally {
    await dispatcher.destroy();
  }
}

async function addFunction({ client }: AuditedApiServer, name: string): Promise<void> {
  const spec = {
    ...{ runtime: "nodejs24.x", handler: "index.handler", memorySize: 128, timeout: 10 },
    code: { files: { "index.mjs": `export const handler = () => ${JSON.stringify(name)};` } },
  };
  await client.create({ apiVersion: API_VERSION, kind: "Function", metadata: { namespace, name }, spec });
}

async function areAllActive({ client }: AuditedApiServer, functions: number): Promise<true | undefined> {
  const { items } = await client.list<FunctionObject>(functionKind, { namespace });
  return items.filter(({ status }) => status?.state === "Active").length === functions ? true : undefined;
}

async function podCount({ client }: AuditedApiServer): Promise<number> {
  const list = (await client.raw("GET", `/api/v1/namespaces/${namespace}/pods?limit=1`)) as {
    readonly items: readonly unknown[];
    readonly metadata: { readonly remainingItemCount?: number };
  };
  return list.items.length + (list.metadata.remainingItemCount ?? 0);
}

async function someEnvironment({ client }: AuditedApiServer): Promise<Pod> {
  const list = (await client.raw("GET", `/api/v1/namespaces/${namespace}/pods?limit=1`)) as {
    readonly items: readonly Pod[];
  };
  const [pod] = list.items;
  if (pod === undefined) throw new Error("Cannot make pods like an environment: there is none");
  return pod;
}

async function memoryOf({ operator, router }: Pids, afterMs = settleMs): Promise<Reading> {
  await new Promise((resolve) => setTimeout(resolve, afterMs));
  return { "operator MiB": privateBytes(operator) / mebibyte, "router MiB": privateBytes(router) / mebibyte };
}

function names(functions: number): readonly string[] {
  return Array.from({ length: functions }, (_, i) => `f-${i}`);
}
