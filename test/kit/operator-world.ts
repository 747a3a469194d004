/** A real operator against a real API server and a real package store; routers and the kubelet are scripted. */
import { readFileSync } from "node:fs";
import { request } from "undici";
import { parse } from "yaml";
import { kindDefinitions } from "../../crds/kinds.ts";
import { API_VERSION, FETCH_COMPONENT, labels } from "../../crds/names.ts";
import { functionKind, type FunctionObject, type FunctionSpecInput } from "../../crds/v1alpha1/function.ts";
import type { FunctionLoad, LoadReportAnswer } from "../../crds/wire/load-report.ts";
import { routes } from "../../crds/wire/routes.ts";
import { systemClock } from "../../lib/clock.ts";
import { kubeconfigAccess } from "../../lib/kubernetes/api-server-access.ts";
import { ApiServerClient } from "../../lib/kubernetes/api-server-client.ts";
import type { KubernetesClient } from "../../lib/kubernetes/client.ts";
import { kinds } from "../../lib/kubernetes/kinds.ts";
import type { KubernetesObject, Stored } from "../../lib/kubernetes/object.ts";
import { createLogger, silentLogger } from "../../lib/logger.ts";
import { createHttpPackageStore } from "../../operator/http-package-store.ts";
import {
  operatorConfigSchema,
  startOperator,
  type OperatorConfig,
  type OperatorDependencies,
  type RunningOperator,
} from "../../operator/operator.ts";
import type { Pod } from "../../operator/pod.ts";
import { startControlPlane, type ControlPlane, type ControlPlaneOptions } from "../cluster/control-plane.ts";
import { operatorToken, startTestStore, trustingVerifier, type TestStore } from "./package-store-server.ts";

const routerToken = "kubelambda/router";
const waitMs = 15_000;

export class OperatorWorld {
  readonly controlPlane: ControlPlane;
  readonly client: ApiServerClient;
  readonly store: TestStore;
  readonly functionKind = functionKind;
  /** Routers whose pods are gone. */
  readonly goneReplicas = new Set<string>();
  #operators: RunningOperator[] = [];
  #sequence = 0;
  #namespaces = 0;

  private constructor(parts: { controlPlane: ControlPlane; client: ApiServerClient; store: TestStore }) {
    this.controlPlane = parts.controlPlane;
    this.client = parts.client;
    this.store = parts.store;
  }

  /** `storeEnv`: variables of the package store. */
  static async start(
    storeEnv: Readonly<Record<string, string>> = {},
    options: ControlPlaneOptions = {},
  ): Promise<OperatorWorld> {
    const controlPlane = await startControlPlane(options);
    const client = await testClient(controlPlane.kubeconfig);
    for (const { plural } of kindDefinitions) {
      const text = readFileSync(new URL(`../../crds/${plural}.yaml`, import.meta.url), "utf8");
      await client.create(parse(text) as KubernetesObject);
    }
    const world = new OperatorWorld({ controlPlane, client, store: await startTestStore(storeEnv) });
    await world.makeNamespace("kubelambda");
    for (const kind of kindDefinitions) {
      await world.until(`${kind.kind} is served`, () =>
        client.list({ ...kind, namespaced: true }).catch(() => undefined),
      );
    }
    return world;
  }

