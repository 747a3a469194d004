/** A real router on real sockets, with an API server in memory, scripted agents and an operator that keeps its reports. */
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { request, Agent } from "undici";
import { API_VERSION, labels } from "../../crds/names.ts";
import { aliasKind } from "../../crds/v1alpha1/alias.ts";
import { functionKind, type FunctionObject } from "../../crds/v1alpha1/function.ts";
import { versionKind } from "../../crds/v1alpha1/version.ts";
import type { LoadReport } from "../../crds/wire/load-report.ts";
import { ownerOf, ROSTER_KEY, ROSTER_NAME, type Roster } from "../../crds/wire/roster.ts";
import { routes } from "../../crds/wire/routes.ts";
import { systemClock } from "../../lib/clock.ts";
import type { KubernetesClient } from "../../lib/kubernetes/client.ts";
import type { TokenVerifier } from "../../lib/http/service-account-token.ts";
import { kinds } from "../../lib/kubernetes/kinds.ts";
import type { KubernetesObject, Stored } from "../../lib/kubernetes/object.ts";
import { silentLogger, type Logger } from "../../lib/logger.ts";
import { ObjectStore } from "../../local/object-store.ts";
import { LineWriter } from "../../lib/line-writer.ts";
import { routerConfigSchema, startRouter, type RouterConfig, type RunningRouter } from "../../runtime-proxy/router.ts";
import { ScriptedAgent } from "./scripted-agent.ts";

export interface FunctionOptions {
  readonly name: string;
  readonly namespace?: string;
  readonly spec?: Partial<FunctionObject["spec"]>;
  readonly status?: Partial<NonNullable<FunctionObject["status"]>>;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

export class RouterWorld {
  readonly store = new ObjectStore({ kinds: [functionKind, versionKind, aliasKind], nowMs: () => Date.now() });
  readonly keys: { readonly publicKey: KeyObject; readonly privateKey: KeyObject } = generateKeyPairSync("ed25519");
  readonly agents: ScriptedAgent[] = [];
  readonly reports: LoadReport[] = [];
  /** Of tokens for `kubelambda top`; absent: there are none. */
  verifyTopToken?: TokenVerifier;
  /** Of tokens that the cluster has signed; absent: there are none. */
  verifyCallerToken?: TokenVerifier;
  /** What routers have written of it. */
  accessLog = "";
  log: Logger = silentLogger;
  /** What the operator wants back. */
  release: readonly string[] = [];
  /** A number in [0, 1), as each router draws it by itself; the first router is 0. */
  draw: (router: number) => number = () => 0;
  readonly #routers: RunningRouter[] = [];
  readonly #waiting = new Set<() => void>();
  readonly #connections = new Agent({ connections: 200 });
  readonly #operator: Server;
  #pods = 0;
  #epoch = 0;
  #entry = 0;

  readonly #client: KubernetesClient;

  /** `wrap`: what the routers ask in place of the API server in memory. */
  constructor(wrap: (store: KubernetesClient) => KubernetesClient = (store) => store) {
    this.#client = wrap(this.store);
    this.#operator = createServer((incoming, response) => {
      void (async () => {
        const chunks: Buffer[] = [];
        for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
        this.reports.push(JSON.parse(Buffer.concat(chunks).toString()) as LoadReport);
        response.end(JSON.stringify({ release: this.release }));
        for (const look of this.#waiting) look();
      })();
    });
  }

