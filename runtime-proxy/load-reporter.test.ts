import assert from "node:assert/strict";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { afterEach, beforeEach, describe, it } from "mocha";
import { ManualClock } from "../test/kit/manual-clock.ts";
import { LoadReporter, type LoadReporterParts } from "./load-reporter.ts";

describe("LoadReporter", () => {
  let server: Server;
  let reporter: LoadReporter;
  let clock: ManualClock;
  let connections: Socket[];
  let results: string[];
  let answerOn: (connection: number) => RequestListener;

  beforeEach(async () => {
    [clock, connections, results] = [new ManualClock(), [], []];
    server = createServer((request, response) => {
      answerOn(connections.indexOf(request.socket))(request, response);
    });
    server.on("connection", (socket) => connections.push(socket));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    reporter = new LoadReporter({
      pool: {
        ...{ listen: () => undefined, askBack: () => undefined, owns: () => true },
        ...{ takeTouched: () => new Set(), waitingFunctions: () => [] },
      },
      functions: { all: () => [], onChange: () => undefined },
      ledger: {},
      ...{ clock, replica: "r", operatorUrl: `http://127.0.0.1:${port}`, readToken: () => Promise.resolve("token") },
      log: { warn: () => undefined, debug: () => undefined },
      metrics: { loadReports: { inc: ({ result }: { result: string }) => void results.push(result) } },
    } as unknown as LoadReporterParts);
  });
  afterEach(async () => {
    await reporter.stop();
    server.closeAllConnections();
    server.close();
  });

  /** Resolves when so many reports have ended; the test's own limit ends a wait in vain. */
  async function reported(count: number): Promise<void> {
    while (results.length < count) {
      clock.advance(1000);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  const good: RequestListener = (request, response) => {
    request.resume();
    request.on("end", () => response.writeHead(200).end('{"release":[]}'));
  };
  const stranger: RequestListener = (request, response) => {
    request.resume();
    request.on("end", () => response.writeHead(404).end());
  };

  it("keeps one connection to the operator", async () => {
    answerOn = () => good;
    reporter.start();
    await reported(3);
    assert.deepEqual([results.slice(0, 3), connections.length], [["ok", "ok", "ok"], 1]);
  });

  it("does not stay with a stranger who took the connection while the operator's Service led nowhere", async () => {
    answerOn = (connection) => (connection === 0 ? stranger : good);
    reporter.start();
    await reported(3);
    assert.deepEqual([results.slice(0, 3), connections.length], [["failed", "ok", "ok"], 2]);
  });
});
