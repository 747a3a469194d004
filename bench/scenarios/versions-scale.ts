import { eachAtOnce } from "../at-once.ts";
import type { Reading } from "../comparison.ts";
import type { BenchContext, Scenario } from "../context.ts";
import { numberOf } from "../number-of.ts";
import type { BenchProcess } from "../process-group.ts";
import { privateBytes } from "../process-usage.ts";
import { bundleProgram } from "../systems/bundle-program.ts";
import { startAuditedApiServer, type AuditedApiServer } from "../systems/audited-api-server.ts";
import type { OperatorOrder, OperatorThere } from "../systems/operator-process.ts";
import { chartsEnvironment } from "../systems/charts-environment.ts";
import { RouterView } from "../systems/router-view.ts";
import { API_VERSION } from "../../crds/names.ts";
import { aliasKind } from "../../crds/v1alpha1/alias.ts";
import { functionKind } from "../../crds/v1alpha1/function.ts";
import { waitUntil } from "../../test/cluster/wait-until.ts";
import { operatorToken, startTestStore } from "../../test/kit/package-store-server.ts";

const mebibyte = 1024 * 1024;
const namespace = "team";
const alias = "live";
const versions = 5;
/** Variables of each function: what a usual one has. */
const variableBytes = 1024;
/** Writes of ours that are under way together. */
const atOnce = 16;
/** From the last change to the reading: what it left behind is given back or will stay. */
const idleMs = 15_000;
const publishLimitMs = 30_000;

interface Sizes {
  readonly functions: number;
  /** So long requests are counted. */
  readonly restMs: number;
}

/** What 1,000 functions with 5 versions each take of the operator; KUBELAMBDA_BENCH_FUNCTIONS and KUBELAMBDA_BENCH_REST_SECONDS make it smaller. */
export const versionsScale: Scenario = {
  summary: "operator with 1,000 functions of 5 versions: memory, requests at rest, publish to routable",
  async run(context) {
    const sizes: Sizes = {
      functions: numberOf("KUBELAMBDA_BENCH_FUNCTIONS", 1000),
      restMs: numberOf("KUBELAMBDA_BENCH_REST_SECONDS", 60) * 1000,
    };
    const server = await startAuditedApiServer(context.folder);
    const store = await startTestStore();
    const view = new RouterView(server.client);
    let operator: BenchProcess | undefined;
    try {
      await server.client.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
      await view.start();
      const order: OperatorOrder = {
        ...{ host: server.host, port: server.port, serviceAccountDir: server.serviceAccountDir },
        packagesUrl: store.url,
        packagesToken: operatorToken,
      };
      const program = await bundleProgram("operator-process", context.folder);
      const argv = [process.execPath, program, JSON.stringify(order)];
      const env = chartsEnvironment("operator");
      operator = await context.processes.start({ argv, env }, true);
      await operator.ready<OperatorThere>();
      return await measure(context, sizes, { server, view, operator });
    } finally {
      await operator?.end();
      await view.stop();
      await store.stop();
      await server.stop();
    }
  },
};

interface World {
  readonly server: AuditedApiServer;
  readonly view: RouterView;
  readonly operator: BenchProcess;
}