  async stop(): Promise<void> {
    for (const operator of this.#operators.splice(0)) await operator.stop(2000);
    await this.client.close();
    await this.store.stop();
    await this.controlPlane.stop();
  }

  async startOperator(
    env: Readonly<Record<string, string>> = {},
    changes: Partial<OperatorDependencies> = {},
  ): Promise<RunningOperator> {
    const config = operatorTestConfig({
      KUBELAMBDA_PACKAGES_URL: this.store.url,
      KUBELAMBDA_LEADER_ELECTION: "false",
      KUBELAMBDA_LISTEN_HOST: "127.0.0.1",
      KUBELAMBDA_HEALTH_PORT: "0",
      KUBELAMBDA_INTERNAL_PORT: "0",
      ...env,
    });
    const operator = await startOperator(config, {
      ...operatorTestParts(this.client, this.store.url),
      isReplicaGone: (replica) => this.goneReplicas.has(replica),
      clock: systemClock,
      ...changes,
    });
    this.#operators.push(operator);
    return operator;
  }

  async stopOperator(operator: RunningOperator): Promise<void> {
    this.#operators = this.#operators.filter((other) => other !== operator);
    await operator.stop(2000);
  }

  /** Resolves with what `look` answers as soon as that is not undefined; fails naming what was waited for. */
  async until<T>(what: string, look: () => Promise<T | undefined>, limitMs = waitMs): Promise<T> {
    const deadline = Date.now() + limitMs;
    for (;;) {
      const found = await look();
      if (found !== undefined) return found;
      if (Date.now() > deadline) throw new Error(`Waited ${limitMs} ms in vain until ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
  }

  async makeNamespace(name = `team-${++this.#namespaces}`): Promise<string> {
    await this.client.create({
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name, labels: { "pod-security.kubernetes.io/enforce": "restricted" } },
    });
    return name;
  }

  async createFunction(
    namespace: string,
    name: string,
    spec: Partial<FunctionSpecInput> = {},
  ): Promise<Stored<FunctionObject>> {
    const object = {
      apiVersion: API_VERSION,
      kind: "Function",
      metadata: { namespace, name },
      spec: {
        runtime: "nodejs24.x",
        handler: "index.handler",
        code: { files: { "index.mjs": `// ${name}` } },
        ...spec,
      },
    };
    return (await this.client.create(object)) as unknown as Stored<FunctionObject>;
  }

  async getFunction(namespace: string, name: string): Promise<Stored<FunctionObject>> {
    return await this.client.get<FunctionObject>({ kind: functionKind, namespace, name });
  }

  async patchSpec(namespace: string, name: string, spec: object): Promise<void> {
    await this.client.patch({ kind: functionKind, namespace, name }, { spec });
  }

  /** The Function once its condition has this status (and reason) for its present generation. */
  async untilCondition(
    object: { readonly namespace: string; readonly name: string },
    want: { readonly type: string; readonly status: string; readonly reason?: string },
  ): Promise<Stored<FunctionObject>> {
    const { namespace, name } = object;
    let last = "nothing";
    try {
      return await this.until("condition", async () => {
        const found = await this.getFunction(namespace, name);
        const condition = found.status?.conditions?.find(({ type }) => type === want.type);
        last = JSON.stringify(condition);
        const isIt = condition?.status === want.status && (want.reason ?? condition.reason) === condition.reason;
        return isIt && condition.observedGeneration === found.metadata.generation ? found : undefined;
      });
    } catch (error) {
      throw new Error(
        `Function "${name}" does not get ${want.type}=${want.status} (${want.reason ?? "any"}): ${last}`,
        { cause: error },
      );
    }
  }

  async pods(object: Stored<FunctionObject>): Promise<readonly Stored<Pod>[]> {
    const labelSelector = `${labels.functionUid}=${object.metadata.uid}`;
    return (await this.client.list<Pod>(kinds.pod, { namespace: object.metadata.namespace, labelSelector })).items;
  }

  async untilPods(
    object: Stored<FunctionObject>,
    test: (pods: readonly Stored<Pod>[]) => boolean,
  ): Promise<readonly Stored<Pod>[]> {
    return await this.until("pods are as wanted", async () => {
      const pods = await this.pods(object);
      return test(pods) ? pods : undefined;
    });
  }

  async setPodStatus(pod: Stored<Pod>, status: object): Promise<void> {
    const { namespace = "", name } = pod.metadata;
    await this.client.patch({ kind: kinds.pod, namespace, name }, { status }, { subresource: "status" });
  }

  /** Pods that fetch with a tenant's Secret and are not on their way out. */
  async fetchPods(namespace: string): Promise<readonly Stored<Pod>[]> {
    const labelSelector = `${labels.component}=${FETCH_COMPONENT}`;
    const { items } = await this.client.list<Pod>(kinds.pod, { namespace, labelSelector });
    return items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  }

  async untilFetchPod(namespace: string, besides = ""): Promise<Stored<Pod>> {
    return await this.until("a pod fetches", async () =>
      (await this.fetchPods(namespace)).find(({ metadata }) => metadata.uid !== besides),
    );
  }

  /** What a kubelet says of a pod whose only container has ended. */
  async endPod(pod: Stored<Pod>, message: string, exitCode = 0): Promise<void> {
    const terminated = { exitCode, reason: exitCode === 0 ? "Completed" : "Error", message };
    const [{ name } = { name: "" }] = pod.spec.containers;
    const container = { name, ready: false, restartCount: 0, image: "x", imageID: "", state: { terminated } };
    const phase = exitCode === 0 ? "Succeeded" : "Failed";
    await this.setPodStatus(pod, { phase, containerStatuses: [container] });
  }

  /** What a kubelet says of a pod whose containers run. */
  async runPod(pod: Stored<Pod>): Promise<void> {
    const startedAt = new Date().toISOString();
    const containerStatuses = ["agent", "runtime"].map((name) => ({
      name,
      ready: true,
      restartCount: 0,
      image: "x",
      imageID: "",
      state: { running: { startedAt } },
    }));
    await this.setPodStatus(pod, { phase: "Running", containerStatuses });
  }

  /** A report of one router. */
  async report(
    operator: RunningOperator,
    loads: readonly FunctionLoad[],
    options: { replica?: string; token?: string } = {},
  ) {
    const { replica = "router-a", token = routerToken } = options;
    const response = await request(`http://127.0.0.1:${operator.internalPort}${routes.load}`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify({ replica, sequence: ++this.#sequence, functions: loads }),
    });
    const body = await response.body.json();
    return { status: response.statusCode, body: body as LoadReportAnswer & { readonly message?: string } };
  }
}

/** Knows all our kinds. */
export async function testClient(kubeconfig: string): Promise<ApiServerClient> {
  return new ApiServerClient({
    access: await kubeconfigAccess(kubeconfig),
    kinds: kindDefinitions.map((kind) => ({ ...kind, namespaced: true })),
  });
}

/** What every operator of a test is told. */
export function operatorTestConfig(env: Readonly<Record<string, string>>): OperatorConfig {
  return operatorConfigSchema.parse({
    KUBELAMBDA_NAMESPACE: "kubelambda",
    KUBELAMBDA_IMAGE: "kubelambda:test",
    KUBELAMBDA_ROUTER_URL: "http://router.test:19002",
    KUBELAMBDA_ROUTER_SERVICE_ACCOUNT: routerToken,
    ...env,
  });
}

/** What every operator of a test is given but for its clock and what it knows of routers. */
export function operatorTestParts(client: KubernetesClient, storeUrl: string) {
  return {
    client,
    verifyRouterToken: trustingVerifier,
    packageStore: createHttpPackageStore({ url: storeUrl, readToken: () => Promise.resolve(operatorToken) }),
    runtimes: {
      "nodejs24.x": { image: runtimeImageOf("24"), state: "supported" },
      "nodejs20.x": { image: runtimeImageOf("20"), state: "deprecated" },
      "nodejs12.x": { state: "updateBlocked" },
    },
    hasPodResources: true,
    hasContainers: true,
    draw: Math.random,
    log:
      process.env["OPERATOR_TEST_LOG"] === undefined
        ? silentLogger
        : createLogger({ level: "debug", stream: process.stderr }),
  } satisfies Partial<OperatorDependencies>;
}

/** By its digest, so that nobody has to be asked for it. */
export function runtimeImageOf(major: string): string {
  return `registry.test/nodejs@sha256:${major.padEnd(64, "0")}`;
}

/** A router's word on one function. */
export function loadOf(object: Stored<FunctionObject>, changes: Partial<FunctionLoad> = {}): FunctionLoad {
  return {
    namespace: object.metadata.namespace ?? "",
    name: object.metadata.name,
    functionUid: object.metadata.uid,
    revisionID: object.status?.revisionID ?? "",
    needed: 0,
    idle: [],
    released: [],
    ...changes,
  };
}
