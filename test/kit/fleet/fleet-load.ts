/** Steady calls at all routers of a fleet, each with a name of its own, and what their clients were told. */
import type { FleetAnswer, FleetRouters } from "./fleet-routers.ts";
import { monotonicMs } from "./run-record.ts";

export interface LoadOptions {
  /** How many clients each function has; they are spread over the routers. */
  readonly clients: Readonly<Record<string, number>>;
  /** Of one run. */
  readonly runMs: number;
}

export interface LoadCall {
  readonly id: string;
  readonly name: string;
  /** uid of the router that took it. */
  readonly router: string;
  /** By the machine's monotonic clock. */
  readonly beganMs: number;
  readonly endedMs: number;
  /** Absent: the connection broke, as it does when a router is killed. */
  readonly answer?: FleetAnswer;
}

const pauseMs = 15;
/** After a fault watches may take seconds to be there again, on a machine that is busy with other work some more. */
const waitMs = 60_000;
let loads = 0;

export class FleetLoad {
  readonly calls: LoadCall[] = [];
  readonly #fleet: FleetRouters;
  readonly #options: LoadOptions;
  readonly #clients: Promise<void>[];
  #served = 0;
  #isEnding = false;

  constructor(fleet: FleetRouters, options: LoadOptions) {
    this.#fleet = fleet;
    this.#options = options;
    loads += 1;
    const names = Object.entries(options.clients).flatMap(([name, count]) => Array<string>(count).fill(name));
    this.#clients = names.map((name, place) => this.#call(`load-${loads}-${place}`, name, place));
  }

  /** Takes no more calls up; resolves when all have their answer. */
  async end(): Promise<readonly LoadCall[]> {
    this.#isEnding = true;
    await Promise.all(this.#clients);
    return this.calls;
  }

  /** Calls that were answered well. */
  get served(): number {
    return this.#served;
  }

  /** Waits until so many more calls were answered well. */
  async untilServed(more: number): Promise<void> {
    const before = this.#served;
    await this.#fleet.world.until(
      `${more} more calls are served`,
      () => Promise.resolve(this.#served >= before + more ? true : undefined),
      waitMs,
    );
  }

  /** Waits until so many calls of a function in a row, begun from now on, ended as wanted. */
  async untilInARow(name: string, count: number, isWanted: (call: LoadCall) => boolean): Promise<void> {
    const fromMs = monotonicMs();
    await this.#fleet.world.until(
      `${count} calls of "${name}" in a row end as wanted`,
      () => {
        const last = this.calls.filter((call) => call.name === name && call.beganMs >= fromMs).slice(-count);
        return Promise.resolve(last.length === count && last.every(isWanted) ? true : undefined);
      },
      waitMs,
    );
  }

  /** Each at a router of its own: one that hangs holds up its own clients only. */
  async #call(client: string, name: string, place: number): Promise<void> {
    const { runMs } = this.#options;
    for (let number = 0; !this.#isEnding; number += 1) {
      const id = `${client}-${number}`;
      const { routers } = this.#fleet;
      const router = routers[place % Math.max(1, routers.length)];
      if (router !== undefined) {
        const beganMs = monotonicMs();
        const answer = await this.#fleet.invoke(router, name, { ms: runMs, id }).catch(() => undefined);
        if (answer?.status === 200) this.#served += 1;
        const call = { id, name, router: router.podUid, beganMs, endedMs: monotonicMs() };
        this.calls.push({ ...call, ...(answer !== undefined && { answer }) });
      }
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }
}