async function measure(context: BenchContext, { functions, restMs }: Sizes, world: World) {
  const { server, view, operator } = world;
  const full = `${functions} functions, ${versions} versions each`;
  const empty = "no function";
  const before = await atRest(world, restMs);
  const started = performance.now();
  for (let version = 1; version <= versions; version++) {
    context.progress(`Operator at scale: version ${version} of ${functions} functions …`);
    await eachAtOnce(names(functions), atOnce, (name) => publish(server, name, version));
    await waitUntil(
      { what: `version ${version} of all functions`, timeoutMs: 60_000 + functions * 1000, everyMs: 200 },
      () => (names(functions).every((name) => view.isRoutable(namespace, name, version)) ? true : undefined),
    );
  }
  const seconds = (performance.now() - started) / 1000;
  const after = await atRest(world, restMs);
  const publishing: Record<string, Reading>[] = [];
  const moving: Record<string, Reading>[] = [];
  const spec = { functionName: "f-0", name: alias, functionVersion: "1" };
  const created = view.whenSo(namespace, "f-0", () => view.versionOf(namespace, "f-0", alias) === "1", publishLimitMs);
  await server.client.create({ apiVersion: API_VERSION, kind: "Alias", metadata: { namespace, name: "f-0" }, spec });
  await created;
  for (let i = 0; i < context.rounds; i++) {
    const name = `f-${Math.floor(context.draw() * functions)}`;
    publishing.push({ [full]: { "publish to routable ms": await publishMs(world, name) } });
    moving.push({ [full]: { "alias change to router ms": await moveMs(world, "f-0", i % 2 === 0 ? "2" : "1") } });
  }
  const others = [...after.others].map(([what, count]) => `${what} × ${count}`).join(", ");
  const notes = [
    "wanted: under 300 MiB",
    `process ${operator.pid}; every function has ${variableBytes} bytes of variables`,
    `${functions * versions} versions were published in ${seconds.toFixed(0)} s`,
  ];
  return [
    {
      title: "operator at scale",
      subject: full,
      baselines: [empty],
      metrics: ["unshared MiB"],
      rounds: [{ [empty]: before.reading, [full]: after.reading }],
      notes,
    },
    {
      title: "operator at rest",
      subject: full,
      baselines: [],
      metrics: ["requests a minute"],
      rounds: [{ [full]: after.reading }],
      notes: [`other than watches and the lease, in ${restMs / 1000} s: ${others === "" ? "none" : others}`],
    },
    {
      title: "from the change of a function to its version in a router",
      subject: full,
      baselines: [],
      metrics: ["publish to routable ms"],
      rounds: publishing,
      notes: ["wanted: under 1000"],
    },
    {
      title: "from the change of an alias to the router's draw",
      subject: full,
      baselines: [],
      metrics: ["alias change to router ms"],
      rounds: moving,
      notes: ["wanted: under 100 from the event on"],
    },
  ];
}

function names(functions: number): readonly string[] {
  return Array.from({ length: functions }, (_, i) => `f-${i}`);
}

/** A description counts as a change and has nothing to be fetched. */
async function publish({ client }: AuditedApiServer, name: string, version: number): Promise<void> {
  const description = `release ${version}`;
  if (version > 1) {
    await client.patch({ kind: functionKind, namespace, name }, { spec: { description } });
    return;
  }
  const variables = { SETTINGS: `${name} ${"x".repeat(variableBytes)}`.slice(0, variableBytes) };
  const spec = {
    ...{ runtime: "nodejs24.x", handler: "index.handler", publish: true, description },
    code: { files: { "index.mjs": `export const handler = () => ${JSON.stringify(name)};` } },
    environment: { variables },
  };
  await client.create({ apiVersion: API_VERSION, kind: "Function", metadata: { namespace, name }, spec });
}

async function publishMs({ server, view }: World, name: string): Promise<number> {
  const version = view.newestVersion(namespace, name) + 1;
  const isRoutable = (): boolean => view.isRoutable(namespace, name, version);
  const routable = view.whenSo(namespace, name, isRoutable, publishLimitMs);
  const started = performance.now();
  await publish(server, name, version);
  return (await routable) - started;
}

/** From the request that moves it to the router's next draw: more than from the API server's event. */
async function moveMs({ server: { client }, view }: World, name: string, functionVersion: string): Promise<number> {
  const moved = view.whenSo(
    namespace,
    name,
    () => view.versionOf(namespace, name, alias) === functionVersion,
    publishLimitMs,
  );
  const started = performance.now();
  await client.patch({ kind: aliasKind, namespace, name }, { spec: { functionVersion } });
  return (await moved) - started;
}

async function atRest({ server, operator }: World, restMs: number) {
  await new Promise((resolve) => setTimeout(resolve, idleMs));
  const requests = await server.requestsDuring(restMs);
  const others = new Map<string, number>();
  for (const request of requests.filter((each) => !/^watch |^(get|update|patch) leases$/.test(each)))
    others.set(request, (others.get(request) ?? 0) + 1);
  const count = [...others.values()].reduce((sum, each) => sum + each, 0);
  const reading: Reading = {
    "unshared MiB": privateBytes(operator.pid) / mebibyte,
    "requests a minute": (count * 60_000) / restMs,
  };
  return { reading, others };
}
