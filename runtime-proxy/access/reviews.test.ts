import assert from "node:assert/strict";
import { ManualClock } from "../../test/kit/manual-clock.ts";
import { serviceAccountUser, type Caller } from "./caller.ts";
import { Reviews } from "./reviews.ts";

const callerOf = (name: string): Caller => ({ ...serviceAccountUser("team-a", name), how: "accessKey" });

/** An API server that takes questions and does not answer, and what has become of each. */
class Bench {
  readonly clock = new ManualClock();
  /** Of the last token that was asked about, once it is set. */
  status: object | undefined;
  readonly #raw = (_method: string, _path: string, body: unknown): Promise<unknown> => {
    this.tokens.push((body as { spec: { token?: string } }).spec.token ?? "");
    return this.status === undefined ? new Promise(() => undefined) : Promise.resolve({ status: this.status });
  };
  readonly tokens: string[] = [];
  readonly reviews = new Reviews({ raw: this.#raw }, this.clock, {
    isSigned: (token) => Promise.resolve(token.startsWith("signed")),
  });

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

  show(prefix: string, count: number, address?: string): Promise<readonly string[]> {
    const source = address === undefined ? {} : { address };
    return this.ask(count, (n) => this.reviews.whoHas(`${prefix}${n}`, source));
  }

  /** What becomes of one token. */
  async outcome(token: string, address?: string): Promise<string> {
    return await this.reviews.whoHas(token, address === undefined ? {} : { address }).then(
      ({ userName }) => userName,
      (error: unknown) => (error as { code: string }).code,
    );
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
    assert.deepEqual((await bench.show("random", 33)).slice(31), ["asked", refused]);
    assert.deepEqual(await bench.permissions("ci", 1), ["asked"]);
  });

  it("about tokens that the cluster has signed do not wait behind those that anybody can make up", async () => {
    const bench = new Bench();
    await bench.show("random", 100);
    assert.deepEqual((await bench.show("signed", 17)).slice(15), ["asked", refused]);
  });

  it("about tokens from one address leave half of the places that are for made-up ones", async () => {
    const bench = new Bench();
    assert.deepEqual((await bench.show("random", 17, "10.0.0.1")).slice(15), ["asked", refused]);
    assert.deepEqual(await bench.show("opaque", 1, "10.0.0.2"), ["asked"]);
    assert.deepEqual(await bench.show("signed", 1, "10.0.0.1"), ["asked"]);
  });

  it("about who has been let in before are asked whatever comes from the same address", async () => {
    const bench = new Bench();
    bench.status = { authenticated: true, user: { username: "ann" } };
    assert.equal(await bench.outcome("opaque", "10.0.0.1"), "ann");
    bench.clock.advance(60_000);
    bench.status = undefined;
    await bench.show("random", 100, "10.0.0.1");
    assert.deepEqual(await bench.ask(1, () => bench.reviews.whoHas("opaque", { address: "10.0.0.1" })), ["asked"]);
  });

  const noes: Record<string, { error?: string; heldMs: number }> = {
    "of all authenticators hold for ten seconds": { error: "invalid bearer token", heldMs: 10_000 },
    "without a reason too": { heldMs: 10_000 },
    "of which an authenticator may be the cause hold for one": {
      error: '[invalid bearer token, Post "https://webhook": context deadline exceeded]',
      heldMs: 1000,
    },
  };
  for (const [title, { error, heldMs }] of Object.entries(noes)) {
    it(`that are noes ${title}`, async () => {
      const bench = new Bench();
      bench.status = { ...(error !== undefined && { error }) };
      assert.equal(await bench.outcome("t"), "UnrecognizedClientException");
      bench.status = { authenticated: true, user: { username: "ann" } };
      bench.clock.advance(heldMs - 1);
      assert.equal(await bench.outcome("t"), "UnrecognizedClientException");
      assert.equal(bench.tokens.length, 1);
      bench.clock.advance(1);
      assert.equal(await bench.outcome("t"), "ann");
    });
  }
});
