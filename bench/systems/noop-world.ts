import { generateKeyPairSync } from "node:crypto";
import { fileURLToPath } from "node:url";
import { ownerOf } from "../../crds/wire/roster.ts";
import { freePorts } from "../../lib/free-ports.ts";
import type { BenchContext } from "../context.ts";
import type { BenchProcess } from "../process-group.ts";
import type { RawTarget } from "../raw-load.ts";
import { chartsEnvironment } from "./charts-environment.ts";
import { OperatorEar } from "./operator-ear.ts";
import { pinned } from "./pinned.ts";
import type { BenchCredentials, RouterOrder, RouterThere } from "./router-order.ts";

const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
export const event = JSON.stringify({ name: "Ada" });
export const eventAnswer = JSON.stringify({ greeting: "Hello, Ada" });

export interface NoopOptions {
  /** Replicas; they share the accounts. */
  readonly routers: number;
  readonly environments: number;
  /** Default 1. */
  readonly functions?: number;
  /** Default: all of them. */
  readonly functionsWithPods?: number;
  readonly credentials?: BenchCredentials;
  /** Where the i-th router runs; absent: anywhere. */
  readonly coreOf?: (router: number) => number;
  /** Of the environments. */
  readonly core?: number;
  /** How long a call takes, default 0. */
  readonly runMs?: number;
  /** They answer a string of so many bytes; default `eventAnswer`. */
  readonly answerBytes?: number;
  /** Of each router; default the product's. */
  readonly answerMemoryBytes?: number;
}

/** Routers in front of environments that answer at once: the routers' work and nothing else. */
export interface NoopWorld {
  readonly routers: readonly { readonly pid: number; readonly there: RouterThere }[];
  /** Index of the router that decides the calls. */
  readonly owner: number;
  readonly environmentsPort: number;
  /** Invoke of a function at a router. */
  target(router: number, functionName: string): RawTarget;
  end(): Promise<void>;
}

export async function startNoopWorld(context: BenchContext, options: NoopOptions): Promise<NoopWorld> {
  const { processes } = context;
  const { environments, functions = 1, functionsWithPods = functions, credentials, coreOf, core, runMs = 0 } = options;
  const { answerBytes, answerMemoryBytes } = options;
  const ear = new OperatorEar();
  const started: BenchProcess[] = [];
  const shared = {
    ...{ environments, functions, functionsWithPods, operatorUrl: await ear.listen() },
    ...(credentials !== undefined && { credentials }),
    ...(answerMemoryBytes !== undefined && { answerMemoryBytes }),
  };
  const orders = await ordersOf(shared, options.routers);
  const routers: { pid: number; there: RouterThere }[] = [];
  const end = async (): Promise<void> => {
    await Promise.all(started.map((process) => process.end()));
    await ear.close();
  };
  try {
    for (const [i, order] of orders.entries()) {
      const argv = [process.execPath, file("./router-process.ts"), JSON.stringify(order)];
      const router = await processes.start({ argv: pinned(coreOf?.(i), argv), env: chartsEnvironment("router") }, true);
      started.push(router);
      routers.push({ pid: router.pid, there: await router.ready<RouterThere>() });
    }
    const routerUrls = routers.map(({ there }) => `http://127.0.0.1:${there.internalPort}`);
    const podUids = routers[0]?.there.podUids ?? [];
    const noopOrder = JSON.stringify({ routerUrls, podUids, answer: eventAnswer, answerBytes, runMs });
    const noop = await processes.start(
      { argv: pinned(core, [process.execPath, file("./noop-environments.cjs"), noopOrder]) },
      true,
    );
    started.push(noop);
    const { port } = await noop.ready<{ port: number }>();
    await ear.untilIdle(environments);
    return { routers, owner: ownerAmong(orders), environmentsPort: port, target: targetOf(routers), end };
  } catch (error) {
    await end();
    throw error;
  }
}

function targetOf(routers: NoopWorld["routers"]): NoopWorld["target"] {
  return (router, functionName) => ({
    host: "127.0.0.1",
    port: routers[router]?.there.invokePort ?? 0,
    path: `/2015-03-31/functions/${functionName}/invocations`,
    body: event,
    answer: eventAnswer,
  });
}

async function ordersOf(shared: RouterOrder, count: number): Promise<readonly RouterOrder[]> {
  if (count === 1) return [shared];
  const ports = await freePorts(count);
  const replicas = ports.map((port, i) => ({ podUid: `bench-router-${i}`, address: `127.0.0.1:${port}` }));
  const roster = { epoch: 1, previous: 0, replicas };
  const signingKey = generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  return replicas.map(({ podUid }, i) => {
    return { ...shared, replica: { podUid, internalPort: ports[i] ?? 0, roster, signingKey } };
  });
}

function ownerAmong(orders: readonly RouterOrder[]): number {
  const roster = orders[0]?.replica?.roster;
  if (roster === undefined) return 0;
  const owner = ownerOf(roster, "default");
  return orders.findIndex(({ replica }) => replica?.podUid === owner?.podUid);
}
