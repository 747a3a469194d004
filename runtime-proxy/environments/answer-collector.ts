import type { AgentRefusal } from "../../crds/wire/environment.ts";
import type { AnswerFields } from "../../lib/http/answer-reader.ts";
import {
  AnswerTimeoutError,
  DialTimeoutError,
  UnsentError,
  type ExchangeControl,
  type ExchangeHandler,
} from "./agent-connection.ts";

/** How one call to an agent ended. Only `answered`, `cut` and `overdue` may have run anything. */
export type AgentOutcome =
  | { readonly kind: "answered"; readonly headers: AnswerHeaders; readonly body: Buffer }
  /** The agent said that it started nothing. */
  | { readonly kind: "refused"; readonly refusal: AgentRefusal }
  /** Nobody listens at the address, or no more: nothing was sent, or not all of it, and agents start nothing but whole calls. */
  | { readonly kind: "unreachable"; readonly error: Error }
  /** The dial got no answer in time: nothing was sent, and the environment may well live. */
  | { readonly kind: "dialTimeout"; readonly error: Error }
  /** The connection broke after the request had begun to go out. */
  | { readonly kind: "cut"; readonly error: Error }
  /** No answer in the time that the longest run could take. */
  | { readonly kind: "overdue"; readonly error: Error };

export type AnswerHeaders = Readonly<Record<string, string | undefined>>;

/** Longest answer taken in: Lambda's limit and room for an agent that counts otherwise. Source: Lambda quotas, 6 MB. */
const longestAnswerBytes = 6_291_556 + 64 * 1024;
const refusalCodes: ReadonlySet<string> = new Set(["Unauthorized", "Busy", "Stale", "Draining", "BadRequest"]);

/** Takes in one answer whole and says, exactly once, how the call ended. */
export class AnswerCollector implements ExchangeHandler {
  readonly #resolve: (outcome: AgentOutcome) => void;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  #wasSent = false;
  #status = 0;
  #headers: AnswerHeaders = {};

  constructor(resolve: (outcome: AgentOutcome) => void) {
    this.#resolve = resolve;
  }

  onSent(): void {
    this.#wasSent = true;
  }

  onHead(_control: ExchangeControl, status: number, headers: AnswerFields): void {
    this.#status = status;
    this.#headers = headers;
  }

  onData(control: ExchangeControl, chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes > longestAnswerBytes) {
      control.abort(new Error(`Cannot read the answer: longer than ${longestAnswerBytes} bytes`));
    } else this.#chunks.push(chunk);
  }

  onEnd(): void {
    const [first] = this.#chunks;
    const body = this.#chunks.length === 1 && first !== undefined ? first : Buffer.concat(this.#chunks, this.#bytes);
    this.#resolve(this.#status === 200 ? { kind: "answered", headers: this.#headers, body } : this.#toRefusal(body));
  }

  onError(error: Error): void {
    this.#resolve({ kind: this.#kindOf(error), error });
  }

  #kindOf(error: Error): "unreachable" | "dialTimeout" | "cut" | "overdue" {
    if (error instanceof DialTimeoutError) return "dialTimeout";
    if (!this.#wasSent || error instanceof UnsentError) return "unreachable";
    return error instanceof AnswerTimeoutError ? "overdue" : "cut";
  }

  #toRefusal(body: Buffer): AgentOutcome {
    const refusal = parseRefusal(body);
    if (refusal !== undefined) return { kind: "refused", refusal };
    // Not in the contract, so it may have started something: to try again would be a guess.
    return { kind: "cut", error: new Error(`Cannot read the answer: status ${this.#status} without a refusal`) };
  }
}

function parseRefusal(body: Buffer): AgentRefusal | undefined {
  try {
    const refusal = JSON.parse(body.toString("utf8")) as Partial<AgentRefusal> | null;
    if (typeof refusal?.code !== "string" || !refusalCodes.has(refusal.code)) return undefined;
    return { code: refusal.code, message: String(refusal.message) };
  } catch {
    return undefined;
  }
}
