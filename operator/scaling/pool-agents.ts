import type { KeyObject } from "node:crypto";
import { Agent, request } from "undici";
import { ASSIGN_PURPOSE, type Assigned, type Assignment } from "../../crds/wire/assignment.ts";
import type { RouterClaim } from "../../crds/wire/environment.ts";
import { ports, routes } from "../../crds/wire/routes.ts";
import { readBody } from "../../lib/http/read-body.ts";
import { signClaim } from "../../lib/http/signed-claim.ts";
import type { Pod } from "../pod.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";

/**
 * `free`: nobody's. `assigned`: the function's that was meant. `taken`: another's, or it takes none. `absent`: nobody listens there, so
 * nothing was said. `unknown`: no answer, so it may be anybody's.
 */
export type AgentAnswer = "free" | "assigned" | "taken" | "absent" | "unknown";

/** The agents of generic pods, as the operator speaks to them. */
export interface PoolAgents {
  /** Whether it is nobody's. Never rejects. */
  ask(pod: Stored<Pod>): Promise<AgentAnswer>;
  /** Gives it a function. Never rejects. */
  assign(pod: Stored<Pod>, assignment: Assignment): Promise<AgentAnswer>;
  close(): Promise<void>;
}

const claimSeconds = 30;
/** A call waits for it. */
const answerMs = 1500;
const longestAnswerBytes = 16 * 1024;

/** Over HTTP to the pod's address, each request with a claim for that pod alone. */
export class HttpPoolAgents implements PoolAgents {
  readonly #signingKey: KeyObject;
  readonly #nowMs: () => number;
  readonly #port: number;
  readonly #connections = new Agent({ connect: { timeout: 1000 }, headersTimeout: answerMs, bodyTimeout: answerMs });

  /** `port`: of the agents. */
  constructor(signingKey: KeyObject, nowMs: () => number, port: number = ports.agent) {
    this.#signingKey = signingKey;
    this.#nowMs = nowMs;
    this.#port = port;
  }

  async ask(pod: Stored<Pod>): Promise<AgentAnswer> {
    return await this.#send(pod, "GET", undefined, ({ functionUid }) => (functionUid === undefined ? "free" : "taken"));
  }

  async assign(pod: Stored<Pod>, assignment: Assignment): Promise<AgentAnswer> {
    const { document } = assignment;
    return await this.#send(pod, "POST", JSON.stringify(assignment), ({ functionUid, revisionID }) =>
      functionUid === document.functionUid && revisionID === document.revisionID ? "assigned" : "taken",
    );
  }

  async close(): Promise<void> {
    await this.#connections.destroy();
  }

  async #send(
    { metadata, status }: Stored<Pod>,
    method: "GET" | "POST",
    body: string | undefined,
    judge: (assigned: Assigned) => AgentAnswer,
  ): Promise<AgentAnswer> {
    const podIP = status?.podIP;
    if (podIP === undefined) return "absent";
    const host = podIP.includes(":") ? `[${podIP}]` : podIP;
    try {
      const answer = await request(`http://${host}:${this.#port}${routes.assignment}`, {
        ...{ method, dispatcher: this.#connections, signal: AbortSignal.timeout(answerMs) },
        headers: { authorization: `Bearer ${this.#claim(metadata.uid)}`, "content-type": "application/json" },
        ...(body !== undefined && { body }),
      });
      const text = (await readBody(answer.body, longestAnswerBytes)).toString("utf8");
      return answer.statusCode === 200 ? judge(JSON.parse(text) as Assigned) : "taken";
    } catch (error) {
      return isRefused(error) ? "absent" : "unknown";
    }
  }

  #claim(podUid: string): string {
    const expiresAt = Math.floor(this.#nowMs() / 1000) + claimSeconds;
    const claim: RouterClaim = { podUid, expiresAt, purpose: ASSIGN_PURPOSE };
    return signClaim(claim, this.#signingKey);
  }
}

/** Nothing has been sent. */
function isRefused(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ECONNREFUSED";
}
