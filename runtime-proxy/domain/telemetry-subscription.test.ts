import assert from "node:assert/strict";
import { isSameSubscription, parseSubscription, type TelemetryApiName } from "./telemetry-subscription.ts";

const reserved = [9001, 19001];
const http = { protocol: "HTTP", URI: "http://sandbox.localdomain:4243" };
const tcp = { protocol: "TCP", port: 4243 };
const valid = { schemaVersion: "2022-12-13", types: ["platform"], destination: http };
const defaults = { maxItems: 10_000, maxBytes: 262_144, timeoutMs: 1_000 };

function parse(body: unknown, api: TelemetryApiName = "Telemetry"): ReturnType<typeof parseSubscription> {
  return parseSubscription(api, typeof body === "string" ? body : JSON.stringify(body), reserved);
}

function accepted(
  body: unknown,
  api?: TelemetryApiName,
): Extract<ReturnType<typeof parse>, { ok: true }>["subscription"] {
  const parsed = parse(body, api);
  assert.ok(parsed.ok, JSON.stringify(parsed));
  return parsed.subscription;
}

const refused: Record<string, { body: unknown; want: string; api?: TelemetryApiName }> = {
  "telemetry-api 3: all faults are named": {
    body: { ...valid, types: [], destination: { protocol: "HTTP", URI: "http://sandbox.localdomain" } },
    want: "URI port is not provided; types should not be empty",
  },
  "telemetry-api 4: types are lower case": {
    body: { ...valid, types: ["Platform"] },
    want: "types should be a list of platform, function, extension",
  },
  "telemetry-api 5: the Telemetry API needs a schema version": {
    body: { ...valid, schemaVersion: undefined },
    want: "schemaVersion is not provided",
  },
  "a schema version of the other API": {
    body: { ...valid, schemaVersion: "2021-03-18" },
    want: "schemaVersion should be one of 2022-07-01, 2022-12-13, 2025-01-29",
  },
  "a schema version of the Telemetry API for the Logs API": {
    body: valid,
    api: "Logs",
    want: "schemaVersion should be one of 2020-08-15, 2021-03-18",
  },
  "telemetry-api 6: too few items": {
    body: { ...valid, buffering: { maxItems: 999 } },
    want: "maxItems should be between 1000 and 10000",
  },
  "telemetry-api 6: too many bytes": {
    body: { ...valid, buffering: { maxBytes: 1_048_577 } },
    want: "maxBytes should be between 262144 and 1048576",
  },
  "telemetry-api 6: too short a time": {
    body: { ...valid, buffering: { timeoutMs: 24 } },
    want: "timeoutMs should be between 25 and 30000",
  },
  "several members of buffering": {
    body: { ...valid, buffering: { timeoutMs: "25", maxItems: 1000.5 } },
    want: "maxItems should be between 1000 and 10000; timeoutMs should be between 25 and 30000",
  },
  "buffering that is no object": { body: { ...valid, buffering: [] }, want: "buffering should be an object" },
  "telemetry-api 8: localhost": {
    body: { ...valid, destination: { ...http, URI: "http://localhost:4243" } },
    want: "URI host should be sandbox.localdomain",
  },
  "telemetry-api 8: 127.0.0.1": {
    body: { ...valid, destination: { ...http, URI: "http://127.0.0.1:4243" } },
    want: "URI host should be sandbox.localdomain",
  },
  "a host that only begins like ours": {
    body: { ...valid, destination: { ...http, URI: "http://sandbox.localdomain.example:4243" } },
    want: "URI host should be sandbox.localdomain",
  },
  "a user who looks like our host": {
    body: { ...valid, destination: { ...http, URI: "http://sandbox.localdomain:1@example:4243" } },
    want: "URI is not valid",
  },
  https: {
    body: { ...valid, destination: { ...http, URI: "https://sandbox.localdomain:4243" } },
    want: "URI scheme should be http",
  },
  "port 9001": {
    body: { ...valid, destination: { ...http, URI: "http://sandbox.localdomain:9001/x" } },
    want: "port 9001 is reserved",
  },
  "port 9001 by TCP": { body: { ...valid, destination: { ...tcp, port: 9001 } }, want: "port 9001 is reserved" },
  "the agent's other port": {
    body: { ...valid, destination: { ...tcp, port: 19001 } },
    want: "port 19001 is reserved",
  },
  "port 0": { body: { ...valid, destination: { ...tcp, port: 0 } }, want: "port should be between 1 and 65535" },
  "a port that is too high": {
    body: { ...valid, destination: { ...http, URI: "http://sandbox:65536" } },
    want: "URI port should be between 1 and 65535",
  },
  "a port that is a string": {
    body: { ...valid, destination: { ...tcp, port: "4243" } },
    want: "port should be between 1 and 65535",
  },
  "no port": { body: { ...valid, destination: { protocol: "TCP" } }, want: "port is not provided" },
  "no URI": { body: { ...valid, destination: { protocol: "HTTP" } }, want: "URI is not provided" },
  "what is no URI": { body: { ...valid, destination: { ...http, URI: 1 } }, want: "URI is not valid" },
  "an unknown protocol": {
    body: { ...valid, destination: { ...http, protocol: "UDP" } },
    want: "protocol should be HTTP or TCP",
  },
  "no destination": { body: { ...valid, destination: undefined }, want: "destination is not provided" },
  "types that are no list": {
    body: { ...valid, types: "platform" },
    want: "types should be a list of platform, function, extension",
  },
  "a method that delivers nothing": {
    body: { types: ["platform"], destination: { ...http, method: "GET" } },
    api: "Logs",
    want: "method should be PUT or POST",
  },
  "another encoding": {
    body: { types: ["platform"], destination: { ...http, encoding: "XML" } },
    api: "Logs",
    want: "encoding should be JSON",
  },
  "a list": { body: [valid], want: "request body is not a JSON object" },
  "no JSON": { body: "{", want: "request body is not a JSON object" },
  nothing: { body: "", want: "request body is not a JSON object" },
};

