/** Real routers as processes, each with a pod on a real API server, as many as a test wants. */
import { Agent, request } from "undici";
import { ownerOf, parseRoster, ROSTER_NAME, type Roster } from "../../../crds/wire/roster.ts";
import { kinds } from "../../../lib/kubernetes/kinds.ts";
import type { KubernetesObject } from "../../../lib/kubernetes/object.ts";
import type { OperatorWorld } from "../operator-world.ts";
import { FleetNetwork } from "./fleet-network.ts";
import { createInstallPod, deletePod, setPodReady } from "./fleet-pods.ts";
import { startFleetProcess, untilGone } from "./fleet-process.ts";
import type { FleetRouter } from "./fleet-router.ts";
import type { FleetRouterOrder, FleetRouterPorts } from "./router-process.ts";

export type { FleetRouter } from "./fleet-router.ts";

export const install = "kubelambda";
export const team = "team";

export interface FleetAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

export interface FleetRoutersParts {
  readonly world: OperatorWorld;
  /** Where routers report to. */
  readonly operatorUrl: () => string;
  /** PKCS8 PEM. */
  readonly signingKey: string;
  /** Of every router. */
  readonly variables: Readonly<Record<string, string>>;
  /** Routers came or went. */
  readonly onRouters: () => void;
}

export class FleetRouters {
  readonly world: OperatorWorld;
  readonly network = new FleetNetwork();
  readonly routers: FleetRouter[] = [];
  readonly #parts: FleetRoutersParts;
  readonly #client = new Agent({ connections: 100 });
  #made = 0;

  constructor(parts: FleetRoutersParts) {
    this.world = parts.world;
    this.#parts = parts;
  }

  /** Routers come or go until there are so many, and the roster names them all. */
  async scaleTo(count: number): Promise<void> {
    const more = Math.max(0, count - this.routers.length);
    const started = await Promise.all(Array.from({ length: more }, () => this.#startRouter()));
    this.routers.push(...started);
    if (more > 0) this.#parts.onRouters();
    await Promise.all(this.routers.slice(count).map((router) => this.stopRouter(router)));
    await this.untilRoster(({ replicas }) => replicas.length === count);
  }

  /** As a rollout does it: it is told to end, and its pod is no longer ready. */
  async stopRouter(router: FleetRouter): Promise<void> {
    this.#take(router);
    router.process.kill("SIGTERM");
    await setPodReady(this.world.client, { ...router, namespace: install }, false);
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

  /** Nobody is called any more, and packets pass. */
  async closeClients(): Promise<void> {
    this.network.close();
    await this.#client.destroy();
  }

  async killRouters(): Promise<void> {
    await Promise.all([...this.routers].map((router) => this.killRouter(router)));
  }

  async #startRouter(): Promise<FleetRouter> {
    this.#made += 1;
    const podName = `router-${this.#made}`;
    const pod = { name: podName, namespace: install, serviceAccount: "router" };
    const [podIP, group] = [this.network.newAddress(), this.network.newGroup()];
    const podUid = (await createInstallPod(this.world.client, pod)).metadata.uid;
    const order: FleetRouterOrder = {
      kubeconfig: this.world.controlPlane.kubeconfig,
      podUid,
      operatorUrl: this.#parts.operatorUrl(),
      signingKey: this.#parts.signingKey,
      variables: {
        KUBELAMBDA_LISTEN_HOST: podIP,
        KUBELAMBDA_DOMAIN: "fleet.test",
        KUBELAMBDA_DEFAULT_NAMESPACE: team,
        ...this.#parts.variables,
      },
    };
    const started = await startFleetProcess<FleetRouterPorts>("./router-process.ts", order, group);
    const router = { podUid, podName, podIP, ...started };
    await setPodReady(this.world.client, { ...router, namespace: install }, true);
    return router;
  }

  #take(router: FleetRouter): void {
    const place = this.routers.indexOf(router);
    if (place >= 0) this.routers.splice(place, 1);
    this.#parts.onRouters();
  }

  async #reap(router: FleetRouter): Promise<void> {
    await untilGone(router);
    await deletePod(this.world.client, install, router.podName).catch(() => undefined);
  }
}
