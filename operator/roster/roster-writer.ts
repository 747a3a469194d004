import { nextRoster, ownerOf, parseRoster, ROSTER_KEY, ROSTER_NAME, type Roster } from "../../crds/wire/roster.ts";
import type { Clock } from "../../lib/clock.ts";
import type { KubernetesClient } from "../../lib/kubernetes/client.ts";
import { kinds } from "../../lib/kubernetes/kinds.ts";
import { isKubernetesError } from "../../lib/kubernetes/kubernetes-error.ts";
import type { KubernetesObject, Stored } from "../../lib/kubernetes/object.ts";
import type { Logger } from "../../lib/logger.ts";
import { decideRoster, type RouterKnown, type RouterSeen } from "./decide.ts";

interface RosterObject extends KubernetesObject {
  readonly data?: Readonly<Record<string, string>>;
}

export interface RosterWriterOptions {
  readonly client: KubernetesClient;
  readonly clock: Clock;
  readonly log: Logger;
  /** The install namespace. */
  readonly namespace: string;
  readonly mayAct: () => boolean;
  /** Routers as they stand now. */
  readonly routers: () => readonly RouterSeen[];
  /** Calls with every change of a router's pod; returns how to end that. */
  readonly onRouters: (listener: () => void) => () => void;
  /** Resolves when no creation of a pod born under the roster before is under way. */
  readonly whenBorn: () => Promise<void>;
}

const everyMs = 1000;
/** Creations of pods, of which there may be many under way, wait for no roster, but accounts do. */
const urgent = { isUrgent: true };

/** Keeps the roster as the routers stand. One writer: the leader; a former one's write finds another resourceVersion. */
export class RosterWriter {
  readonly #options: RosterWriterOptions;
  #stored: Stored<RosterObject> | undefined;
  #roster: Roster | undefined;
  /** Of the roster: it is asked for with every function that is looked at. */
  #owners = new Map<string, string | undefined>();
  /** What pods are born under: the next epoch from the moment that its writing begins. */
  #epoch = 0;
  /** uid of a router's pod → when it was first seen ready; monotonic. */
  #readySinceMs: ReadonlyMap<string, number> = new Map();
  #underWay: Promise<void> | undefined;
  #hasNews = false;
  #isStopped = false;
  #unsubscribe: () => void = () => undefined;
  #cancelTick: () => void = () => undefined;

  constructor(options: RosterWriterOptions) {
    this.#options = options;
  }

  /** Of the roster that the next pod is born under. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Unknown while there is no roster: then everybody's word counts. */
  isOwner(replica: string, namespace: string): boolean {
    if (this.#roster === undefined) return true;
    if (!this.#owners.has(namespace)) this.#owners.set(namespace, ownerOf(this.#roster, namespace)?.podUid);
    return this.#owners.get(namespace) === replica;
  }

  /** Reads the roster that is there: nothing is created before its epoch is known. */
  async read(): Promise<void> {
    await this.#read();
  }

  start(): void {
    this.#unsubscribe = this.#options.onRouters(() => this.#look());
    this.#tick();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#unsubscribe();
    this.#cancelTick();
    await this.#underWay;
  }

  #tick(): void {
    if (this.#isStopped) return;
    this.#cancelTick = this.#options.clock.schedule(everyMs, () => this.#tick());
    this.#look();
  }

  #look(): void {
    if (this.#isStopped || !this.#options.mayAct()) return;
    if (this.#underWay !== undefined) {
      this.#hasNews = true;
      return;
    }
    const replicas = decideRoster(this.#see(), this.#roster);
    if (replicas === undefined) return;
    this.#underWay = this.#write(replicas).finally(() => {
      this.#underWay = undefined;
      if (!this.#hasNews) return;
      this.#hasNews = false;
      this.#look();
    });
  }

  #see(): readonly RouterKnown[] {
    const { routers, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    const since = this.#readySinceMs;
    const seen = routers();
    const ready = seen.filter(({ isReady }) => isReady);
    this.#readySinceMs = new Map(ready.map(({ podUid }) => [podUid, since.get(podUid) ?? nowMs]));
    return seen.map((router) => ({ ...router, readyForMs: nowMs - (this.#readySinceMs.get(router.podUid) ?? nowMs) }));
  }

  async #write(replicas: Roster["replicas"]): Promise<void> {
    const { clock, log, whenBorn, mayAct } = this.#options;
    try {
      const next = nextRoster(this.#roster, replicas, clock.nowMs() / 1000);
      this.#epoch = Math.max(this.#epoch, next.epoch);
      const roster = { ...next, epoch: this.#epoch };
      // Whoever is born under the roster before is there when a new owner looks at an account's pods. One creation that hangs holds this up
      // until its request's deadline: given up sooner, it might be made all the same, where nobody counts it (docs/concurrency.md).
      await whenBorn();
      if (!mayAct()) return;
      await this.#put(roster);
      this.#follow(roster);
      log.info("Roster written", { epoch: roster.epoch, replicas: replicas.length });
    } catch (error) {
      log.warn("Cannot write the roster: trying again", { error });
      await this.#read().catch(() => undefined);
    }
  }

  #follow(roster: Roster): void {
    this.#roster = roster;
    this.#owners = new Map();
  }

  async #put(roster: Roster): Promise<void> {
    const { client, namespace } = this.#options;
    const data = { [ROSTER_KEY]: JSON.stringify(roster) };
    const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: ROSTER_NAME, namespace }, data };
    if (this.#stored === undefined) {
      this.#stored = await client.create<RosterObject>(object, urgent);
      return;
    }
    const { resourceVersion, uid } = this.#stored.metadata;
    const ref = { kind: kinds.configMap, namespace, name: ROSTER_NAME };
    this.#stored = await client.patch<RosterObject>(ref, { metadata: { resourceVersion, uid }, data }, urgent);
  }

  async #read(): Promise<void> {
    const { client, namespace } = this.#options;
    try {
      this.#stored = await client.get<RosterObject>({ kind: kinds.configMap, namespace, name: ROSTER_NAME }, urgent);
    } catch (error) {
      if (!isKubernetesError(error, "NotFound")) throw error;
      this.#stored = undefined;
    }
    const found = parseRoster(this.#stored?.data);
    // One that was lost is followed by one with a higher epoch all the same.
    if (found !== undefined && found.epoch >= (this.#roster?.epoch ?? 0)) this.#follow(found);
    this.#epoch = Math.max(this.#epoch, this.#roster?.epoch ?? 0);
  }
}
