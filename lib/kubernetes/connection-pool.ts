import { createHash } from "node:crypto";
import { Pool, ProxyAgent, type Dispatcher } from "undici";
import type { Clock } from "../clock.ts";
import type { ApiServerAccess, Credentials } from "./api-server-access.ts";

export interface ConnectionPoolOptions {
  readonly access: ApiServerAccess;
  readonly clock: Clock;
  /** Most connections for requests; urgent ones have some besides, and watches one each. */
  readonly connections: number;
}

export type Purpose = "request" | "urgent" | "watch";

/** What one request goes out with. */
export interface Way {
  readonly dispatcher: Dispatcher;
  readonly origin: string;
  /** What the server's URL has behind host and port, for API servers behind a path. */
  readonly pathPrefix: string;
  readonly headers: Readonly<Record<string, string>>;
}

interface Dispatchers {
  readonly fingerprint: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly byPurpose: Readonly<Record<Purpose, Dispatcher>>;
}

// Files of a rotated token live on for minutes; a minute is what the Go client takes too.
const refreshAfterMs = 30_000;
const keepAliveMs = 60_000;
/** A Lease, a roster, a label: one request each at a time. */
const urgentConnections = 3;

/**
 * Kept connections to one API server. Requests share a bounded pool, urgent ones another, and each watch has a connection of its own, so that
 * no number of watches can starve the requests, and no number of requests those that are urgent. New certificates make new connections, and the old ones end when idle.
 */
export class ConnectionPool {
  readonly #options: ConnectionPoolOptions;
  #current: Promise<Dispatchers> | undefined;
  #readAtMs = -Infinity;
  #isClosed = false;

  constructor(options: ConnectionPoolOptions) {
    this.#options = options;
  }

  async wayFor(purpose: Purpose): Promise<Way> {
    const { byPurpose, headers } = await this.#dispatchers();
    const { origin, pathname } = new URL(this.#options.access.server);
    return { dispatcher: byPurpose[purpose], origin, pathPrefix: pathname.replace(/\/$/, ""), headers };
  }

  /** Reads the credentials anew for the next request: the server has refused these. */
  forgetCredentials(): void {
    this.#readAtMs = -Infinity;
  }

  /** Cuts all connections; what is under way fails. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const current = await this.#current?.catch(() => undefined);
    await Promise.all(Object.values(current?.byPurpose ?? {}).map((dispatcher) => dispatcher.destroy()));
  }

  #dispatchers(): Promise<Dispatchers> {
    if (this.#isClosed) return Promise.reject(new TypeError("Cannot use the connection pool: closed"));
    const nowMs = this.#options.clock.monotonicMs();
    if (this.#current === undefined || nowMs - this.#readAtMs >= refreshAfterMs) {
      this.#readAtMs = nowMs;
      this.#current = this.#refresh(this.#current);
      this.#current.catch(() => this.forgetCredentials());
    }
    return this.#current;
  }

  async #refresh(before: Promise<Dispatchers> | undefined): Promise<Dispatchers> {
    const known = await before?.catch(() => undefined);
    const credentials = await this.#options.access.credentials();
    const fingerprint = fingerprintOf(credentials);
    if (known?.fingerprint === fingerprint) return { ...known, headers: credentials.headers };
    // Requests under way on the old connections run to their end; watches are re-opened by whoever reads them.
    for (const dispatcher of Object.values(known?.byPurpose ?? {})) void dispatcher.close();
    return {
      fingerprint,
      headers: credentials.headers,
      byPurpose: {
        request: this.#connect(credentials, this.#options.connections),
        urgent: this.#connect(credentials, urgentConnections),
        watch: this.#connect(credentials, null),
      },
    };
  }

  #connect({ tls, proxyUrl }: Credentials, connections: number | null): Dispatcher {
    // TCP's own keep-alive finds a peer that is gone within half a minute, without a timeout of ours.
    const connect = { ...tls, keepAlive: true, keepAliveInitialDelay: 15_000, timeout: 10_000 };
    const options = { connections, pipelining: 1, keepAliveTimeout: keepAliveMs, allowH2: false };
    if (proxyUrl !== undefined) return new ProxyAgent({ ...options, uri: proxyUrl, requestTls: connect });
    return new Pool(new URL(this.#options.access.server).origin, { ...options, connect });
  }
}

function fingerprintOf({ tls, proxyUrl }: Credentials): string {
  const text = JSON.stringify([proxyUrl, tls], (_key, value: unknown) =>
    value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value,
  );
  return createHash("sha256").update(text).digest("hex");
}
