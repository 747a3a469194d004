import { Agent, request } from "node:http";
import type { EnvironmentAnnouncement } from "../crds/wire/environment.ts";
import { EPOCH_HEADER, OWNER_HEADER } from "../crds/wire/position.ts";
import { routes } from "../crds/wire/routes.ts";
import { backoffMs, type BackoffPolicy } from "../lib/backoff.ts";
import type { Clock } from "../lib/clock.ts";
import type { AgentLog } from "./agent-log.ts";

export interface AnnouncerParts {
  /** `http://host:port`; a host may stand for several routers. */
  readonly routerUrls: readonly string[];
  /** The service account token for routers, as it is now: it rotates. */
  readonly readToken: () => Promise<string>;
  /** All addresses of a host. */
  readonly resolveHost: (host: string) => Promise<readonly string[]>;
  readonly clock: Clock;
  /** A number in [0, 1). */
  readonly draw: () => number;
  readonly agentLog: AgentLog;
  /** How it stands now, to be told to the owner once more; undefined: it need not hear. */
  readonly renew: () => EnvironmentAnnouncement | undefined;
}

/** The router that owns the environment's account. */
export interface AccountOwner {
  readonly epoch: number;
  /** `host:port` of its internal port. */
  readonly address: string;
}

interface Router {
  readonly host: string;
  readonly port: number;
  acknowledged: number;
  isBeingTold: boolean;
}

const backoff: BackoffPolicy = { initialMs: 25, maxMs: 2_000, factor: 2, jitter: 0.5 };
const attemptLimitMs = 2_000;
/** A router that was not there before is found after this, and sooner while one has not acknowledged. */
const resolveAgainMs = 30_000;
const resolveSoonMs = 1_000;
const warnAfterAttempts = 8;
/** Well below the time after which an owner's word is too old. */
const renewEveryMs = 4_000;
/** What is told again and again goes over a connection that stays. */
const connections = new Agent({ keepAlive: true, maxFreeSockets: 1, timeout: 3 * renewEveryMs });

/** Tells every router the newest announcement until each has acknowledged it. */
export class Announcer {
  readonly #parts: AnnouncerParts;
  readonly #routers = new Map<string, Router>();
  readonly #waiting = new Set<() => void>();
  #newest: EnvironmentAnnouncement | undefined;
  #hasResolved = false;
  #owner: AccountOwner | undefined;
  #isRenewing = false;
  #isStopped = false;
  #cancelRenewal: () => void = () => undefined;
  #cancelResolve: () => void = () => undefined;

  constructor(parts: AnnouncerParts) {
    this.#parts = parts;
  }

