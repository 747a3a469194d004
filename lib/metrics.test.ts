import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { Counter } from "prom-client";
import type { HttpRequest } from "./http/handler.ts";
import { createMetricsRegistry, metricsHandler } from "./metrics.ts";

function request(method: string): HttpRequest {
  const signal = new AbortController().signal;
  const whenAnswered = (): void => undefined;
  return {
    ...{ method, path: "/metrics", query: new URLSearchParams(), headers: {}, body: Readable.from([]) },
    ...{ signal, whenAnswered },
  };
}

describe("metricsHandler", () => {
  it("answers with the registry's text, the process on every series", async () => {
    const registry = createMetricsRegistry("operator");
    const counter = new Counter({ name: "things_total", help: "Things", registers: [registry] });
    counter.inc(3);
    const answer = await metricsHandler(registry)(request("GET"));
    assert.equal(answer.status, 200);
    assert.match(answer.headers!["content-type"] as string, /^text\/plain; version=0\.0\.4/);
    assert.match(answer.body as string, /^things_total\{process="operator"\} 3$/m);
    assert.match(answer.body as string, /^process_resident_memory_bytes\{/m);
  });

  it("refuses other methods", async () => {
    assert.equal((await metricsHandler(createMetricsRegistry("x"))(request("POST"))).status, 405);
  });
});