describe("parseSubscription", () => {
  for (const [title, { body, want, api }] of Object.entries(refused)) {
    it(`refuses: ${title}`, () => assert.deepEqual(parse(body, api), { ok: false, message: want }));
  }

  it("telemetry-api 5: the Logs API has a default schema version", () => {
    const { schema, destination } = accepted({ types: ["function"], destination: http }, "Logs");
    assert.equal(schema, "2020-08-15");
    assert.deepEqual(destination, {
      protocol: "HTTP",
      host: "sandbox.localdomain",
      port: 4243,
      path: "/",
      method: "POST",
    });
  });

  it("telemetry-api 6: the bounds themselves are fine", () => {
    for (const buffering of [
      { maxItems: 1_000, maxBytes: 262_144, timeoutMs: 25 },
      { maxItems: 10_000, maxBytes: 1_048_576, timeoutMs: 30_000 },
    ]) {
      assert.deepEqual(accepted({ ...valid, buffering }).buffering, buffering);
    }
  });

  it("telemetry-api 7: each member of buffering falls to its default alone", () => {
    assert.deepEqual(accepted({ ...valid, buffering: { timeoutMs: 100 } }).buffering, { ...defaults, timeoutMs: 100 });
    assert.deepEqual(accepted(valid).buffering, defaults);
  });

  it("telemetry-api 13: path and query of the URI are kept, port 80 is one", () => {
    const uris: Record<string, string> = {
      "http://sandbox.localdomain:80/in?a=b#c": "/in?a=b",
      "http://SANDBOX:80": "/",
      "HTTP://sandbox:80?q": "/?q",
      "http://sandbox:80//x/%20y z": "//x/%20y%20z",
    };
    for (const [uri, path] of Object.entries(uris)) {
      const { destination } = accepted({ ...valid, destination: { protocol: "HTTP", URI: uri } });
      assert.deepEqual([destination.port, "path" in destination && destination.path], [80, path], uri);
    }
  });

  it("unknown members are no fault, nor is a type that is named twice", () => {
    const { types, destination } = accepted({
      ...valid,
      types: ["function", "platform", "function"],
      destination: { ...tcp, extra: 1 },
      extra: 1,
    });
    assert.deepEqual(types, ["function", "platform"]);
    assert.deepEqual(destination, { protocol: "TCP", port: 4243 });
  });

  it("the Logs API may ask for PUT", () => {
    const destination = { ...http, method: "PUT", encoding: "JSON" };
    const read = accepted({ types: ["platform"], destination }, "Logs").destination;
    assert.equal("method" in read && read.method, "PUT");
  });

  it("a subscription is the same in another order of its types, another one otherwise", () => {
    const one = accepted({ ...valid, types: ["function", "platform"] });
    assert.equal(isSameSubscription(one, accepted({ ...valid, types: ["platform", "function"] })), true);
    assert.equal(isSameSubscription(one, accepted(valid)), false);
    assert.equal(isSameSubscription(accepted(valid), accepted({ ...valid, destination: tcp })), false);
  });
});
