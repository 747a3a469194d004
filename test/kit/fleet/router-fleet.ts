/** Several real routers as processes, real agents, a real API server, and the operator's own writer of the roster. */
import { spawn, type ChildProcess } from "node:child_process";
import { generateKeyPairSync, randomInt } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Agent, request } from "undici";
import { annotations, API_VERSION, labels } from "../../../crds/names.ts";
import { functionKind, type FunctionObject } from "../../../crds/v1alpha1/function.ts";
import { versionKind } from "../../../crds/v1alpha1/version.ts";
import type { LoadReport } from "../../../crds/wire/load-report.ts";
import { ownerOf, parseRoster, ROSTER_NAME, type Roster } from "../../../crds/wire/roster.ts";
import { ports } from "../../../crds/wire/routes.ts";
import { systemClock } from "../../../lib/clock.ts";
import { formatPublicKey } from "../../../lib/http/signed-claim.ts";
import { kinds } from "../../../lib/kubernetes/kinds.ts";
import type { KubernetesObject, Stored } from "../../../lib/kubernetes/object.ts";
import { silentLogger } from "../../../lib/logger.ts";
import { RosterWriter } from "../../../operator/roster/roster-writer.ts";
import { RouterPods } from "../../../operator/router-pods.ts";
import { TcpProxy } from "../kubernetes/tcp-proxy.ts";
import { freePorts } from "../../cluster/free-ports.ts";
import { OperatorWorld } from "../operator-world.ts";
import { FleetEnvironment } from "./fleet-environment.ts";
import type { FleetRouterPorts } from "./router-process.ts";
import { readRuns, type Run } from "./run-record.ts";

const routerFile = fileURLToPath(new URL("./router-process.ts", import.meta.url));
const install = "kubelambda";
export const team = "team";

export interface FleetRouter {
  readonly podUid: string;
  readonly podName: string;
  readonly podIP: string;
  readonly process: ChildProcess;
  readonly ports: FleetRouterPorts;
  /** Between the other routers and agents and it. */
  readonly proxy: TcpProxy;
}

export interface FleetAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

export class RouterFleet {
  readonly world: OperatorWorld;
  readonly routers: FleetRouter[] = [];
  readonly record: string;
  readonly #folder: string;
  readonly #keys = generateKeyPairSync("ed25519");
  readonly #client = new Agent({ connections: 100 });
  readonly #environments: FleetEnvironment[] = [];
  readonly #heardAtMs = new Map<string, number>();
  readonly #operator: Server;
  readonly #routerPods: RouterPods;
  readonly #roster: RosterWriter;
  #variables: Readonly<Record<string, string>> = {};
  /** Of this fleet alone on the machine's loopback: pods have addresses of their own, and the ports of production. */
  readonly #network = `127.${randomInt(10, 250)}.${randomInt(0, 250)}`;
  #made = 0;

