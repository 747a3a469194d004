import { Agent, type Dispatcher } from "undici";

/**
 * Connections to one service, kept between requests until they are given up. A connection to a Service's address stays with whoever
 * took it: while a node does not know the Service yet, that may be a stranger outside of the cluster, who answers for ever.
 */
export class KeptConnections {
  readonly #options: Agent.Options;
  #agent: Agent;

  constructor(options: Agent.Options) {
    this.#options = options;
    this.#agent = new Agent(options);
  }

  /** For the next request. */
  get dispatcher(): Dispatcher {
    return this.#agent;
  }

  /** The answer was not what this service says: the next request dials anew. What runs ends where it is. */
  renew(): void {
    const before = this.#agent;
    this.#agent = new Agent(this.#options);
    // What ends there has failed for whoever waits for it.
    void before.close().catch(() => undefined);
  }

  /** Cuts everything off. */
  async destroy(): Promise<void> {
    await this.#agent.destroy();
  }
}
