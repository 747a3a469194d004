import type { AgentRefusal } from "../../crds/wire/environment.ts";
import type { AnswerFields } from "../../lib/http/answer-reader.ts";
import type { MemoryBudget, MemoryRoom } from "../memory-budget.ts";
import {
  AnswerTimeoutError,
  DialTimeoutError,
  UnsentError,
  type ExchangeControl,
  type ExchangeHandler,
} from "./agent-connection.ts";

/** How one call to an agent ended. Only `answered`, `cut`, `noRoom` and `overdue` may have run anything. */
export type AgentOutcome =
  | {
      readonly kind: "answered";
      readonly headers: AnswerHeaders;
      readonly body: Buffer;
      /** What the body holds, to be given back when it is held no more; absent: it counts for nothing. */
      readonly room?: MemoryRoom | undefined;
    }
  /** The agent said that it started nothing. */
  | { readonly kind: "refused"; readonly refusal: AgentRefusal }
  /** Nobody listens at the address, or no more: nothing was sent, or not all of it, and agents start nothing but whole calls. */
  | { readonly kind: "unreachable"; readonly error: Error }
  /** The dial got no answer in time: nothing was sent, and the environment may well live. */
  | { readonly kind: "dialTimeout"; readonly error: Error }
  /** The connection broke after the request had begun to go out. */
  | { readonly kind: "cut"; readonly error: Error }
  /** It answered, and there was no room for its answer. */
  | { readonly kind: "noRoom"; readonly error: Error }
  /** No answer in the time that the longest run could take. */
  | { readonly kind: "overdue"; readonly error: Error };

export type AnswerHeaders = Readonly<Record<string, string | undefined>>;

/** Longest answer taken in: Lambda's limit and room for an agent that counts otherwise. Source: Lambda quotas, 6 MB. */
const longestAnswerBytes = 6_291_556 + 64 * 1024;
/** Answers up to this length take no room: most of them are never held, for the client's kernel takes them at once. */
const uncountedBytes = 16 * 1024;
const refusalCodes: ReadonlySet<string> = new Set(["Unauthorized", "Busy", "Stale", "Draining", "BadRequest"]);

/** Others' answers, or its own account's, hold all the memory that there is for them. */
class NoRoomError extends Error {
  override readonly name = "NoRoomError";
}

/** Where answers find room, and for whom. */
export interface AnswerKeeping {
  readonly memory: Pick<MemoryBudget, "take">;
  readonly account: string;
}

/** Takes in one answer whole, as soon as there is room for it, and says, exactly once, how the call ended. */
export class AnswerCollector implements ExchangeHandler {
  readonly #keeping: AnswerKeeping;
  readonly #resolve: (outcome: AgentOutcome) => void;
  readonly #chunks: Buffer[] = [];
  #room: MemoryRoom | undefined;
  /** Room was asked for: it is here, or waited for. */
  #hasAsked = false;
  /** Of its exchange: the connection may be at another call. */
  #end: "answered" | "failed" | undefined;
  #bytes = 0;
  #wasSent = false;
  #status = 0;
  #headers: AnswerHeaders = {};

  constructor(keeping: AnswerKeeping, resolve: (outcome: AgentOutcome) => void) {
    this.#keeping = keeping;
    this.#resolve = resolve;
  }

  onSent(): void {
    this.#wasSent = true;
  }

  onHead(control: ExchangeControl, status: number, headers: AnswerFields): void {
    this.#status = status;
    this.#headers = headers;
    const bytes = Number(headers["content-length"]);
    if (bytes > uncountedBytes) this.#takeRoom(control, Math.min(bytes, longestAnswerBytes));
  }

  onData(control: ExchangeControl, chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes > longestAnswerBytes) {
      control.abort(new Error(`Cannot read the answer: longer than ${longestAnswerBytes} bytes`));
      return;
    }
    this.#chunks.push(chunk);
    if (this.#bytes > uncountedBytes && !this.#hasAsked) this.#takeRoom(control, longestAnswerBytes);
  }

  onEnd(): void {
    this.#end = "answered";
    if (!this.#hasAsked || this.#room !== undefined) this.#finish();
  }

  onError(error: Error): void {
    this.#end = "failed";
    this.#room?.release();
    this.#resolve({ kind: this.#kindOf(error), error });
  }

  /** Reads no more until there is room for all of the answer. */
  #takeRoom(control: ExchangeControl, bytes: number): void {
    this.#hasAsked = true;
    const room = this.#keeping.memory.take(bytes, this.#keeping.account);
    if (!(room instanceof Promise)) {
      this.#room = room;
      return;
    }
    control.pause();
    void room.then((found) => this.#goOn(control, found));
  }

  #goOn(control: ExchangeControl, room: MemoryRoom | undefined): void {
    if (this.#end === "failed") {
      room?.release();
      return;
    }
    this.#room = room;
    const hasEnded = this.#end === "answered";
    if (room !== undefined && hasEnded) this.#finish();
    else if (room !== undefined) control.resume();
    else {
      const error = new NoRoomError("Cannot hold the answer: no memory came free for it");
      if (hasEnded) this.onError(error);
      else control.abort(error);
    }
  }

  #finish(): void {
    const [first] = this.#chunks;
    const body = this.#chunks.length === 1 && first !== undefined ? first : Buffer.concat(this.#chunks, this.#bytes);
    const room = this.#room;
    room?.shrinkTo(body.length);
    if (this.#status === 200) {
      this.#resolve({ kind: "answered", headers: this.#headers, body, room });
      return;
    }
    room?.release();
    this.#resolve(this.#toRefusal(body));
  }

  #kindOf(error: Error): "unreachable" | "dialTimeout" | "cut" | "noRoom" | "overdue" {
    if (error instanceof NoRoomError) return "noRoom";
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
