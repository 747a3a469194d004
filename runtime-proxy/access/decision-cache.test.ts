import assert from "node:assert/strict";
import { KubernetesError } from "../../lib/kubernetes/kubernetes-error.ts";
import { ManualClock } from "../../test/kit/manual-clock.ts";
import { useOf } from "../domain/decision-age.ts";
import { DecisionCache, TooManyQuestionsError } from "./decision-cache.ts";

const life = { freshMs: 100, renewMs: 200, outageMs: 1000 };
const away = new KubernetesError({ code: "Unavailable", action: "ask", serverMessage: "nobody" });

class Bench {
  readonly clock = new ManualClock();
  readonly cache = new DecisionCache<string>({
    clock: this.clock,
    isYes: (decision) => !decision.startsWith("no"),
    lifeOf: () => life,
    mostRemembered: 3,
    mostAsked: 8,
  });
  readonly asked: string[] = [];
  answer: string | Error = "yes";

  /** The decision, and whether it was there at once. */
  async get(key = "k", asker?: string): Promise<string> {
    const ask = (): Promise<string> => {
      this.asked.push(key);
      return this.answer instanceof Error ? Promise.reject(this.answer) : Promise.resolve(this.answer);
    };
    const got = this.cache.get({ key, ask, ...(asker !== undefined && { asker }) });
    return got instanceof Promise ? await got : `${got} at once`;
  }

  /** So many questions that have no answer before they are given one, each another, and what is told at once of them. */
  async hold(count: number, asker?: string): Promise<{ readonly refused: number; readonly answer: () => void }> {
    const gate = Promise.withResolvers<string>();
    let refused = 0;
    for (let n = 0; n < count; n += 1) {
      const question = { key: `held ${(this.#held += 1)}`, ask: () => gate.promise };
      const got = this.cache.get({ ...question, ...(asker !== undefined && { asker }) });
      Promise.resolve(got).catch((error: unknown) => (refused += error instanceof TooManyQuestionsError ? 1 : 0));
    }
    await new Promise((resolve) => setImmediate(resolve));
    return { refused, answer: () => gate.resolve("no") };
  }
  #held = 0;
}

describe("a remembered decision", () => {
  it("is used, renewed behind, asked for again, and forgotten by its age", () => {
    const ages: Record<number, string> = {
      0: "use",
      99: "use",
      100: "useAndRenew",
      199: "useAndRenew",
      200: "ask",
      999: "ask",
      1000: "forget",
    };
    for (const [age, use] of Object.entries(ages)) assert.equal(useOf(Number(age), life), use, age);
  });

  it("is asked for once and then there", async () => {
    const bench = new Bench();
    assert.equal(await bench.get(), "yes");
    assert.equal(await bench.get(), "yes at once");
    bench.clock.advance(150);
    bench.answer = "no";
    assert.equal(await bench.get(), "yes at once");
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(await bench.get(), "no at once", "renewed behind");
    assert.equal(bench.asked.length, 2);
  });

  it("that is too old to be used unasked is not used once", async () => {
    const bench = new Bench();
    await bench.get();
    bench.clock.advance(250);
    bench.answer = "no";
    assert.equal(await bench.get(), "no");
  });

  it("holds on while there is nobody to ask, and not for ever; who is not known gets the error", async () => {
    const bench = new Bench();
    await bench.get();
    bench.answer = away;
    bench.clock.advance(300);
    assert.equal(await bench.get(), "yes");
    await assert.rejects(bench.get("other"), away);
    assert.equal(bench.asked.length, 2, "right after a failure nobody is asked");
    bench.clock.advance(800);
    await assert.rejects(bench.get(), away);
    bench.clock.advance(2000);
    bench.answer = "yes";
    assert.equal(await bench.get(), "yes");
  });

  it("that nobody answers in time holds on too; one that the API server refuses to make does not", async () => {
    const bench = new Bench();
    await bench.get();
    bench.clock.advance(300);
    bench.answer = new KubernetesError({ code: "Timeout", action: "ask", serverMessage: "nobody" });
    assert.equal(await bench.get(), "yes");
    bench.answer = new KubernetesError({ code: "TooManyRequests", action: "ask", serverMessage: "slower" });
    await assert.rejects(bench.get(), bench.answer);
  });

  it("that is too old to be used unasked is not used because too much is asked", async () => {
    const bench = new Bench();
    assert.equal(await bench.get("k", "revoked"), "yes");
    bench.clock.advance(300);
    const held = await bench.hold(2, "revoked");
    await assert.rejects(bench.get("k", "revoked"), TooManyQuestionsError);
    held.answer();
  });

  it("is one question for all who ask at once, and there is a bound to memory", async () => {
    const bench = new Bench();
    assert.deepEqual(await Promise.all([bench.get(), bench.get(), bench.get()]), ["yes", "yes", "yes"]);
    assert.deepEqual(bench.asked, ["k"]);
    for (const key of ["c", "d", "e", "f"]) await bench.get(key);
    assert.equal(bench.cache.size, 3);
  });

  it("is not forgotten for the refusals of others, which have a bound of their own", async () => {
    const bench = new Bench();
    await bench.get();
    bench.answer = "no";
    for (const key of ["a", "b", "c", "d"]) await bench.get(key);
    assert.equal(await bench.get(), "yes at once");
    assert.equal(await bench.get("d"), "no at once");
    assert.equal(bench.cache.size, 4);
    bench.clock.advance(250);
    assert.equal(await bench.get(), "no", "a yes that became a no");
    assert.equal(await bench.get(), "no at once");
    assert.equal(bench.cache.size, 3);
  });

  it("has a quarter of the questions kept for it while strangers take all that are theirs", async () => {
    const bench = new Bench();
    await bench.get();
    const held = await bench.hold(7);
    assert.equal(held.refused, 3, "another quarter is for who is trusted");
    await assert.rejects(bench.get("new"), TooManyQuestionsError);
    bench.clock.advance(250);
    assert.equal(await bench.get(), "yes");
    held.answer();
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(await bench.get("new"), "yes", "once there is room again");
  });

  it("is asked for beside a caller who asks as much as one may", async () => {
    const bench = new Bench();
    const held = await bench.hold(8, "greedy");
    assert.equal(held.refused, 6);
    assert.equal(await bench.get("k", "modest"), "yes");
    held.answer();
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(await bench.get("k2", "greedy"), "yes", "once its questions are answered");
  });

  it("that one question failed does not keep others from theirs", async () => {
    const bench = new Bench();
    bench.answer = new KubernetesError({ code: "Internal", action: "ask", serverMessage: "odd" });
    await assert.rejects(bench.get("odd"));
    bench.answer = "yes";
    assert.equal(await bench.get("other"), "yes");
  });
});
