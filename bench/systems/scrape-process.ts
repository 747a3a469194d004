/**
 * A router's metrics of functions behind its server, in a process of its own. Argument: how many functions were called. Prints its port.
 * GET /metrics is a scrape; GET /reading tells how the process has fared since the last reading.
 */
import { setTimeout as wait } from "node:timers/promises";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { Readable } from "node:stream";
import { systemClock } from "../../lib/clock.ts";
import { startServer } from "../../lib/http/express.ts";
import { jsonResponse, type HttpResponse } from "../../lib/http/handler.ts";
import type { FunctionFacts } from "../../runtime-proxy/domain/function-facts.ts";
import { FunctionMetrics } from "../../runtime-proxy/function-metrics.ts";

export interface ScrapeReading {
  readonly longestStallMs: number;
  readonly residentBytes: number;
}

const functions = Number(process.argv[2]);
const callsEach = 20;
/** From the last garbage collection to a reading: what is free goes back to the system. */
const settleMs = 200;
const metrics = new FunctionMetrics({ clock: systemClock });
for (let call = 0; call < callsEach; call += 1)
  for (let n = 0; n < functions; n += 1) count(`orders-service-function-${n}`, call);
const delay = monitorEventLoopDelay({ resolution: 1 });

void startServer({
  host: "127.0.0.1",
  port: 0,
  handler: async ({ path }) => (path === "/reading" ? jsonResponse(200, await read()) : scrape()),
  onError: () => ({ status: 500 }),
}).then(({ port }) => process.stdout.write(`${JSON.stringify({ port })}\n`));

function scrape(): HttpResponse {
  return { status: 200, headers: { "content-type": "text/plain" }, body: Readable.from(metrics.text()) };
}

async function read(): Promise<ScrapeReading> {
  delay.disable();
  const longestStallMs = delay.max / 1e6;
  globalThis.gc?.();
  await wait(settleMs);
  delay.reset();
  delay.enable();
  return { longestStallMs, residentBytes: process.memoryUsage.rss() };
}

function count(name: string, call: number): void {
  const arn = `arn:aws:lambda:us-east-1:000000000001:function:${name}`;
  const facts: FunctionFacts = {
    ...{ uid: name, version: "12", namespace: "production", objectName: name, name, arn },
    ...{ state: "Active", timeoutSeconds: 3 },
  };
  const end = { type: "ran", isFunctionError: call % 10 === 0, durationMs: call * 7 } as const;
  metrics.count({ facts, invokedArn: `${arn}:live`, end });
}
