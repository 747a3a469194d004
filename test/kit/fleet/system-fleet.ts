/** Every part of the system as a process that can be killed, frozen and cut off: operators, package store, routers, agents and supervisors, API server and etcd. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ports } from "../../../crds/wire/routes.ts";
import type { FunctionSpecInput } from "../../../crds/v1alpha1/function.ts";
import { leaderLabel } from "../../../operator/leader-label.ts";
import { ensureSigningKey } from "../../../operator/signing-key.ts";
import { OperatorWorld } from "../operator-world.ts";
import { FleetKubelet } from "./fleet-kubelet.ts";
import { FleetOperators, type OneOperator } from "./fleet-operators.ts";
import { killProcess, startFleetProcess, type FleetProcess } from "./fleet-process.ts";
import { FleetRouters, install, team } from "./fleet-routers.ts";
import { FleetService } from "./fleet-service.ts";
import { readRuns, type Run } from "./run-record.ts";
import type { FleetStoreOrder, FleetStorePorts } from "./store-process.ts";

export interface SystemFleetOptions {
  /** Of every router. */
  readonly routers: Readonly<Record<string, string>>;
  /** Of every operator. */
  readonly operators: Readonly<Record<string, string>>;
}

const signingKeySecret = "kubelambda-signing-key";
const operatorCount = 2;
/** Soon used up, if somebody wants to. */
const etcdQuotaBytes = 64 * 1024 * 1024;

export class SystemFleet extends FleetRouters {
  readonly kubelet: FleetKubelet;
  readonly operators: FleetOperators;
  /** The operators' Service has this address, at the port of production. */
  readonly operatorAddress: string;
  readonly #storeAddress: string;
  readonly #folder: string;
  readonly #record: string;
  #storeProcess: FleetProcess<FleetStorePorts> | undefined;
  #service: FleetService | undefined;

  private constructor(
    world: OperatorWorld,
    { folder, signingKey, options }: { folder: string; signingKey: string; options: SystemFleetOptions },
  ) {
    const routersFile = join(folder, "routers");
    super({
      ...{ world, signingKey, variables: options.routers },
      operatorUrl: () => `http://${this.operatorAddress}:${ports.operatorInternal}`,
      onRouters: () => writeFileSync(routersFile, JSON.stringify(this.routers.map(({ podIP }) => podIP))),
    });
    this.#folder = folder;
    this.#record = join(folder, "record");
    this.operatorAddress = this.network.newAddress();
    this.#storeAddress = this.network.newAddress();
    this.operators = new FleetOperators({
      ...{ world, network: this.network, namespace: install },
      storeUrl: () => `http://${this.#storeAddress}:${ports.packages}`,
      variables: {
        KUBELAMBDA_SIGNING_KEY_SECRET: signingKeySecret,
        KUBELAMBDA_GENERIC_PODS: "true",
        KUBELAMBDA_AGENTS_FILL: "true",
        KUBELAMBDA_ROUTER_URL: `http://routers.fleet.test:${ports.routerInternal}`,
        ...options.operators,
      },
    });
    this.kubelet = new FleetKubelet({
      ...{ client: world.client, network: this.network, namespace: team, folder, routersFile },
      ...{ record: this.#record, holdFile: join(folder, "hold") },
    });
  }

  /** Two operators, of which one leads, a package store, and no router yet. */
  static async start(options: SystemFleetOptions): Promise<SystemFleet> {
    const world = await OperatorWorld.start({}, { etcdQuotaBytes });
    await world.makeNamespace(team);
    const folder = await mkdtemp(join(tmpdir(), "system-"));
    await writeFile(join(folder, "record"), "");
    await writeFile(join(folder, "routers"), "[]");
    const key = await ensureSigningKey(world.client, install, signingKeySecret);
    const signingKey = String(key.export({ format: "pem", type: "pkcs8" }));
    const fleet = new SystemFleet(world, { folder, signingKey, options });
    await fleet.kubelet.start();
    await fleet.startStore();
    fleet.#service = await FleetService.start({
      ...{ client: world.client, namespace: install, labelSelector: `${leaderLabel}=true` },
      ...{ address: fleet.operatorAddress, port: ports.operatorInternal },
    });
    await Promise.all(Array.from({ length: operatorCount }, () => fleet.operators.add()));
    return fleet;
  }

  /** Its process; what it keeps outlives that. */
  get store(): FleetProcess<FleetStorePorts> {
    if (this.#storeProcess === undefined) throw new Error("Cannot find the package store: it does not run");
    return this.#storeProcess;
  }

  async startStore(): Promise<void> {
    const order = { directory: join(this.#folder, "store"), address: this.#storeAddress, port: ports.packages };
    this.#storeProcess = await startFleetProcess<FleetStorePorts>(
      "./store-process.ts",
      order satisfies FleetStoreOrder,
      this.network.newGroup(),
    );
  }

  /** Of the package store. */
  get storePlace(): { readonly ip: string; readonly port: number } {
    return { ip: this.#storeAddress, port: ports.packages };
  }

  /** The operator that the Service leads to. */
  async leader(): Promise<OneOperator> {
    return await this.world.until("an operator leads", () =>
      Promise.resolve(this.operators.all.find(({ podName }) => this.#service?.podNames.includes(podName) === true)),
    );
  }

  /** Resolves when it can be called. */
  async addFunction(name: string, spec: Partial<FunctionSpecInput> = {}): Promise<void> {
    await this.world.createFunction(team, name, spec);
    await this.world.untilCondition({ namespace: team, name }, { type: "Ready", status: "True" });
  }

  /** As the functions wrote them down. */
  runs(): readonly Run[] {
    return readRuns(this.#record, this.kubelet.endedAtMs);
  }

  /** As many operators as ever, of which one leads and is heard of by routers. */
  async whole(): Promise<void> {
    while (this.operators.all.length < operatorCount) await this.operators.add();
    await this.leader();
  }

  async stop(): Promise<void> {
    await this.closeClients();
    await this.killRouters();
    await this.operators.stop();
    await this.kubelet.stop();
    await this.#service?.stop();
    if (this.#storeProcess !== undefined) await killProcess(this.#storeProcess);
    await this.world.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
