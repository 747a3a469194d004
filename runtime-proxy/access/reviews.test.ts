import assert from "node:assert/strict";
import { ManualClock } from "../../test/kit/manual-clock.ts";
import { serviceAccountUser, type Caller } from "./caller.ts";
import { Reviews } from "./reviews.ts";

const callerOf = (name: string): Caller => ({ ...serviceAccountUser("team-a", name), how: "accessKey" });

/** An API server that takes questions and does not answer, and what has become of each. */
class Bench {
  readonly reviews = new Reviews({ raw: () => new Promise(() => undefined) }, new ManualClock());

  async ask(count: number, question: (n: number) => Promise<unknown>): Promise<readonly string[]> {
    const outcomes = Array.from({ length: count }, () => "asked");
    for (const n of outcomes.keys())
      question(n).catch((error: unknown) => (outcomes[n] = (error as { code: string }).code));
    await new Promise((resolve) => setImmediate(resolve));
    return outcomes;
  }

  /** Of one caller, about as many namespaces. */
  permissions(name: string, count: number): Promise<readonly string[]> {
    const caller = callerOf(name);
    return this.ask(count, (n) => this.reviews.isAllowed(caller, { subresource: "invocations", namespace: `n${n}` }));
  }

  tokens(prefix: string, count: number): Promise<readonly string[]> {
    return this.ask(count, (n) => this.reviews.whoHas(`${prefix}${n}`));
  }
}

const refused = "TooManyRequestsException";

describe("questions about callers", () => {
  it("of one caller are a quarter of all; whoever asks besides is heard", async () => {
    const bench = new Bench();
    assert.deepEqual((await bench.permissions("greedy", 17)).slice(15), ["asked", refused]);
    assert.deepEqual(await bench.permissions("modest", 1), ["asked"]);
  });

  it("about tokens that nobody knows leave those about permissions alone", async () => {
    const bench = new Bench();
    assert.deepEqual((await bench.tokens("random", 49)).slice(47), ["asked", refused]);
    assert.deepEqual(await bench.permissions("ci", 1), ["asked"]);
  });
});
