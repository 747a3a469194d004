import { Agent, request, type IncomingMessage } from "node:http";
import { readBody } from "./read-body.ts";

export interface KeptPostOptions {
  /** `http://host:port/path` */
  readonly url: string;
  /** Longest silence of the other side while it connects, before it answers and within its answer, ms. */
  readonly answerLimitMs: number;
  readonly longestAnswerBytes: number;
}

export interface PostAnswer {
  readonly status: number;
  readonly text: string;
}

/**
 * POSTs JSON to one address of one service, over a connection that is kept, many times a second. Through node:http: what a request of undici
 * is made of outlives every collection but a full one (ADR 33).
 */
export class KeptPost {
  readonly #options: KeptPostOptions;
  readonly #url: URL;
  #agent: Agent;

  constructor(options: KeptPostOptions) {
    this.#options = options;
    this.#url = new URL(options.url);
    this.#agent = this.#newAgent();
  }

  /** Rejects when there is no whole answer: no connection, too long, or not in time. Whatever its status is, an answer is one. */
  async post(body: string, token: string): Promise<PostAnswer> {
    const answer = await this.#send(body, token);
    const text = (await readBody(answer, this.#options.longestAnswerBytes)).toString("utf8");
    return { status: answer.statusCode ?? 0, text };
  }

  /** The answer was not what this service says: the next request dials anew, since it may have been a stranger's (KeptConnections). */
  renew(): void {
    this.#agent.destroy();
    this.#agent = this.#newAgent();
  }

  /** Cuts everything off. */
  destroy(): void {
    this.#agent.destroy();
  }

  #newAgent(): Agent {
    return new Agent({ keepAlive: true, maxSockets: 1, timeout: this.#options.answerLimitMs });
  }

  #send(body: string, token: string): Promise<IncomingMessage> {
    const headers = {
      authorization: `Bearer ${token}`,
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
    };
    return new Promise((resolve, reject) => {
      const sent = request(this.#url, { method: "POST", agent: this.#agent, headers });
      let answer: IncomingMessage | undefined;
      sent.on("error", reject).on("response", (begun) => {
        answer = begun;
        resolve(begun);
      });
      sent.on("timeout", () => {
        (answer ?? sent).destroy(new Error(`${this.#url.host} was silent for ${this.#options.answerLimitMs} ms`));
      });
      sent.end(body);
    });
  }
}
