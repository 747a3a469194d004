import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { LoadReport, LoadReportAnswer } from "../../crds/wire/load-report.ts";
import { readBody } from "../../lib/http/read-body.ts";

const longestReportBytes = 4 * 1024 * 1024;
const readyLimitMs = 60_000;
/** Stands where routers report their load, takes every report as the operator does, asks no environment back, and tells how many are idle. */
export class OperatorEar {
  readonly #server: Server;
  readonly #waiting = new Set<() => void>();
  /** Idle environments by uid of their function, as each router told last. */
  readonly #idleByReplica = new Map<string, Map<string, number>>();

  constructor() {
    this.#server = createServer((request, response) => {
      void this.#hear(request).then(
        (answer) => response.end(JSON.stringify(answer)),
        () => response.writeHead(400).end(),
      );
    });
  }

  /** Returns its URL. */
  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Until a router says that so many environments are idle. */
  async untilIdle(environments: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    const look = (): void => {
      if (this.#idle() >= environments) resolve(undefined);
    };
    const fail = (): void =>
      reject(new Error(`Cannot wait longer: ${this.#idle()} of ${environments} environments are ready`));
    const timer = setTimeout(fail, readyLimitMs);
    this.#waiting.add(look);
    look();
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(look);
    }
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async #hear(request: IncomingMessage): Promise<LoadReportAnswer> {
    const report = JSON.parse((await readBody(request, longestReportBytes)).toString()) as LoadReport;
    const { replica, since, sequence, functions, gone = [] } = report;
    const told = new Map<string, number>();
    for (const { functionUid, idle } of functions) told.set(functionUid, (told.get(functionUid) ?? 0) + idle.length);
    for (const uid of gone) told.set(uid, 0);
    const before = since === undefined ? undefined : this.#idleByReplica.get(replica);
    this.#idleByReplica.set(replica, new Map([...(before ?? []), ...told]));
    for (const look of this.#waiting) look();
    return { release: [], heard: sequence };
  }

  #idle(): number {
    const all = [...this.#idleByReplica.values()].flatMap((idle) => [...idle.values()]);
    return all.reduce((sum, idle) => sum + idle, 0);
  }
}
