/** The Telemetry and Logs APIs as extensions call them: what they are answered. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  identifierOf,
  logsPath,
  startTelemetry,
  subscriptionTo,
  telemetryPath,
  type TelemetryWorld,
} from "../kit/telemetry-world.ts";

describe("Telemetry API, subscribing", () => {
  let world: TelemetryWorld;
  const parsed = ({ body }: { readonly body: Buffer }): unknown => JSON.parse(body.toString());

  afterEach(async () => world.stop());

  beforeEach(async () => {
    world = await startTelemetry();
  });
  const valid = subscriptionTo({ port: 4243 });

  it("telemetry-api 1, 2: is answered OK, with and without a slash at the end", async () => {
    for (const path of [telemetryPath, `${telemetryPath}/`]) {
      const answer = await world.put(path, valid);
      assert.equal(answer.status, 200);
      assert.equal(answer.body.toString(), '"OK"');
      assert.equal(answer.headers["content-type"], "application/json");
    }
    const answer = await world.put(`${logsPath}/`, { types: ["platform"], destination: valid["destination"] }, y);
    assert.deepEqual([answer.status, answer.body.toString()], [200, '"OK"']);
  });
  const y = { headers: { "Lambda-Extension-Identifier": identifierOf("y") } };

  it("telemetry-api 3, 4, 5, 6, 8: faults have the API's type and name what is wrong", async () => {
    const noPort = { protocol: "HTTP", URI: "http://sandbox.localdomain" };
    const answer = await world.put(telemetryPath, { ...valid, types: [], destination: noPort });
    assert.equal(answer.status, 400);
    assert.deepEqual(parsed(answer), {
      errorType: "ValidationError",
      errorMessage: "URI port is not provided; types should not be empty",
    });
    const logs = await world.put(logsPath, { types: ["Platform"], destination: noPort });
    assert.equal(logs.status, 400);
    assert.deepEqual(parsed(logs), {
      errorType: "Logs.ValidationError",
      errorMessage: "URI port is not provided; types should be a list of platform, function, extension",
    });
    assert.deepEqual(world.written, []);
  });

  it("telemetry-api 9: who is not known is not heard", async () => {
    const headers = { "Lambda-Extension-Identifier": "nobody" };
    assert.equal((await world.put(telemetryPath, "{", { headers })).status, 403);
  });

  it("telemetry-api 10: is closed once init is over, and open again after a reset", async () => {
    world.log.close();
    const answer = await world.put(telemetryPath, valid);
    assert.equal(answer.status, 403);
    assert.deepEqual(parsed(answer), {
      errorType: "Telemetry.SubscriptionClosed",
      errorMessage: "Telemetry API subscription is closed",
    });
    const logs = await world.put(logsPath, { types: ["platform"], destination: valid["destination"] });
    assert.equal((parsed(logs) as { errorType: string }).errorType, "Logs.SubscriptionClosed");
    world.log.reset();
    assert.equal((await world.put(telemetryPath, valid)).status, 200);
  });

  it("telemetry-api 11: an extension uses one of the two APIs", async () => {
    const logsBody = { types: ["platform"], destination: valid["destination"] };
    await world.put(telemetryPath, valid);
    const answer = await world.put(logsPath, logsBody);
    assert.equal(answer.status, 400);
    assert.equal((parsed(answer) as { errorType: string }).errorType, "Logs.AccessDenied");
    assert.equal((await world.put(logsPath, logsBody, y)).status, 200);
    assert.equal((await world.put(telemetryPath, valid, y)).status, 400);
  });

  it("the same again changes nothing, another one is a further subscription, of which there are ten", async () => {
    await world.put(telemetryPath, valid);
    await world.put(telemetryPath, { ...valid, types: ["function", "extension", "platform"] });
    assert.equal(world.written.length, 1);
    for (let port = 1; port < 10; port += 1) await world.put(telemetryPath, { ...valid, ...subscriptionTo({ port }) });
    assert.equal(world.written.length, 10);
    const answer = await world.put(telemetryPath, { ...valid, ...subscriptionTo({ port: 10 }) });
    assert.equal(answer.status, 400);
    assert.equal(world.written.length, 10);
  });

  it("a body without end is refused without being kept", async () => {
    const answer = await world.put(telemetryPath, "x".repeat(1_000_000));
    assert.deepEqual(
      [answer.status, parsed(answer)],
      [400, { errorType: "ValidationError", errorMessage: "request body is too large" }],
    );
  });

  it("whatever bytes come, they are answered", async () => {
    const body = fc.oneof(
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes).toString("latin1")),
      fc.json(),
      fc.record(
        {
          schemaVersion: fc.constantFrom("2022-12-13", 1, null),
          types: fc.oneof(fc.array(fc.constantFrom("platform", "function", 7, null)), fc.anything()),
          destination: fc.oneof(
            fc.record({ protocol: fc.constant("HTTP"), URI: fc.oneof(fc.webUrl(), fc.string(), fc.anything()) }),
            fc.record({ protocol: fc.constantFrom("TCP", "UDP"), port: fc.oneof(fc.integer(), fc.double()) }),
            fc.anything(),
          ),
          buffering: fc.anything(),
        },
        { requiredKeys: [] },
      ),
    );
    const path = fc.constantFrom(telemetryPath, logsPath);
    await fc.assert(
      fc.asyncProperty(path, body, async (path, body) => {
        const answer = await world.put(path, typeof body === "string" ? body : JSON.stringify(body));
        assert.ok([200, 400].includes(answer.status));
        parsed(answer);
        world.log.reset();
      }),
      { numRuns: 300 },
    );
  });

  it("other methods and paths have their statuses", async () => {
    assert.equal((await world.put(telemetryPath, "", { method: "POST" })).status, 405);
    assert.equal((await world.put("/2022-07-01/telemetry/x", "")).status, 404);
    assert.equal((await world.put("/constructor", "")).status, 404);
  });
});
