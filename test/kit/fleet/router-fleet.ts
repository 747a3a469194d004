/** Several real routers as processes, real agents, a real API server, and the operator's own writer of the roster. */
import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { API_VERSION } from "../../../crds/names.ts";
import { aliasKind } from "../../../crds/v1alpha1/alias.ts";
import { functionKind, type FunctionObject } from "../../../crds/v1alpha1/function.ts";
import type { GrantedConcurrency } from "../../../crds/v1alpha1/invoke-config.ts";
import { versionKind } from "../../../crds/v1alpha1/version.ts";
import { formatPublicKey } from "../../../lib/http/signed-claim.ts";
import type { Stored } from "../../../lib/kubernetes/object.ts";
import { OperatorWorld } from "../operator-world.ts";
import { FleetEnvironments } from "./fleet-environments.ts";
import { FleetOperator } from "./fleet-operator.ts";
import { FleetRouters, install, team } from "./fleet-routers.ts";
import { readRuns, type Run } from "./run-record.ts";

export { team, type FleetAnswer, type FleetRouter } from "./fleet-routers.ts";

export class RouterFleet extends FleetRouters {
  readonly record: string;
  readonly operator: FleetOperator;
  readonly environments: FleetEnvironments;
  readonly #folder: string;

  private constructor(world: OperatorWorld, folder: string, variables: Readonly<Record<string, string>>) {
    const { publicKey, privateKey } = generateKeyPairSync("ed25519");
    super({
      ...{ world, variables },
      operatorUrl: () => `http://127.0.0.1:${this.operator.port}`,
      signingKey: String(privateKey.export({ format: "pem", type: "pkcs8" })),
      onRouters: () => this.environments.routersChanged(),
    });
    this.#folder = folder;
    this.record = join(folder, "record");
    this.operator = new FleetOperator(world.client, install);
    this.environments = new FleetEnvironments({
      ...{ client: world.client, operator: this.operator, network: this.network, namespace: team, folder },
      record: this.record,
      routerKey: formatPublicKey(publicKey),
      routerAddresses: () => this.routers.map(({ podIP }) => podIP),
    });
  }

  /** `variables`: of every router. */
  static async start(variables: Readonly<Record<string, string>> = {}): Promise<RouterFleet> {
    const world = await OperatorWorld.start();
    await world.makeNamespace(team);
    const fleet = new RouterFleet(world, await mkdtemp(join(tmpdir(), "fleet-")), variables);
    await writeFile(fleet.record, "");
    await fleet.operator.start();
    return fleet;
  }

  async addFunction(
    name: string,
    { reserved, timeout = 3 }: { readonly reserved?: number; readonly timeout?: number } = {},
  ): Promise<Stored<FunctionObject>> {
    const spec = { timeout, ...(reserved !== undefined && { reservedConcurrentExecutions: reserved }) };
    const made = await this.world.createFunction(team, name, spec);
    const status = { state: "Active", revisionID: "r1" };
    await this.world.client.patch({ kind: functionKind, namespace: team, name }, { status }, { subresource: "status" });
    return made;
  }

  async addVersion(functionName: string, version: number): Promise<void> {
    const metadata = { name: `${functionName}-${version}`, namespace: team };
    await this.world.client.create({
      ...{ apiVersion: API_VERSION, kind: "Version", metadata, spec: { functionName } },
    });
    const status = { version, revisionID: `v${version}`, timeout: 3 };
    const ref = { kind: { ...versionKind, namespaced: true }, ...metadata };
    await this.world.client.patch(ref, { status }, { subresource: "status" });
  }

  /** Makes the alias, or sends it elsewhere. `weights`: of additional versions. */
  async pointAlias(functionName: string, name: string, version: string, weights: Record<string, number> = {}) {
    const metadata = { name: `${functionName}-${name}`, namespace: team };
    const routingConfig = { additionalVersionWeights: weights };
    const spec = { name, functionName, functionVersion: version, routingConfig };
    const ref = { kind: { ...aliasKind, namespaced: true }, ...metadata };
    const made = await this.world.client.patch(ref, { spec }).catch(() => undefined);
    if (made === undefined) await this.world.client.create({ apiVersion: API_VERSION, kind: "Alias", metadata, spec });
  }

  async reserve(name: string, reserved: number | null): Promise<void> {
    await this.world.patchSpec(team, name, { reservedConcurrentExecutions: reserved });
  }

  /** What the operator's status says that the account grants. */
  async grant(name: string, concurrency: GrantedConcurrency): Promise<void> {
    const ref = { kind: functionKind, namespace: team, name };
    // The whole of it: a patch would leave in place what is not named.
    await this.world.client.patch(ref, { status: { concurrency: null } }, { subresource: "status" });
    await this.world.client.patch(ref, { status: { concurrency } }, { subresource: "status" });
  }

  /** Environments that are kept ready for a version. */
  async addProvisioned(owner: Stored<FunctionObject>, count: number, version: string): Promise<void> {
    await this.environments.add(count, { owner, version, isProvisioned: true });
  }

  async addEnvironments(owner: Stored<FunctionObject>, count: number, version = "$LATEST"): Promise<void> {
    await this.environments.add(count, { owner, version });
  }

  /** As the functions wrote them down. */
  runs(name?: string): readonly Run[] {
    return readRuns(this.record, this.environments.endedAtMs).filter((run) => name === undefined || run.name === name);
  }

  async whole(): Promise<void> {
    await this.environments.whole();
  }

  async stop(): Promise<void> {
    await this.closeClients();
    await this.operator.stop();
    await this.killRouters();
    await this.environments.stop();
    await this.operator.close();
    await this.world.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