  /** Finds the routers before there is anything to tell them, and shows them the token: an announcement waits for neither then. */
  async prepare(): Promise<void> {
    if (!(await this.#findRouters())) return;
    const token = await this.#parts.readToken().catch(() => undefined);
    if (token === undefined) return;
    // What fails here fails again, and is told, when there is something to announce.
    await Promise.allSettled([...this.#routers.values()].map((router) => greet(router, token.trim())));
  }

  /** Replaces what was announced before. */
  announce(announcement: EnvironmentAnnouncement): void {
    this.#newest = announcement;
    this.#tellKnown();
    void this.#tellAll();
  }

  /** Settles when all routers known by then have the newest announcement, at the latest after `limitMs`. */
  async whenAcknowledged(limitMs: number): Promise<void> {
    if (this.#isAcknowledged()) return;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const done = (): void => resolve(undefined);
    this.#waiting.add(done);
    const cancel = this.#parts.clock.schedule(limitMs, done);
    await promise;
    cancel();
    this.#waiting.delete(done);
  }

  /** The owner as it or another router says; an older word changes nothing. */
  setOwner(owner: AccountOwner): void {
    if (owner.epoch < (this.#owner?.epoch ?? 0) || owner.address === this.#owner?.address) {
      if (owner.epoch > (this.#owner?.epoch ?? 0)) this.#owner = owner;
      return;
    }
    this.#owner = owner;
    const router = this.#addOwner();
    if (router !== undefined && !router.isBeingTold && this.#newest !== undefined)
      void this.#tell(`${router.host} ${router.port}`, router);
  }

  /** From now on, and as long as `renew` has something to say, the owner is told once in a while. */
  keepTelling(): void {
    if (this.#isRenewing || this.#isStopped) return;
    this.#isRenewing = true;
    this.#renewLater();
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancelRenewal();
    this.#cancelResolve();
  }

  #renewLater(): void {
    const { clock, draw, renew } = this.#parts;
    this.#cancelRenewal = clock.schedule(renewEveryMs * (1 - 0.25 * draw()), () => {
      const announcement = renew();
      this.#isRenewing = announcement !== undefined && !this.#isStopped;
      if (announcement === undefined || this.#isStopped) return;
      this.#renewLater();
      this.#newest = announcement;
      const owner = this.#routerOfOwner();
      for (const router of owner === undefined ? this.#routers.values() : [owner])
        if (!router.isBeingTold) void this.#tell(`${router.host} ${router.port}`, router, 1);
    });
  }

  #routerOfOwner(): Router | undefined {
    const [, host = "", port = ""] = /^\[?(.*?)\]?:(\d+)$/.exec(this.#owner?.address ?? "") ?? [];
    return this.#routers.get(`${host} ${port}`);
  }

  /** The owner is told even where the names of routers do not show it. */
  #addOwner(): Router | undefined {
    const [, host, port] = /^\[?(.*?)\]?:(\d+)$/.exec(this.#owner?.address ?? "") ?? [];
    if (host === undefined) return undefined;
    const key = `${host} ${Number(port)}`;
    const known = this.#routers.get(key);
    if (known !== undefined) return undefined;
    const router = { host, port: Number(port), acknowledged: -1, isBeingTold: false };
    this.#routers.set(key, router);
    return router;
  }

  async #tellAll(): Promise<void> {
    this.#cancelResolve();
    if (this.#isStopped) return;
    const found = await this.#findRouters();
    if (this.#stopped()) return;
    this.#tellKnown();
    this.#cancelResolve();
    const delayMs = found && this.#isAcknowledged() ? resolveAgainMs : resolveSoonMs;
    this.#cancelResolve = this.#parts.clock.schedule(
      delayMs * (1 - 0.5 * this.#parts.draw()),
      () => void this.#tellAll(),
    );
  }

  #tellKnown(): void {
    for (const [key, router] of this.#routers) if (!router.isBeingTold) void this.#tell(key, router);
  }

  /** Whether every host could be resolved; what could not keeps its routers. */
  async #findRouters(): Promise<boolean> {
    try {
      const found = await Promise.all(this.#parts.routerUrls.map((url) => this.#routersOf(url)));
      const byKey = new Map(found.flat().map((router) => [`${router.host} ${router.port}`, router]));
      for (const key of this.#routers.keys()) if (!byKey.has(key)) this.#routers.delete(key);
      for (const [key, router] of byKey) if (!this.#routers.has(key)) this.#routers.set(key, router);
      this.#addOwner();
      this.#hasResolved = true;
      return true;
    } catch (error) {
      this.#parts.agentLog("warn", `Cannot resolve the routers: ${String(error)}`);
      return false;
    }
  }

  async #routersOf(url: string): Promise<Router[]> {
    const { hostname, port } = new URL(url);
    const hosts = await this.#parts.resolveHost(hostname.replace(/^\[|\]$/g, ""));
    return hosts.map((host) => ({ host, port: Number(port || 80), acknowledged: -1, isBeingTold: false }));
  }

  /** Once more is enough for what is told again soon. */
  async #tell(key: string, router: Router, mostAttempts = Infinity): Promise<void> {
    router.isBeingTold = true;
    for (let attempt = 0; this.#isPending(key, router) && attempt < mostAttempts; attempt++) {
      const failure = await this.#attempt(router);
      if (failure === undefined) attempt = -1;
      else await this.#waitAfter(failure, router, attempt);
    }
    router.isBeingTold = false;
    if (this.#isAcknowledged()) for (const done of this.#waiting) done();
  }

  #isPending(key: string, router: Router): boolean {
    const isKnown = this.#routers.get(key) === router && !this.#isStopped;
    return isKnown && router.acknowledged < (this.#newest?.sequence ?? -1);
  }

  async #waitAfter(failure: string, router: Router, attempt: number): Promise<void> {
    if (attempt % warnAfterAttempts === warnAfterAttempts - 1) {
      this.#parts.agentLog("warn", `Cannot announce to router ${router.host}:${router.port}: ${failure}`, { attempt });
    }
    const delayMs = backoffMs(backoff, attempt, this.#parts.draw());
    await new Promise<void>((resolve) => this.#parts.clock.schedule(delayMs, resolve));
  }

  /** Nothing when it is acknowledged, else why not. */
  async #attempt(router: Router): Promise<string | undefined> {
    const announcement = this.#newest;
    if (announcement === undefined) return undefined;
    try {
      const { status, owner } = await put(router, announcement, (await this.#parts.readToken()).trim());
      if (owner !== undefined) this.setOwner(owner);
      if (status !== 204) return `status ${status}, right is 204`;
      router.acknowledged = announcement.sequence;
      return undefined;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  #isAcknowledged(): boolean {
    if (this.#newest === undefined) return true;
    const { sequence } = this.#newest;
    return this.#hasResolved && [...this.#routers.values()].every(({ acknowledged }) => acknowledged >= sequence);
  }

  #stopped(): boolean {
    return this.#isStopped;
  }
}

interface Told {
  readonly status: number;
  readonly owner: AccountOwner | undefined;
}

async function put(router: Router, announcement: EnvironmentAnnouncement, token: string): Promise<Told> {
  const path = routes.environment(announcement.podUid);
  return await send(router, { method: "PUT", path, token, body: Buffer.from(JSON.stringify(announcement)) });
}

async function greet(router: Router, token: string): Promise<void> {
  await send(router, { method: "POST", path: routes.greeting, token, body: Buffer.alloc(0) });
}

interface Sent {
  readonly method: "PUT" | "POST";
  readonly path: string;
  readonly token: string;
  readonly body: Buffer;
}

async function send({ host, port }: Router, { method, path, token, body }: Sent): Promise<Told> {
  const { promise, resolve, reject } = Promise.withResolvers<Told>();
  const sent = request({
    host,
    port,
    method,
    path,
    agent: connections,
    signal: AbortSignal.timeout(attemptLimitMs),
    headers: {
      authorization: `Bearer ${token}`,
      "content-type": "application/json",
      "content-length": body.length,
    },
  });
  sent.once("response", (response) => {
    const { [EPOCH_HEADER]: epoch, [OWNER_HEADER]: address } = response.headers;
    const isTold = typeof epoch === "string" && typeof address === "string";
    resolve({ status: response.statusCode ?? 0, owner: isTold ? { epoch: Number(epoch), address } : undefined });
    response.on("error", () => undefined);
    response.resume();
  });
  sent.on("error", reject);
  sent.end(body);
  return await promise;
}
