import { ChurningMap } from "../../lib/churning-map.ts";
import type { Clock } from "../../lib/clock.ts";
import { WaitingQueue } from "../domain/waiting-queue.ts";

/** What waits; `arrival` is unique among those that wait at once, `deadlineMs` on the monotonic clock. */
export interface Waiting {
  readonly functionUid: string;
  /** `$LATEST` or a number. */
  readonly version: string;
  /** For what is kept ready for the version, and nothing else. */
  readonly isProvisioned?: boolean;
  readonly arrival: number;
  readonly deadlineMs: number;
}

interface WaitingCall<Request extends Waiting, End> {
  readonly request: Request;
  readonly arrival: number;
  readonly resolve: (end: End) => void;
  readonly cancelDeadline: () => void;
}

/** Calls of one function and version wait in one queue, apart for what is kept ready and for what is made. */
export interface QueueName {
  readonly version: string;
  readonly isProvisioned?: boolean | undefined;
}

export interface WaitingCallsOptions<Request, End> {
  readonly clock: Clock;
  /** What a request is told whose deadline passes. */
  readonly timedOut: End;
  /** More or fewer wait for the request's function than before. */
  readonly onChanged: (request: Request) => void;
}

/** Calls that wait for an environment. Each gets exactly one end: an environment, a refusal, or its deadline. */
export class WaitingCalls<Request extends Waiting, End> {
  readonly #options: WaitingCallsOptions<Request, End>;
  readonly #callByArrival = new ChurningMap<WaitingCall<Request, End>>();
  /** Function's uid → key (`keyOf`) → calls. Queues stay when they are empty: calls come and go, and a Map that is deleted from leaves its old tables behind. */
  readonly #byFunction = new Map<string, Map<string, WaitingQueue<WaitingCall<Request, End>>>>();

  constructor(options: WaitingCallsOptions<Request, End>) {
    this.#options = options;
  }

  /** How many wait in one queue. */
  size(functionUid: string, name: QueueName): number {
    return this.#queue(functionUid, keyOf(name))?.size ?? 0;
  }

  /** How many wait for any version of a function. */
  sizeOf(functionUid: string): number {
    let waiting = 0;
    for (const queue of this.#byFunction.get(functionUid)?.values() ?? []) waiting += queue.size;
    return waiting;
  }

  /** Functions that calls wait for. */
  *functions(): Iterable<string> {
    for (const uid of this.#byFunction.keys()) if (this.sizeOf(uid) > 0) yield uid;
  }

  /** Of a function; those that are empty, too. */
  queues(functionUid: string): readonly Required<QueueName>[] {
    return [...(this.#byFunction.get(functionUid)?.keys() ?? [])].map(parseKey);
  }

  add(request: Request): Promise<End> {
    const { clock, timedOut, onChanged } = this.#options;
    const { functionUid, arrival, deadlineMs } = request;
    const { promise, resolve } = Promise.withResolvers<End>();
    const cancelDeadline = clock.schedule(deadlineMs - clock.monotonicMs(), () => this.end(request, timedOut));
    const call = { request, arrival, resolve, cancelDeadline };
    this.#callByArrival.set(arrival, call);
    const queues = this.#byFunction.get(functionUid) ?? new Map<string, WaitingQueue<WaitingCall<Request, End>>>();
    const key = keyOf(request);
    const queue = queues.get(key) ?? new WaitingQueue<WaitingCall<Request, End>>();
    this.#byFunction.set(functionUid, queues.set(key, queue));
    queue.add(call);
    onChanged(request);
    return promise;
  }

  /** Ends the wait of a request; nothing happens when it waits no more. */
  end(request: Request, end: End): void {
    const call = this.#callByArrival.get(request.arrival);
    if (call?.request !== request) return;
    if (this.#queue(request.functionUid, keyOf(request))?.remove(call) === true) this.#settle(call, end);
  }

  /** Ends the wait of the one that has waited longest. */
  endFirst(functionUid: string, name: QueueName, end: End): void {
    const call = this.#queue(functionUid, keyOf(name))?.takeFirst();
    if (call !== undefined) this.#settle(call, end);
  }

  endAll(functionUid: string, name: QueueName, end: End): void {
    for (const call of this.#queue(functionUid, keyOf(name))?.takeAll() ?? []) this.#settle(call, end);
  }

  /** Of a version that is no more: its queue, which nobody waits in any longer. */
  forget(functionUid: string, name: QueueName): void {
    const queues = this.#byFunction.get(functionUid);
    if (this.size(functionUid, name) === 0) queues?.delete(keyOf(name));
    if (queues?.size === 0) this.#byFunction.delete(functionUid);
  }

  #queue(functionUid: string, key: string): WaitingQueue<WaitingCall<Request, End>> | undefined {
    return this.#byFunction.get(functionUid)?.get(key);
  }

  #settle(call: WaitingCall<Request, End>, end: End): void {
    this.#callByArrival.take(call.arrival);
    call.cancelDeadline();
    this.#options.onChanged(call.request);
    call.resolve(end);
  }
}

/** No version's name has a "!". */
function keyOf({ version, isProvisioned }: QueueName): string {
  return isProvisioned === true ? `${version}!` : version;
}

function parseKey(key: string): Required<QueueName> {
  const isProvisioned = key.endsWith("!");
  return { version: isProvisioned ? key.slice(0, -1) : key, isProvisioned };
}
