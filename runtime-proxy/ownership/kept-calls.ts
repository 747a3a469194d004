import type { Clock } from "../../lib/clock.ts";
import type { PeerCall } from "./peer-call.ts";

const sweepMs = 2;
/** Versions of which nothing is kept any more are forgotten when there are more. */
const mostEmpty = 256;

/** Calls that have ended and keep their slot and environment for the next one of their version, for a few milliseconds. */
export class KeptCalls {
  readonly #clock: Clock;
  /** The one that ended last is the last one; what was taken back in between is no longer kept. */
  readonly #callsByVersion = new Map<string, PeerCall[]>();
  #isSweeping = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(call: PeerCall): void {
    const { functionUid, version } = call.order;
    const key = keyOf(functionUid, version);
    const calls = this.#callsByVersion.get(key);
    if (calls === undefined) this.#callsByVersion.set(key, [call]);
    else calls.push(call);
    this.#sweepLater();
  }

  take(functionUid: string, version: string): PeerCall | undefined {
    if (!this.#isSweeping) return undefined;
    const calls = this.#callsByVersion.get(keyOf(functionUid, version));
    const nowMs = this.#clock.monotonicMs();
    for (let call = calls?.pop(); call !== undefined; call = calls?.pop()) {
      if (call.keptUntilMs > nowMs) return call;
      call.letGo();
    }
    return undefined;
  }

  #sweepLater(): void {
    if (this.#isSweeping) return;
    this.#isSweeping = true;
    this.#clock.schedule(sweepMs, () => this.#sweep());
  }

  #sweep(): void {
    const nowMs = this.#clock.monotonicMs();
    let left = 0;
    for (const calls of this.#callsByVersion.values()) {
      let place = 0;
      for (const call of calls) {
        if (call.keptUntilMs > nowMs) calls[place++] = call;
        else call.letGo();
      }
      calls.length = place;
      left += place;
    }
    this.#isSweeping = false;
    if (left > 0) this.#sweepLater();
    else if (this.#callsByVersion.size > mostEmpty) this.#callsByVersion.clear();
  }
}

function keyOf(functionUid: string, version: string): string {
  return `${functionUid} ${version}`;
}
