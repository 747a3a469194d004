import { fileURLToPath } from "node:url";
import { FUNCTION_URL_PATH } from "../../crds/function-url.ts";
import { buildSupervisor } from "../../test/kit/build-supervisor.ts";
import type { BenchContext } from "../context.ts";
import { descendants } from "../process-usage.ts";
import { bundleAgent } from "./agent-bundle.ts";
import { chartsEnvironment } from "./charts-environment.ts";
import { startEnvironment, type BenchEnvironment } from "./environment.ts";
import { prepareNodeRuntime } from "./node-runtime.ts";
import { OperatorEar } from "./operator-ear.ts";
import type { RouterOrder, RouterThere } from "./router-order.ts";
import type { System } from "./system.ts";

const routerFile = fileURLToPath(new URL("./router-process.ts", import.meta.url));
/** Of the function's URL. */
export const benchUrlPath = `${FUNCTION_URL_PATH}${"b".repeat(32)}/`;
/** So many start at once: more would only miss the init limit together. */
const startedTogether = 4;

/** One router and so many ready environments, each an agent, a supervisor and a Node.js runtime. */
export async function startKubelambda(context: BenchContext, environments: number): Promise<System> {
  const { processes, folder } = context;
  const [runtimeFolder, agentBundle, supervisor] = await Promise.all([
    prepareNodeRuntime(context),
    bundleAgent(folder),
    buildSupervisor(),
  ]);
  const ear = new OperatorEar();
  const functionUrl = `http://127.0.0.1${benchUrlPath}`;
  const order: RouterOrder = { environments, operatorUrl: await ear.listen(), functionUrl };
  const argv = [process.execPath, routerFile, JSON.stringify(order)];
  const router = await processes.start({ argv, env: chartsEnvironment("router") }, true);
  const there = await router.ready<RouterThere>();
  const routerUrl = `http://127.0.0.1:${there.internalPort}`;
  const parts = { ...there, processes, agentBundle, supervisor, runtimeFolder, folder, routerUrl };
  const started: BenchEnvironment[] = [];
  for (let i = 0; i < environments; i += startedTogether) {
    const podUids = there.podUids.slice(i, i + startedTogether);
    started.push(...(await Promise.all(podUids.map((podUid) => startEnvironment(parts, podUid)))));
    await ear.untilIdle(started.length);
  }
  return {
    name: "kubelambda",
    origins: [`http://127.0.0.1:${there.invokePort}`],
    path: "/2015-03-31/functions/bench/invocations",
    pidsByRole: () => ({
      router: [router.pid],
      agent: started.map(({ agent }) => agent.pid),
      supervisor: started.map(({ supervisor: { pid } }) => pid),
      runtime: started.flatMap(({ supervisor: { pid } }) => descendants(pid)),
    }),
    async end() {
      await Promise.all(started.map(({ agent }) => agent.end()));
      await Promise.all(started.map((environment) => environment.supervisor.end()));
      await router.end();
      await ear.close();
    },
  };
}
