/** Steady calls at all routers of a fleet, each with a name of its own, and what their clients were told. */
import type { FleetAnswer, RouterFleet } from "./router-fleet.ts";

export interface LoadOptions {
  readonly name: string;
  readonly clients: number;
  /** Of one run. */
  readonly runMs: number;
}

export interface LoadCall {
  readonly id: string;
  /** Absent: the connection broke, as it does when a router is killed. */
  readonly answer?: FleetAnswer;
}

const pauseMs = 15;
let loads = 0;

export class FleetLoad {
  readonly calls: LoadCall[] = [];
  readonly #fleet: RouterFleet;
  readonly #options: LoadOptions;
  readonly #clients: Promise<void>[];
  #isEnding = false;

  constructor(fleet: RouterFleet, options: LoadOptions) {
    this.#fleet = fleet;
    this.#options = options;
    loads += 1;
    this.#clients = Array.from({ length: options.clients }, (_, number) =>
      this.#call(`load-${loads}-${number}`, number),
    );
  }

  /** Takes no more calls up; resolves when all have their answer. */
  async end(): Promise<readonly LoadCall[]> {
    this.#isEnding = true;
    await Promise.all(this.#clients);
    return this.calls;
  }

  /** Waits until so many more calls were answered well. */
  async untilServed(more: number): Promise<void> {
    const { length } = this.#served();
    await this.#fleet.world.until(`${more} more calls are served`, () =>
      Promise.resolve(this.#served().length >= length + more ? true : undefined),
    );
  }

  #served(): readonly LoadCall[] {
    return this.calls.filter(({ answer }) => answer?.status === 200);
  }

  /** Each at a router of its own: one that hangs holds up its own clients only. */
  async #call(client: string, place: number): Promise<void> {
    const { name, runMs } = this.#options;
    for (let number = 0; !this.#isEnding; number += 1) {
      const id = `${client}-${number}`;
      const { routers } = this.#fleet;
      const router = routers[place % Math.max(1, routers.length)];
      const answer = await this.#fleet.invoke(router, name, { ms: runMs, id }).catch(() => undefined);
      this.calls.push({ id, ...(answer !== undefined && { answer }) });
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }
}
