/** Several real routers as processes, real agents, a real API server, and the operator's own writer of the roster. */
import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Agent, request } from "undici";
import { API_VERSION } from "../../../crds/names.ts";
import { aliasKind } from "../../../crds/v1alpha1/alias.ts";
import { functionKind, type FunctionObject } from "../../../crds/v1alpha1/function.ts";
import type { GrantedConcurrency } from "../../../crds/v1alpha1/invoke-config.ts";
import { versionKind } from "../../../crds/v1alpha1/version.ts";
import { ownerOf, parseRoster, ROSTER_NAME, type Roster } from "../../../crds/wire/roster.ts";
import { formatPublicKey } from "../../../lib/http/signed-claim.ts";
import { kinds } from "../../../lib/kubernetes/kinds.ts";
import type { KubernetesObject, Stored } from "../../../lib/kubernetes/object.ts";
import { OperatorWorld } from "../operator-world.ts";
import { FleetEnvironments } from "./fleet-environments.ts";
import { FleetNetwork } from "./fleet-network.ts";
import { FleetOperator } from "./fleet-operator.ts";
import { createRouterPod, deletePod, setRouterReady } from "./fleet-pods.ts";
import { startRouterProcess, untilGone, type FleetRouter } from "./fleet-router.ts";
import { readRuns, type Run } from "./run-record.ts";

export type { FleetRouter } from "./fleet-router.ts";

const install = "kubelambda";
export const team = "team";

export interface FleetAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

export class RouterFleet {
  readonly world: OperatorWorld;
  readonly routers: FleetRouter[] = [];
  readonly record: string;
  readonly network = new FleetNetwork();
  readonly operator: FleetOperator;
  readonly environments: FleetEnvironments;
  readonly #folder: string;
  readonly #keys = generateKeyPairSync("ed25519");
  readonly #client = new Agent({ connections: 100 });
  readonly #variables: Readonly<Record<string, string>>;
  #made = 0;

  private constructor(world: OperatorWorld, folder: string, variables: Readonly<Record<string, string>>) {
    this.world = world;
    this.#folder = folder;
    this.#variables = variables;
    this.record = join(folder, "record");
    this.operator = new FleetOperator(world.client, install);
    this.environments = new FleetEnvironments({
      ...{ client: world.client, operator: this.operator, network: this.network, namespace: team, folder },
      record: this.record,
      routerKey: formatPublicKey(this.#keys.publicKey),
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

  /** Routers come or go until there are so many, and the roster names them all. */
  async scaleTo(count: number): Promise<void> {
    const more = Math.max(0, count - this.routers.length);
    const started = await Promise.all(Array.from({ length: more }, () => this.#startRouter()));
    this.routers.push(...started);
    if (more > 0) this.environments.routersChanged();
    await Promise.all(this.routers.slice(count).map((router) => this.stopRouter(router)));
    await this.untilRoster(({ replicas }) => replicas.length === count);
  }

  /** As a rollout does it: it is told to end, and its pod is no longer ready. */
  async stopRouter(router: FleetRouter): Promise<void> {
    this.#take(router);
    router.process.kill("SIGTERM");
    await setRouterReady(this.world.client, { ...router, namespace: install }, false);
    await this.untilRoster(({ replicas }) => !replicas.some(({ podUid }) => podUid === router.podUid));
    await this.#reap(router);
  }

  /** kill -9; its kubelet notices. */
  async killRouter(router: FleetRouter): Promise<void> {
    this.#take(router);
    router.process.kill("SIGCONT");
    router.process.kill("SIGKILL");
    await this.#reap(router);
  }

  async untilRoster(isWanted: (roster: Roster) => boolean): Promise<Roster> {
    return await this.world.until("the roster is as wanted", async () => {
      const roster = await this.roster();
      return roster !== undefined && isWanted(roster) ? roster : undefined;
    });
  }

  async roster(): Promise<Roster | undefined> {
    const ref = { kind: kinds.configMap, namespace: install, name: ROSTER_NAME };
    const found = await this.world.client
      .get<KubernetesObject & { data?: Record<string, string> }>(ref)
      .catch(() => undefined);
    return parseRoster(found?.data);
  }

  /** The replica that owns the test's account. */
  async owner(): Promise<FleetRouter> {
    const roster = await this.roster();
    const podUid = roster === undefined ? undefined : ownerOf(roster, team)?.podUid;
    const owner = this.routers.find((router) => router.podUid === podUid);
    if (owner === undefined) throw new Error("Cannot find the owner: no router of the roster is it");
    return owner;
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

  /** `client`: whose connections are used; default: one for all. */
  async invoke(
    router: FleetRouter | undefined,
    name: string,
    event: object = {},
    client = this.#client,
  ): Promise<FleetAnswer> {
    const origin = `http://${router?.podIP}:${router?.ports.invokePort}`;
    const answer = await request(`${origin}/2015-03-31/functions/${encodeURIComponent(name)}/invocations`, {
      method: "POST",
      headers: { host: `${team}.fleet.test` },
      body: JSON.stringify(event),
      dispatcher: client,
    });
    return { status: answer.statusCode, headers: answer.headers, body: await answer.body.text() };
  }

  /** What all routers together have counted under these labels. */
  async metric(name: string, ...labels: readonly string[]): Promise<number> {
    const texts = this.routers.map(async ({ podIP, ports }) => {
      const answer = await request(`http://${podIP}:${ports.healthPort}/metrics`, { dispatcher: this.#client });
      return await answer.body.text();
    });
    const lines = (await Promise.all(texts)).flatMap((text) => text.split("\n"));
    const meant = lines.filter((line) => line.startsWith(`${name}{`) && labels.every((label) => line.includes(label)));
    return meant.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
  }

  /** As the functions wrote them down. */
  runs(name?: string): readonly Run[] {
    return readRuns(this.record, this.environments.endedAtMs).filter((run) => name === undefined || run.name === name);
  }

  async stop(): Promise<void> {
    this.network.close();
    await this.#client.destroy();
    await this.operator.stop();
    await Promise.all([...this.routers].map((router) => this.killRouter(router)));
    await this.environments.stop();
    await this.operator.close();
    await this.world.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #startRouter(): Promise<FleetRouter> {
    this.#made += 1;
    const podName = `router-${this.#made}`;
    const [podIP, group] = [this.network.newAddress(), this.network.newGroup()];
    const podUid = (await createRouterPod(this.world.client, podName, install)).metadata.uid;
    const order = {
      kubeconfig: this.world.controlPlane.kubeconfig,
      podUid,
      operatorUrl: `http://127.0.0.1:${this.operator.port}`,
      signingKey: String(this.#keys.privateKey.export({ format: "pem", type: "pkcs8" })),
      variables: {
        KUBELAMBDA_LISTEN_HOST: podIP,
        KUBELAMBDA_DOMAIN: "fleet.test",
        KUBELAMBDA_DEFAULT_NAMESPACE: team,
        ...this.#variables,
      },
    };
    const router = { podUid, podName, podIP, group, ...(await startRouterProcess(order, group)) };
    await setRouterReady(this.world.client, { ...router, namespace: install }, true);
    return router;
  }

  #take(router: FleetRouter): void {
    const place = this.routers.indexOf(router);
    if (place >= 0) this.routers.splice(place, 1);
    this.environments.routersChanged();
  }

  async #reap(router: FleetRouter): Promise<void> {
    await untilGone(router);
    await deletePod(this.world.client, install, router.podName).catch(() => undefined);
  }
}
