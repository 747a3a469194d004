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
    lifeOf: () => life,
    mostRemembered: 3,
    mostAsked: 2,
  });
  readonly asked: string[] = [];
  answer: string | Error = "yes";

  /** The decision, and whether it was there at once. */
  async get(key = "k"): Promise<string> {
    const got = this.cache.get(key, () => {
      this.asked.push(key);
      return this.answer instanceof Error ? Promise.reject(this.answer) : Promise.resolve(this.answer);
    });
    return got instanceof Promise ? await got : `${got} at once`;
  }
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

  it("is one question for all who ask at once, and there is a bound to questions and to memory", async () => {
    const bench = new Bench();
    assert.deepEqual(await Promise.all([bench.get(), bench.get(), bench.get()]), ["yes", "yes", "yes"]);
    assert.deepEqual(bench.asked, ["k"]);
    const results = await Promise.allSettled(["a", "b", "c"].map((key) => bench.get(key)));
    const last = results[2];
    assert.ok(last?.status === "rejected" && last.reason instanceof TooManyQuestionsError);
    for (const key of ["c", "d", "e", "f"]) await bench.get(key);
    assert.equal(bench.cache.size, 3);
  });

  it("that one question failed does not keep others from theirs", async () => {
    const bench = new Bench();
    bench.answer = new KubernetesError({ code: "Internal", action: "ask", serverMessage: "odd" });
    await assert.rejects(bench.get("odd"));
    bench.answer = "yes";
    assert.equal(await bench.get("other"), "yes");
  });
});
