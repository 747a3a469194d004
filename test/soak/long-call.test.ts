/** Calls that last as long as a call may: 15 min, or SOAK_CALL_SECONDS. Two routers, of which one carries what the other decides. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "mocha";
import { Agent } from "undici";
import { sleep, systemClock } from "../../lib/clock.ts";
import { RouterFleet, type FleetAnswer, type FleetRouter } from "../kit/fleet/router-fleet.ts";

const timeout = Number(process.env["SOAK_CALL_SECONDS"] ?? "900");
const marginMs = 120_000;

describe(`calls of ${timeout} s`, function () {
  this.timeout(timeout * 1000 + marginMs);
  let fleet: RouterFleet;
  /** One connection for each, never given up. */
  const patient = new Agent({ headersTimeout: 0, bodyTimeout: 0, keepAliveTimeout: timeout * 1000 });
  const answers = new Map<string, { readonly answer: FleetAnswer; readonly tookMs: number }>();

  before(async function () {
    fleet = await RouterFleet.start();
    await fleet.scaleTo(2);
    for (const name of ["carried", "owned", "late", "left"])
      await fleet.addEnvironments(await fleet.addFunction(name, { timeout, reserved: 1 }), 1);
    const owner = await fleet.owner();
    const carrier = fleet.routers.find((router) => router !== owner);
    for (const router of [owner, carrier]) await call("owned", router, 1);
    await Promise.all([
      record("carried", carrier, timeout * 1000 - 2000),
      record("owned", owner, timeout * 1000 - 2000),
      record("late", carrier, timeout * 1000 + 30_000),
      leave(carrier),
    ]);
  });
  after(async () => {
    await patient.destroy();
    await fleet.stop();
  });

  const call = async (name: string, router: FleetRouter | undefined, ms: number): Promise<FleetAnswer> =>
    await fleet.invoke(router, name, { ms }, patient);

  async function record(name: string, router: FleetRouter | undefined, ms: number): Promise<void> {
    const startedMs = performance.now();
    const answer = await call(name, router, ms);
    answers.set(name, { answer, tookMs: performance.now() - startedMs });
  }

  /** A client that goes away in the middle. */
  async function leave(router: FleetRouter | undefined): Promise<void> {
    const impatient = new Agent({ headersTimeout: 0 });
    const left = fleet.invoke(router, "left", { ms: timeout * 1000 - 2000 }, impatient).catch(() => undefined);
    await sleep(systemClock, (timeout * 1000) / 3);
    await impatient.destroy();
    await left;
    const { status, body } = await call("left", router, 1);
    answers.set("left", { answer: { status, headers: {}, body }, tookMs: 0 });
  }

  for (const name of ["carried", "owned"])
    it(`answers one that is ${name === "owned" ? "decided where it came to" : "decided by another router"}`, () => {
      const { answer, tookMs } = answers.get(name)!;
      assert.equal(answer.status, 200, answer.body);
      assert.equal(answer.headers["x-amz-function-error"], undefined, answer.body);
      assert.ok(tookMs >= timeout * 1000 - 2000, `${tookMs} ms`);
    });

  it("ends one that takes longer, at its time", () => {
    const { answer, tookMs } = answers.get("late")!;
    assert.equal(answer.headers["x-amz-function-error"], "Unhandled");
    assert.match(answer.body, new RegExp(`Task timed out after ${timeout}\\.00 seconds`));
    assert.ok(tookMs >= timeout * 1000 && tookMs < timeout * 1000 + 10_000, `${tookMs} ms`);
  });

  it("runs one whose client has gone to its end, under its slot", () => {
    assert.equal(answers.get("left")?.answer.status, 429, "its slot was free while it ran");
    const [run] = fleet.runs("left");
    const ranMs = (run?.endMs ?? 0) - (run?.beginMs ?? 0);
    assert.ok(Math.abs(ranMs - (timeout * 1000 - 2000)) < 5000, `it ran for ${ranMs} ms`);
  });

  it("serves the next call of each", async () => {
    for (const name of ["carried", "owned", "late", "left"]) {
      const { status, body } = await call(name, fleet.routers[0], 1);
      assert.equal(status, 200, `${name}: ${body}`);
    }
  });
});
