import { Client, type Dispatcher } from "undici";
import {
  environmentAnnouncementSchema,
  invocationHeaders,
  type EnvironmentAnnouncement,
} from "../../crds/wire/environment.ts";
import { formatGrant, GRANT_HEADER, OWNER_HEADER, type Position } from "../../crds/wire/position.ts";
import { routes } from "../../crds/wire/routes.ts";
import type { Clock } from "../../lib/clock.ts";
import { headerLine } from "../../lib/http/header-line.ts";
import type { MemoryBudget } from "../memory-budget.ts";
import { AgentConnection, type ExchangeHandler } from "./agent-connection.ts";
import { AnswerCollector, type AgentOutcome, type AnswerKeeping } from "./answer-collector.ts";
import { AnswerStreamer, type StreamedAnswer } from "./streamed-answer.ts";

export interface AgentConnectionsOptions {
  /** The value of `authorization` for an environment: a claim for its pod's uid. */
  readonly authorize: (podUid: string) => string;
  readonly clock: Clock;
  /** Longest dial. */
  readonly dialMs: number;
  /** For answers that are taken in whole. */
  readonly answerMemory: Pick<MemoryBudget, "take">;
}

export interface AgentCall {
  readonly requestId: string;
  /** The function's namespace, whose share of the memory for answers its answer takes. */
  readonly account: string;
  /** Header lines, each with its line break: the same for every try. */
  readonly headerLines: string;
  /** As in `GRANT_HEADER`. */
  readonly grant: string;
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
  readonly silenceMs: number;
  readonly handler: ExchangeHandler;
}

interface Kept {
  readonly address: string;
  readonly connection: AgentConnection;
}

/** Longest silence within an answer that is whole. */
const answerBodyMs = 30_000;
/** How long an answer may still arrive after its pod is gone. */
const lastAnswerMs = 5000;
/** Between two looks for exchanges that take too long: they take seconds at least. */
const checkEveryMs = 1000;
const askMs = 2000;
const longestAnnouncementBytes = 64 * 1024;

/** One kept connection for each environment: an environment runs one call at a time. */
export class AgentConnections {
  readonly #options: AgentConnectionsOptions;
  readonly #keptByPodUid = new Map<string, Kept>();
  /** All that are open, also those that are kept no more. */
  readonly #open = new Set<AgentConnection>();
  #cancelCheck: (() => void) | undefined;

  constructor(options: AgentConnectionsOptions) {
    this.#options = options;
  }

  /** Sends one call, once; never rejects. */
  invoke(podUid: string, address: string, call: AgentCall): Promise<AgentOutcome> {
    return new Promise((resolve) => {
      const handler = new AnswerCollector(this.#keeping(call), resolve);
      this.#dispatch(podUid, address, { call, silenceMs: answerBodyMs, handler });
    });
  }

  /** Sends one call, once, and settles as soon as its payload begins to come, or with a whole one; never rejects. */
  stream(podUid: string, address: string, call: AgentCall): Promise<AgentOutcome | StreamedAnswer> {
    const headerLines = call.headerLines + headerLine(invocationHeaders.responseMode, "streaming");
    return new Promise((resolve) =>
      // A function may be silent between two chunks for as long as it may run.
      this.#dispatch(podUid, address, {
        call: { ...call, headerLines },
        silenceMs: call.timeoutMs,
        handler: new AnswerStreamer(this.#keeping(call), resolve),
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
    const kept = this.#keptByPodUid.get(podUid);
    if (kept === undefined) return;
    this.#keptByPodUid.delete(podUid);
    this.#closeSoon(kept.connection);
  }

  close(): void {
    this.#cancelCheck?.();
    this.#cancelCheck = undefined;
    this.#keptByPodUid.clear();
    for (const connection of this.#open) connection.close();
  }

  #keeping({ account }: AgentCall): AnswerKeeping {
    return { memory: this.#options.answerMemory, account };
  }

  #dispatch(podUid: string, address: string, { call, silenceMs, handler }: Dispatch): void {
    const head = headOf(address, call, this.#options.authorize(podUid));
    const exchange = { head, body: call.event, headMs: call.timeoutMs, silenceMs, handler };
    this.#connection(podUid, address).send(exchange);
  }

  #connection(podUid: string, address: string): AgentConnection {
    const kept = this.#keptByPodUid.get(podUid);
    if (kept?.address === address && kept.connection.isFree) return kept.connection;
    if (kept?.address === address) kept.connection.closeSoon();
    else if (kept !== undefined) this.#closeSoon(kept.connection);
    const [, host = "", port = ""] = /^\[?(.*?)\]?:(\d+)$/.exec(address) ?? [];
    const { clock, dialMs } = this.#options;
    const onClose = (): void => {
      this.#open.delete(connection);
      if (this.#keptByPodUid.get(podUid)?.connection === connection) this.#keptByPodUid.delete(podUid);
    };
    const connection = new AgentConnection({ host, port: Number(port), dialMs, clock, onClose });
    this.#keptByPodUid.set(podUid, { address, connection });
    this.#open.add(connection);
    this.#cancelCheck ??= clock.schedule(checkEveryMs, () => this.#check());
    return connection;
  }

  #check(): void {
    const { clock } = this.#options;
    const nowMs = clock.monotonicMs();
    for (const connection of this.#open) connection.checkTime(nowMs);
    this.#cancelCheck = this.#open.size === 0 ? undefined : clock.schedule(checkEveryMs, () => this.#check());
  }

  #closeSoon(connection: AgentConnection): void {
    connection.closeSoon();
    if (this.#open.has(connection)) this.#options.clock.schedule(lastAnswerMs, () => connection.close());
  }
}

function headOf(address: string, { requestId, headerLines, grant, event }: AgentCall, authorization: string): string {
  const own = headerLine("authorization", authorization) + headerLine(GRANT_HEADER, grant);
  const line = `POST ${routes.invocation(requestId)} HTTP/1.1\r\nhost: ${address}\r\n`;
  return `${line}${own}${headerLines}content-length: ${event.length}\r\n\r\n`;
}

function newClient(address: string, limits: { dialMs: number; timeoutMs: number }): Client {
  return new Client(`http://${address}`, {
    connect: { timeout: limits.dialMs },
    headersTimeout: limits.timeoutMs,
    bodyTimeout: limits.timeoutMs,
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
