/** Environments of a fleet on its nodes; what goes is replaced, as the operator does it. */
import type { FunctionObject } from "../../../crds/v1alpha1/function.ts";
import { sleep, systemClock } from "../../../lib/clock.ts";
import type { ApiServerClient } from "../../../lib/kubernetes/api-server-client.ts";
import type { Stored } from "../../../lib/kubernetes/object.ts";
import type { FleetNetwork } from "./fleet-network.ts";
import { FleetNode } from "./fleet-node.ts";
import type { FleetOperator } from "./fleet-operator.ts";
import { createEnvironmentPod, deletePod } from "./fleet-pods.ts";
import { monotonicMs } from "./run-record.ts";

export interface FleetEnvironmentsParts {
  readonly client: ApiServerClient;
  readonly operator: FleetOperator;
  readonly network: FleetNetwork;
  readonly namespace: string;
  readonly folder: string;
  readonly record: string;
  /** `formatPublicKey`. */
  readonly routerKey: string;
  readonly routerAddresses: () => readonly string[];
}

interface Wanted {
  readonly owner: Stored<FunctionObject>;
  /** `$LATEST` or a number. */
  readonly version: string;
  /** Kept ready for the version. Default: made on demand. */
  readonly isProvisioned?: boolean;
}

interface Placed extends Wanted {
  readonly node: FleetNode;
  readonly podName: string;
  readonly podIP: string;
}

const retryMs = 100;
const giveUpMs = 180_000;

export class FleetEnvironments {
  readonly nodes: FleetNode[] = [];
  /** When the process of a pod ended, by the machine's monotonic clock: what ran in it ran until then. */
  readonly endedAtMs = new Map<string, number>();
  readonly #parts: FleetEnvironmentsParts;
  readonly #placed = new Map<string, Placed>();
  readonly #replacing = new Set<Promise<void>>();
  #made = 0;
  #isStopped = false;

  constructor(parts: FleetEnvironmentsParts) {
    this.#parts = parts;
  }

  async addNode(): Promise<FleetNode> {
    const node = await FleetNode.start(this.#parts.network.newGroup(), (podUid, atMs) => this.#gone(podUid, atMs));
    this.nodes.push(node);
    this.#tellRouters(node);
    return node;
  }

  async add(count: number, wanted: Wanted): Promise<void> {
    if (this.nodes.length === 0) await this.addNode();
    await Promise.all(Array.from({ length: count }, () => this.#make(wanted)));
  }

  /** On which node, and how many. */
  count(node: FleetNode): number {
    return [...this.#placed.values()].filter((placed) => placed.node === node).length;
  }

  /** Of all pods. */
  addresses(): readonly string[] {
    return [...this.#placed.values()].map(({ podIP }) => podIP);
  }

  addressesOn(node: FleetNode | undefined): readonly string[] {
    return [...this.#placed.values()].filter((placed) => placed.node === node).map(({ podIP }) => podIP);
  }

  /** kill -9 of one supervisor, which takes the environment with it. */
  crashOne(isWanted: (placed: Wanted) => boolean = () => true): void {
    const first = [...this.#placed].find(([, placed]) => isWanted(placed));
    if (first !== undefined) first[1].node.tell({ kind: "crash", podUid: first[0] });
  }

  /** Resolves when so many more have gone. */
  async lost(more: number): Promise<void> {
    const before = this.endedAtMs.size;
    while (this.endedAtMs.size < before + more && !this.#isStopped) await sleep(systemClock, 20);
  }

  /** kill -9; its pods are deleted, and others come on the nodes that are left. */
  async killNode(node: FleetNode): Promise<void> {
    this.nodes.splice(this.nodes.indexOf(node), 1);
    await node.kill();
    if (this.nodes.length === 0) await this.addNode();
    for (const [podUid, placed] of [...this.#placed]) if (placed.node === node) this.#gone(podUid);
    await this.whole();
  }

  /** Resolves when all that were lost are there again. */
  async whole(): Promise<void> {
    while (this.#replacing.size > 0) await Promise.all([...this.#replacing]);
  }

  routersChanged(): void {
    for (const node of this.nodes) this.#tellRouters(node);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all([...this.#placed].map(([podUid, { node }]) => node.remove(podUid)));
    await Promise.all(this.nodes.map((node) => node.kill()));
  }

  #tellRouters(node: FleetNode): void {
    node.tell({ kind: "routers", addresses: this.#parts.routerAddresses() });
  }

  #gone(podUid: string, atMs = monotonicMs()): void {
    const placed = this.#placed.get(podUid);
    if (placed === undefined || this.#isStopped) return;
    this.#placed.delete(podUid);
    this.endedAtMs.set(podUid, atMs);
    const replacing = this.#replace(placed).finally(() => this.#replacing.delete(replacing));
    this.#replacing.add(replacing);
  }

  async #replace({ podName, node: _node, podIP: _podIP, ...wanted }: Placed): Promise<void> {
    const { client, namespace } = this.#parts;
    await this.#again(() => deletePod(client, namespace, podName));
    await this.#again(() => this.#make(wanted));
  }

  /** The API server or the operator may be away for a while. */
  async #again(step: () => Promise<void>): Promise<void> {
    const untilMs = performance.now() + giveUpMs;
    for (;;) {
      try {
        await step();
        return;
      } catch (error) {
        if (this.#isStopped) return;
        if (performance.now() > untilMs) throw error;
        await sleep(systemClock, retryMs);
      }
    }
  }

  async #make(wanted: Wanted): Promise<void> {
    const { client, operator, network, namespace, folder, record, routerKey } = this.#parts;
    const { owner, version, isProvisioned = false } = wanted;
    const provisionedFor = isProvisioned ? version : undefined;
    const revisionID = version === "$LATEST" ? "r1" : `v${version}`;
    const podIP = network.newAddress();
    this.#made += 1;
    const podName = `environment-${this.#made}`;
    const { pod, epoch } = await operator.bear(async (born) => {
      const draft = { name: podName, namespace, functionUid: owner.metadata.uid, revisionID, epoch: born, podIP };
      return { pod: await createEnvironmentPod(client, { ...draft, provisionedFor }), epoch: born };
    });
    const podUid = pod.metadata.uid;
    const node = this.#emptiest();
    this.#placed.set(podUid, { ...wanted, node, podName, podIP });
    await node.startEnvironment({
      ...{ folder, podUid, epoch, revisionID, version, record, podIP, routerKey },
      functionName: owner.metadata.name,
      functionUid: owner.metadata.uid,
      timeoutSeconds: owner.spec.timeout,
      initializationType: isProvisioned ? "provisioned-concurrency" : "on-demand",
    });
  }

  #emptiest(): FleetNode {
    const [first, ...others] = this.nodes;
    if (first === undefined) throw new Error("Cannot place an environment: there is no node");
    return others.reduce((best, node) => (this.count(node) < this.count(best) ? node : best), first);
  }
}
