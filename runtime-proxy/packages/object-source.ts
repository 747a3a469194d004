/** The package store's objects over HTTP, in somebody else's name. */
import type { Readable } from "node:stream";
import { Agent, request, type Dispatcher } from "undici";
import { routes } from "../../crds/wire/routes.ts";
import { KnownHosts } from "./known-hosts.ts";
import type { PackageFacts } from "./store.ts";

type ContentFacts = Pick<PackageFacts, "digest" | "zippedBytes">;

/** Reads as whoever the Authorization header belongs to. Both reject with SourceRefusal when the store says no. */
export interface ObjectSource {
  /** Undefined: there is none, or none for them. Reads no content. */
  find(digest: string, authorization: string): Promise<ContentFacts | undefined>;
  /** Undefined as above; fails when other than `zippedBytes` come. */
  open(facts: ContentFacts, authorization: string): Promise<Readable | undefined>;
}

/** The store's own answer; 503 when it gave none. */
export class SourceRefusal extends Error {
  override readonly name = "SourceRefusal";
  readonly status: number;

  constructor(status: number, message: string, cause?: unknown) {
    super(message, { cause });
    this.status = status;
  }
}

export interface HttpObjectSourceOptions {
  /** `http://host:port` of the package store. */
  readonly url: string;
  /** Ends what is running. */
  readonly signal: AbortSignal;
  /** Longest wait for headers, and silence within a body, ms; default 1500: whoever waits can ask the store itself. */
  readonly silenceMs?: number;
}

export class HttpObjectSource implements ObjectSource {
  readonly #options: HttpObjectSourceOptions;
  readonly #hosts = new KnownHosts();
  readonly #agent: Agent;

  constructor(options: HttpObjectSourceOptions) {
    const { silenceMs = 1500 } = options;
    this.#options = options;
    this.#agent = new Agent({
      connections: 64,
      connect: { timeout: silenceMs, lookup: this.#hosts.lookup },
      headersTimeout: silenceMs,
      bodyTimeout: silenceMs,
    });
  }

  async find(digest: string, authorization: string): Promise<ContentFacts | undefined> {
    const answer = await this.#ask("HEAD", digest, authorization);
    await answer.body.dump();
    if (answer.statusCode === 404) return undefined;
    const zippedBytes = Number(answer.headers["content-length"]);
    if (answer.statusCode !== 200 || !Number.isSafeInteger(zippedBytes)) throw refusedWith(answer);
    return { digest, zippedBytes };
  }

  async open({ digest, zippedBytes }: ContentFacts, authorization: string): Promise<Readable | undefined> {
    const answer = await this.#ask("GET", digest, authorization);
    // The bound for what is kept was checked against this number.
    if (answer.statusCode === 200 && Number(answer.headers["content-length"]) === zippedBytes) return answer.body;
    await answer.body.dump();
    if (answer.statusCode === 404) return undefined;
    throw refusedWith(answer);
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #ask(method: "HEAD" | "GET", digest: string, authorization: string): Promise<Dispatcher.ResponseData> {
    const { url, signal } = this.#options;
    const headers = { authorization };
    try {
      // The client would give up every connection after a HEAD, for servers that send a body all the same.
      const kept = { reset: false, dispatcher: this.#agent };
      return await request(`${url}${routes.object(digest)}`, { method, headers, signal, ...kept });
    } catch (error) {
      this.#hosts.forget();
      throw new SourceRefusal(503, "Cannot ask the package store: it does not answer", error);
    }
  }
}

function refusedWith({ statusCode }: Dispatcher.ResponseData): SourceRefusal {
  const status = statusCode === 401 || statusCode === 403 ? statusCode : 503;
  return new SourceRefusal(status, `Cannot read as this token: the package store answered ${statusCode}`);
}
