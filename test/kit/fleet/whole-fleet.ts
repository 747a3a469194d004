/** The whole system but for containers: a real API server, operator, package store, routers, agents and supervisors, all as processes. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { writeFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ports } from "../../../crds/wire/routes.ts";
import type { FunctionObject, FunctionSpecInput } from "../../../crds/v1alpha1/function.ts";
import { systemClock } from "../../../lib/clock.ts";
import type { Stored } from "../../../lib/kubernetes/object.ts";
import { silentLogger } from "../../../lib/logger.ts";
import type { RunningOperator } from "../../../operator/operator.ts";
import { RouterPods } from "../../../operator/router-pods.ts";
import { HttpPoolAgents } from "../../../operator/scaling/pool-agents.ts";
import { ensureSigningKey } from "../../../operator/signing-key.ts";
import { OperatorWorld } from "../operator-world.ts";
import { FleetKubelet } from "./fleet-kubelet.ts";
import { FleetRouters, install, team } from "./fleet-routers.ts";
import { GatedStore } from "./gated-store.ts";
import { readRuns, type Run } from "./run-record.ts";
import { WatchedAgents } from "./watched-agents.ts";

export { team, type FleetAnswer, type FleetRouter } from "./fleet-routers.ts";

interface Started {
  readonly world: OperatorWorld;
  readonly folder: string;
  readonly operator: RunningOperator;
  readonly routerPods: RouterPods;
  readonly signingKey: string;
  readonly store: GatedStore;
  readonly agents: WatchedAgents;
}

const signingKeySecret = "kubelambda-signing-key";

export class WholeFleet extends FleetRouters {
  readonly kubelet: FleetKubelet;
  readonly store: GatedStore;
  readonly agents: WatchedAgents;
  readonly #started: Started;
  readonly #holdFile: string;
  readonly #record: string;

  private constructor(started: Started) {
    const { world, folder, operator, signingKey } = started;
    const routersFile = join(folder, "routers");
    super({
      ...{ world, signingKey, variables: {} },
      operatorUrl: () => `http://127.0.0.1:${operator.internalPort}`,
      onRouters: () => writeFileSync(routersFile, JSON.stringify(this.routers.map(({ podIP }) => podIP))),
    });
    this.#started = started;
    this.store = started.store;
    this.agents = started.agents;
    this.#holdFile = join(folder, "hold");
    this.#record = join(folder, "record");
    this.kubelet = new FleetKubelet({
      ...{ client: world.client, network: this.network, namespace: team, folder, routersFile },
      ...{ record: this.#record, holdFile: this.#holdFile },
    });
  }

  /** `variables`: of the operator. */
  static async start(variables: Readonly<Record<string, string>> = {}): Promise<WholeFleet> {
    const world = await OperatorWorld.start();
    await world.makeNamespace(team);
    const folder = await mkdtemp(join(tmpdir(), "whole-"));
    await writeFile(join(folder, "record"), "");
    await writeFile(join(folder, "routers"), "[]");
    const key = await ensureSigningKey(world.client, install, signingKeySecret);
    const { client } = world;
    const router = { namespace: install, serviceAccount: "router" };
    const routerPods = new RouterPods({ client, clock: systemClock, log: silentLogger, router });
    await routerPods.start();
    const store = await GatedStore.start(world.store.url);
    const agents = new WatchedAgents(new HttpPoolAgents(key, Date.now));
    const operator = await world.startOperator(
      {
        KUBELAMBDA_SIGNING_KEY_SECRET: signingKeySecret,
        KUBELAMBDA_GENERIC_PODS: "true",
        KUBELAMBDA_PACKAGES_URL: store.url,
        KUBELAMBDA_ROUTER_URL: `http://routers.fleet.test:${ports.routerInternal}`,
        ...variables,
      },
      { routerPods, isReplicaGone: (replica) => routerPods.isGone(replica), poolAgents: agents },
    );
    const signingKey = String(key.export({ format: "pem", type: "pkcs8" }));
    const fleet = new WholeFleet({ world, folder, operator, routerPods, signingKey, store, agents });
    await fleet.kubelet.start();
    return fleet;
  }

  /** Resolves when it can be called. */
  async addFunction(name: string, spec: Partial<FunctionSpecInput> = {}): Promise<Stored<FunctionObject>> {
    await this.world.createFunction(team, name, spec);
    return await this.world.untilCondition({ namespace: team, name }, { type: "Ready", status: "True" });
  }

  /** Runtimes stay in their init until the returned function is called. */
  holdInit(): () => void {
    writeFileSync(this.#holdFile, "");
    return () => rmSync(this.#holdFile, { force: true });
  }

  /** As the functions wrote them down. */
  runs(name: string): readonly Run[] {
    return readRuns(this.#record).filter((run) => run.name === name);
  }

  async stop(): Promise<void> {
    await this.closeClients();
    await this.killRouters();
    await this.world.stopOperator(this.#started.operator);
    await this.kubelet.stop();
    await this.#started.routerPods.stop();
    await this.store.stop();
    await this.world.stop();
    await rm(this.#started.folder, { recursive: true, force: true });
  }
}