  /** Starts so many; calls go to one that has to ask another, where there are several. */
  async startRouters(count: number, changes: Partial<RouterConfig> = {}): Promise<void> {
    while (this.#routers.length < count) await this.startRouter(changes);
    const owner = ownerOf({ replicas: this.#replicas() }, "default")?.podUid;
    this.#entry = Math.max(0, this.#routers.length - 1);
    if (owner === replicaName(this.#entry)) this.#entry = 0;
  }

  /** Starts one more router; the first call starts the operator too. */
  async startRouter(changes: Partial<RouterConfig> = {}, client = this.#client): Promise<RunningRouter> {
    if (!this.#operator.listening) {
      await new Promise<void>((resolve) => this.#operator.listen(0, "127.0.0.1", resolve));
    }
    const config: RouterConfig = {
      ...routerConfigSchema.parse({
        KUBELAMBDA_LISTEN_HOST: "127.0.0.1",
        KUBELAMBDA_INVOKE_PORT: "0",
        KUBELAMBDA_INTERNAL_PORT: "0",
        KUBELAMBDA_HEALTH_PORT: "0",
        KUBELAMBDA_OPERATOR_URL: `http://127.0.0.1:${(this.#operator.address() as AddressInfo).port}`,
        KUBELAMBDA_POD_UID: replicaName(this.#routers.length),
        KUBELAMBDA_NAMESPACE: "kubelambda",
        // Who calls has tests of its own.
        KUBELAMBDA_AUTH_MODE: "none",
      }),
      ...changes,
    };
    const place = this.#routers.length;
    const router = await startRouter(config, {
      client,
      signingKey: this.keys.privateKey,
      // The token of a pod is its uid here: checking real ones has its own test.
      verifyAgentToken: (authorization) => {
        const podUid = /^Bearer (\S+)$/.exec(authorization ?? "")?.[1];
        if (podUid === undefined) return Promise.resolve({ ok: false, reason: "no bearer token" });
        return Promise.resolve({ ok: true, identity: { namespace: "default", serviceAccount: "default", podUid } });
      },
      readOperatorToken: () => Promise.resolve("token"),
      ...(this.verifyTopToken !== undefined && { verifyTopToken: this.verifyTopToken }),
      ...(this.verifyCallerToken !== undefined && { verifyCallerToken: this.verifyCallerToken }),
      output: new LineWriter({
        clock: systemClock,
        write: (bytes, done) => {
          this.accessLog += bytes.toString();
          done(null, bytes.length);
        },
      }),
      log: this.log,
      clock: systemClock,
      draw: () => this.draw(place),
    });
    this.#routers.push(router);
    await this.#writeRoster();
    return router;
  }

  /** All routers that run, as the operator would write it. */
  async #writeRoster(): Promise<void> {
    this.#epoch += 1;
    const roster: Roster = { epoch: this.#epoch, previous: this.#epoch - 1, replicas: this.#replicas() };
    const data = { [ROSTER_KEY]: JSON.stringify(roster) };
    const ref = { kind: kinds.configMap, namespace: "kubelambda", name: ROSTER_NAME };
    const object = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: ref.name, namespace: ref.namespace },
      data,
    };
    if (this.#epoch === 1) await this.store.create(object);
    else await this.store.patch(ref, { data });
  }

  #replicas(): Roster["replicas"] {
    return this.#routers.map(({ internalPort }, number) => {
      return { podUid: replicaName(number), address: `127.0.0.1:${internalPort}` };
    });
  }

  /** Who takes the calls. */
  get router(): RunningRouter {
    return this.#routers[this.#entry]!;
  }

  get routers(): readonly RunningRouter[] {
    return this.#routers;
  }

  /** Who decides what runs in the namespace "default". */
  get owner(): RunningRouter {
    const owner = ownerOf({ replicas: this.#replicas() }, "default")?.podUid;
    return this.#routers.find((_, number) => replicaName(number) === owner)!;
  }

  /** Makes a function that is Active with revision "r1", unless told otherwise. */
  async addFunction({ name, namespace = "default", spec, status }: FunctionOptions): Promise<Stored<FunctionObject>> {
    const object = {
      apiVersion: API_VERSION,
      kind: "Function",
      metadata: { name, namespace },
      spec: { timeout: 3, ...spec },
    };
    const created = await this.store.create(object as unknown as FunctionObject);
    await this.setStatus(created, { state: "Active", revisionID: "r1", ...status });
    return created;
  }

  async setStatus({ metadata }: Stored<FunctionObject>, status: object): Promise<void> {
    const ref = { kind: functionKind, name: metadata.name, namespace: metadata.namespace ?? "default" };
    await this.store.patch(ref, { status }, { subresource: "status" });
  }

  /** Makes a pod with an agent behind it, which has announced nothing yet. */
  async addPod(
    { metadata }: Stored<FunctionObject>,
    revisionID = "r1",
    configurationID?: string,
  ): Promise<ScriptedAgent> {
    this.#pods += 1;
    const pod: KubernetesObject = {
      ...{ apiVersion: "v1", kind: "Pod" },
      metadata: {
        name: `environment-${this.#pods}`,
        namespace: metadata.namespace ?? "default",
        labels: {
          [labels.component]: "environment",
          [labels.functionUid]: metadata.uid,
          [labels.revision]: revisionID,
          ...(configurationID !== undefined && { [labels.configuration]: configurationID }),
        },
      },
      spec: {},
    };
    const created = await this.store.create(pod);
    const agent = await new ScriptedAgent(created.metadata.uid).listen();
    this.agents.push(agent);
    return agent;
  }

  async removePod(number: number, namespace = "default"): Promise<void> {
    await this.store.delete({ kind: kinds.pod, name: `environment-${number}`, namespace }, { gracePeriodSeconds: 0 });
  }

  /** A ready environment, told to every router. */
  async addEnvironment(
    owner: Stored<FunctionObject>,
    revisionID = "r1",
    configurationID?: string,
  ): Promise<ScriptedAgent> {
    const agent = await this.addPod(owner, revisionID, configurationID);
    for (const router of this.#routers) await this.announce(agent, router);
    return agent;
  }

  /** Announces as the agent stands, by default to whom its agent would find; returns the router's status. */
  async announce(
    agent: Pick<ScriptedAgent, "podUid" | "announcement">,
    router = this.owner,
    token = agent.podUid,
  ): Promise<number> {
    const { statusCode, body } = await request(
      `http://127.0.0.1:${router.internalPort}${routes.environment(agent.podUid)}`,
      {
        method: "PUT",
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        body: JSON.stringify(agent.announcement),
        dispatcher: this.#connections,
      },
    );
    await body.dump();
    return statusCode;
  }

  /** Invokes as plain HTTP. */
  async invoke(name: string, body = "{}", headers: Record<string, string> = {}): Promise<HttpAnswer> {
    return await this.call(`/2015-03-31/functions/${name}/invocations`, { body, headers });
  }

  async call(
    path: string,
    { body = "", headers = {}, router = this.router, method = "POST" }: CallOptions = {},
  ): Promise<HttpAnswer> {
    const answer = await request(`http://127.0.0.1:${router.invokePort}${path}`, {
      method,
      headers,
      body: body.length === 0 ? null : body,
      dispatcher: this.#connections,
    });
    return { status: answer.statusCode, headers: answer.headers, body: await answer.body.text() };
  }

  /** The first report, past or to come, that the predicate takes. */
  async reported(isWanted: (report: LoadReport) => boolean): Promise<LoadReport> {
    const { promise, resolve, reject } = Promise.withResolvers<LoadReport>();
    const look = (): void => {
      const found = this.reports.find(isWanted);
      if (found !== undefined) resolve(found);
    };
    const timer = setTimeout(
      () => reject(new Error(`Cannot see it reported: ${JSON.stringify(this.reports.at(-1))}`)),
      10_000,
    );
    this.#waiting.add(look);
    look();
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(look);
    }
  }

  async close(): Promise<void> {
    await this.#connections.destroy();
    await Promise.all(this.#routers.map((router) => router.stop(1000)));
    for (const agent of this.agents) await agent.close();
    this.#operator.closeAllConnections();
    await new Promise<void>((resolve) => this.#operator.close(() => resolve()));
  }
}

function replicaName(number: number): string {
  return `router-${number}`;
}

export interface CallOptions {
  readonly body?: string | Buffer;
  readonly headers?: Record<string, string>;
  readonly router?: RunningRouter;
  readonly method?: "GET" | "POST";
}
