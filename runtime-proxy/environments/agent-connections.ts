import { Client, type Dispatcher } from "undici";
import {
  environmentAnnouncementSchema,
  invocationHeaders,
  type EnvironmentAnnouncement,
} from "../../crds/wire/environment.ts";
import { formatGrant, GRANT_HEADER, OWNER_HEADER, type Position } from "../../crds/wire/position.ts";
import { routes } from "../../crds/wire/routes.ts";
import type { Clock } from "../../lib/clock.ts";
import { AnswerCollector, type AgentOutcome } from "./answer-collector.ts";
import { AnswerStreamer, type StreamedAnswer } from "./streamed-answer.ts";

export interface AgentConnectionsOptions {
  /** The value of `authorization` for an environment: a claim for its pod's uid. */
  readonly authorize: (podUid: string) => string;
  readonly clock: Clock;
  /** Longest dial. */
  readonly dialMs: number;
}

export interface AgentCall {
  readonly requestId: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly event: Uint8Array;
  /** Longest wait for the answer. */
  readonly timeoutMs: number;
}

export interface OwnersClaim {
  /** The agent takes nothing that stands before. */
  readonly position: Position;
  /** `host:port` of the owner's internal port: where the agent tells how it is. */
  readonly owner: string;
}

interface Dispatch {
  readonly call: AgentCall;
  /** Longest silence within the answer. */
  readonly bodyMs: number;
  readonly handler: Dispatcher.DispatchHandler;
}

interface Connection {
  readonly address: string;
  readonly client: Client;
}

/** Longest silence within an answer that is whole. */
const answerBodyMs = 30_000;
/** How long an answer may still arrive after its pod is gone. */
const lastAnswerMs = 5000;
/** Headers, and trailers with the error of a stream that failed. */
const longestHeaderBytes = 512 * 1024;
const askMs = 2000;
const longestAnnouncementBytes = 64 * 1024;

/** One kept connection for each environment: an environment runs one call at a time. */
export class AgentConnections {
  readonly #options: AgentConnectionsOptions;
  readonly #connectionByPodUid = new Map<string, Connection>();

  constructor(options: AgentConnectionsOptions) {
    this.#options = options;
  }

  /** Sends one call, once; never rejects. */
  invoke(podUid: string, address: string, call: AgentCall): Promise<AgentOutcome> {
    return new Promise((resolve) =>
      this.#dispatch(podUid, address, { call, bodyMs: answerBodyMs, handler: new AnswerCollector(resolve) }),
    );
  }

  /** Sends one call, once, and settles as soon as its payload begins to come, or with a whole one; never rejects. */
  stream(podUid: string, address: string, call: AgentCall): Promise<AgentOutcome | StreamedAnswer> {
    const headers = { ...call.headers, [invocationHeaders.responseMode]: "streaming" };
    return new Promise((resolve) =>
      // A function may be silent between two chunks for as long as it may run.
      this.#dispatch(podUid, address, {
        call: { ...call, headers },
        bodyMs: call.timeoutMs,
        handler: new AnswerStreamer(resolve),
      }),
    );
  }

  /** Puts an environment under its owner's word and hears how it is, on a connection of its own; undefined when it cannot be asked. */
  async claim(podUid: string, address: string, claim: OwnersClaim): Promise<EnvironmentAnnouncement | undefined> {
    const client = newClient(address, { dialMs: Math.min(askMs, this.#options.dialMs), timeoutMs: askMs });
    try {
      const answer = await client.request({
        method: "POST",
        path: routes.claim,
        headers: {
          authorization: this.#options.authorize(podUid),
          [GRANT_HEADER]: formatGrant({ ...claim.position, heardMs: 0 }),
          [OWNER_HEADER]: claim.owner,
        },
      });
      const announcement = await readAnnouncement(answer);
      return announcement?.podUid === podUid ? announcement : undefined;
    } catch {
      return undefined;
    } finally {
      void client.destroy();
    }
  }

  /** The environment's pod is gone: its connection too, once a last answer had its time. */
  forget(podUid: string): void {
    const connection = this.#connectionByPodUid.get(podUid);
    if (connection === undefined) return;
    this.#connectionByPodUid.delete(podUid);
    this.#closeSoon(connection.client);
  }

  async close(): Promise<void> {
    const clients = [...this.#connectionByPodUid.values()].map(({ client }) => client);
    this.#connectionByPodUid.clear();
    await Promise.all(clients.map((client) => client.destroy()));
  }

  #dispatch(podUid: string, address: string, { call, bodyMs, handler }: Dispatch): void {
    this.#client(podUid, address).dispatch(
      {
        method: "POST",
        path: routes.invocation(call.requestId),
        headers: { ...call.headers, authorization: this.#options.authorize(podUid) },
        body: call.event,
        headersTimeout: call.timeoutMs,
        bodyTimeout: bodyMs,
      },
      handler,
    );
  }

  #client(podUid: string, address: string): Client {
    const known = this.#connectionByPodUid.get(podUid);
    if (known?.address === address) return known.client;
    if (known !== undefined) this.#closeSoon(known.client);
    const client = newClient(address, { dialMs: this.#options.dialMs, timeoutMs: answerBodyMs });
    this.#connectionByPodUid.set(podUid, { address, client });
    return client;
  }

  #closeSoon(client: Client): void {
    const cancel = this.#options.clock.schedule(lastAnswerMs, () => void client.destroy());
    void client.close().finally(cancel);
  }
}

function newClient(address: string, limits: { dialMs: number; timeoutMs: number }): Client {
  return new Client(`http://${address}`, {
    connect: { timeout: limits.dialMs, keepAlive: true },
    headersTimeout: limits.timeoutMs,
    bodyTimeout: limits.timeoutMs,
    maxHeaderSize: longestHeaderBytes,
    allowH2: false,
  });
}

async function readAnnouncement({
  statusCode,
  body,
}: Dispatcher.ResponseData): Promise<EnvironmentAnnouncement | undefined> {
  let text = "";
  for await (const chunk of body.setEncoding("utf8") as AsyncIterable<string>) {
    text += chunk;
    if (text.length > longestAnnouncementBytes) return undefined;
  }
  if (statusCode !== 200) return undefined;
  const parsed = environmentAnnouncementSchema.safeParse(JSON.parse(text));
  return parsed.success ? (parsed.data as EnvironmentAnnouncement) : undefined;
}