  private constructor(world: OperatorWorld, folder: string) {
    this.world = world;
    this.#folder = folder;
    this.record = join(folder, "record");
    const { client } = world;
    this.#routerPods = new RouterPods({
      ...{ client, clock: systemClock, log: silentLogger },
      router: { namespace: install, serviceAccount: "router" },
    });
    this.#roster = new RosterWriter({
      ...{ client, clock: systemClock, log: silentLogger, namespace: install },
      mayAct: () => true,
      routers: () => this.#routerPods.all().map((pod) => ({ ...pod, silentForMs: this.#silentForMs(pod.podUid) })),
      onRouters: (listener) => this.#routerPods.onChange(listener),
      whenBorn: () => Promise.resolve(),
    });
    this.#operator = createServer((incoming, response) => {
      void (async () => {
        const chunks: Buffer[] = [];
        for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
        const report = JSON.parse(Buffer.concat(chunks).toString()) as LoadReport;
        this.#heardAtMs.set(report.replica, performance.now());
        response.end(JSON.stringify({ release: [] }));
      })();
    });
  }

  /** `variables`: of every router. */
  static async start(variables: Readonly<Record<string, string>> = {}): Promise<RouterFleet> {
    const world = await OperatorWorld.start();
    await world.makeNamespace(team);
    const fleet = new RouterFleet(world, await mkdtemp(join(tmpdir(), "fleet-")));
    fleet.#variables = variables;
    await writeFile(fleet.record, "");
    await new Promise<void>((resolve) => fleet.#operator.listen(0, "127.0.0.1", resolve));
    await fleet.#routerPods.start();
    await fleet.#roster.read();
    fleet.#roster.start();
    return fleet;
  }

  /** Starts routers until there are so many, each known to the roster before this resolves. */
  async scaleTo(count: number): Promise<void> {
    while (this.routers.length < count) this.routers.push(await this.#startRouter());
    while (this.routers.length > count) await this.stopRouter(this.routers.length - 1);
    await this.untilRoster(({ replicas }) => replicas.length === count);
  }

  /** As a rollout does it: out of the roster first, then SIGTERM. */
  async stopRouter(index: number): Promise<void> {
    const [router] = this.routers.splice(index, 1);
    if (router === undefined) return;
    await this.#setReady(router, false);
    await this.untilRoster(({ replicas }) => !replicas.some(({ podUid }) => podUid === router.podUid));
    router.process.kill("SIGTERM");
    await this.#reap(router);
  }

  /** kill -9; its kubelet notices. */
  async killRouter(router: FleetRouter): Promise<void> {
    this.routers.splice(this.routers.indexOf(router), 1);
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

  async reserve(name: string, reserved: number | null): Promise<void> {
    await this.world.patchSpec(team, name, { reservedConcurrentExecutions: reserved });
  }

  async addEnvironments(owner: Stored<FunctionObject>, count: number, version = "$LATEST"): Promise<void> {
    const epoch = (await this.roster())?.epoch ?? 0;
    const revisionID = version === "$LATEST" ? "r1" : `v${version}`;
    const made = Array.from({ length: count }, async () => {
      const { pod, podIP } = await this.#makePod(owner, revisionID, epoch);
      return await FleetEnvironment.start({
        ...{ folder: this.#folder, podUid: pod.metadata.uid, epoch, revisionID, version, record: this.record },
        functionName: owner.metadata.name,
        functionUid: owner.metadata.uid,
        timeoutSeconds: owner.spec.timeout,
        routers: () => this.routers.map((router) => router.podIP),
        podIP,
        routerKey: formatPublicKey(this.#keys.publicKey),
      });
    });
    this.#environments.push(...(await Promise.all(made)));
  }

  async invoke(router: FleetRouter | undefined, name: string, event: object = {}): Promise<FleetAnswer> {
    const port = router?.ports.invokePort ?? 0;
    const answer = await request(
      `http://127.0.0.1:${port}/2015-03-31/functions/${encodeURIComponent(name)}/invocations`,
      {
        method: "POST",
        headers: { host: `${team}.fleet.test` },
        body: JSON.stringify(event),
        dispatcher: this.#client,
      },
    );
    return { status: answer.statusCode, headers: answer.headers, body: await answer.body.text() };
  }

  /** Runs since `sinceMs` (process.hrtime), as the functions wrote them down. */
  runs(name?: string): readonly Run[] {
    return readRuns(this.record).filter((run) => name === undefined || run.name === name);
  }

  async stop(): Promise<void> {
    await this.#client.destroy();
    await this.#roster.stop();
    for (const router of this.routers.splice(0)) {
      router.process.kill("SIGCONT");
      router.process.kill("SIGKILL");
      await this.#reap(router);
    }
    await Promise.all(this.#environments.map((environment) => environment.stop()));
    this.#operator.closeAllConnections();
    await new Promise<void>((resolve) => this.#operator.close(() => resolve()));
    await this.#routerPods.stop();
    await this.world.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }

  #silentForMs(podUid: string): number | undefined {
    const atMs = this.#heardAtMs.get(podUid);
    return atMs === undefined ? undefined : performance.now() - atMs;
  }

  async #startRouter(): Promise<FleetRouter> {
    this.#made += 1;
    const podName = `router-${this.#made}`;
    const [internalPort = 0] = await freePorts(1);
    const podIP = `${this.#network}.${this.#made}`;
    const proxy = await TcpProxy.start(internalPort, { host: podIP, port: ports.routerInternal });
    const pod = { ...podOf("router"), metadata: { name: podName, namespace: install } };
    const podUid = (await this.world.client.create(pod as KubernetesObject)).metadata.uid;
    const order = {
      kubeconfig: this.world.controlPlane.kubeconfig,
      podUid,
      operatorUrl: `http://127.0.0.1:${(this.#operator.address() as AddressInfo).port}`,
      signingKey: this.#keys.privateKey.export({ format: "pem", type: "pkcs8" }),
      variables: {
        KUBELAMBDA_INTERNAL_PORT: String(internalPort),
        KUBELAMBDA_DOMAIN: "fleet.test",
        KUBELAMBDA_DEFAULT_NAMESPACE: team,
        ...this.#variables,
      },
    };
    const child = spawn(process.execPath, [routerFile, JSON.stringify(order)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const opened = await firstLine<FleetRouterPorts>(child);
    const router = { podUid, podName, podIP, process: child, ports: opened, proxy };
    await this.#setReady(router, true);
    await this.untilRoster(({ replicas }) => replicas.some((replica) => replica.podUid === podUid));
    return router;
  }

  async #reap({ process: child, podName, proxy }: FleetRouter): Promise<void> {
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    await proxy.stop();
    const ref = { kind: kinds.pod, namespace: install, name: podName };
    await this.world.client.delete(ref, { gracePeriodSeconds: 0 }).catch(() => undefined);
  }

  /** What a kubelet says of a router's pod. */
  async #setReady({ podName, podIP }: Pick<FleetRouter, "podName" | "podIP">, isReady: boolean): Promise<void> {
    const ref = { kind: kinds.pod, namespace: install, name: podName };
    const conditions = [{ type: "Ready", status: isReady ? "True" : "False" }];
    const status = { phase: "Running", podIP, podIPs: [{ ip: podIP }], conditions };
    await this.world.client.patch(ref, { status }, { subresource: "status" });
  }

  async #makePod(owner: Stored<FunctionObject>, revisionID: string, epoch: number) {
    this.#made += 1;
    const metadata = {
      name: `environment-${this.#made}`,
      namespace: team,
      labels: {
        [labels.component]: "environment",
        [labels.functionUid]: owner.metadata.uid,
        [labels.revision]: revisionID,
      },
      annotations: { [annotations.epoch]: String(epoch) },
    };
    const podIP = `${this.#network}.${this.#made}`;
    const pod = await this.world.client.create({ ...podOf("default"), metadata } as unknown as KubernetesObject);
    const ref = { kind: kinds.pod, namespace: team, name: metadata.name };
    await this.world.client.patch(ref, { status: { podIP, podIPs: [{ ip: podIP }] } }, { subresource: "status" });
    return { pod, podIP };
  }
}

/** As little as the API server and the namespaces' pod security take. */
function podOf(serviceAccountName: string): object {
  const securityContext = { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } };
  return {
    apiVersion: "v1",
    kind: "Pod",
    spec: {
      serviceAccountName,
      securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: "RuntimeDefault" } },
      containers: [{ name: "main", image: "none", securityContext }],
    },
  };
}

async function firstLine<T>(child: ChildProcess): Promise<T> {
  let text = "";
  for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
    text += chunk.toString();
    const end = text.indexOf("\n");
    if (end >= 0) return JSON.parse(text.slice(0, end)) as T;
  }
  throw new Error(`Cannot start a router: it said ${JSON.stringify(text)}`);
}
