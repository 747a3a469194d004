/** What a router keeps of an environment that it was given, for the next call of the same version: nobody misses it. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { request as httpRequest } from "node:http";
import type { Duplex } from "node:stream";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, it } from "mocha";
import { GRANT_HEADER, parseGrant } from "../../crds/wire/position.ts";
import { routes } from "../../crds/wire/routes.ts";
import { createClaims } from "../../runtime-proxy/environments/claims.ts";
import {
  PEER_PROTOCOL,
  REPLICA_HEADER,
  type Answer,
  type Question,
} from "../../runtime-proxy/ownership/peer-messages.ts";
import { functionKind, type FunctionObject } from "../../crds/v1alpha1/function.ts";
import type { KubernetesClient } from "../../lib/kubernetes/client.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";
import { withDeadline } from "../../lib/with-deadline.ts";
import { sleep, systemClock } from "../../lib/clock.ts";
import { RouterWorld, type HttpAnswer } from "../kit/router-world.ts";
import type { ScriptedAgent } from "../kit/scripted-agent.ts";

const noRates = { KUBELAMBDA_REQUESTS_PER_CONCURRENCY: 0 };
/** Nothing of a function is lent for a moment after it has changed. */
const changedMs = 150;
const path = (name: string): string => `/2015-03-31/functions/${name}/invocations`;

describe("a lent environment", () => {
  let world: RouterWorld;

  beforeEach(() => {
    world = new RouterWorld();
  });
  afterEach(async () => {
    await world.close();
  });

  const atOwner = async (name: string): Promise<HttpAnswer> =>
    await world.call(path(name), { body: "{}", router: world.owner });
  const turnsOf = (agent: ScriptedAgent): number[] =>
    agent.calls.map(({ headers }) => parseGrant(String(headers[GRANT_HEADER]))?.turn ?? 0);

  /** Long enough that it is kept until the next call comes. */
  function takes(agent: ScriptedAgent, ms: number): ScriptedAgent {
    agent.script = async ({ event }) => {
      await sleep(systemClock, ms);
      return { body: event };
    };
    return agent;
  }

  it("takes the next calls of its carrier by the next numbers, none twice", async () => {
    await world.startRouters(2, noRates);
    const agent = takes(await world.addEnvironment(await world.addFunction({ name: "hello" })), 10);
    for (let i = 0; i < 60; i += 1) assert.equal((await world.invoke("hello")).status, 200);
    const steps = turnsOf(agent)
      .slice(1)
      .map((turn, i) => turn - (turnsOf(agent)[i] ?? 0));
    assert.ok(steps.every((step) => step > 0));
    // Asked for, it would be 32 each time.
    assert.ok(steps.filter((step) => step === 1).length > 30, `steps: ${steps.join(" ")}`);
  });

  it("is given back when no call comes", async () => {
    await world.startRouters(2, noRates);
    const agent = takes(await world.addEnvironment(await world.addFunction({ name: "hello" })), 10);
    await sleep(systemClock, changedMs);
    for (let i = 0; i < 3; i += 1) {
      await world.invoke("hello");
      await sleep(systemClock, 60);
    }
    const [first = 0, ...later] = turnsOf(agent);
    assert.deepEqual(later, [first + 32, first + 64]);
  });

  it("is no reason to refuse a call: the limit of one, and calls at two routers in turn", async () => {
    await world.startRouters(2, noRates);
    const hello = await world.addFunction({ name: "hello", spec: { reservedConcurrentExecutions: 1 } });
    const agent = takes(await world.addEnvironment(hello), 5);
    for (let i = 0; i < 60; i += 1) {
      const { status, body } = i % 3 === 2 ? await atOwner("hello") : await world.invoke("hello");
      assert.equal(status, 200, `call ${i}: ${body}`);
    }
    assert.equal(agent.mostAtOnce, 1);
    assert.ok(
      turnsOf(agent).some((turn, i, turns) => turn === (turns[i - 1] ?? 0) + 1),
      "nothing was ever lent",
    );
  });

  it("is no reason to refuse a call of another function: the account's limit of one", async () => {
    await world.startRouters(2, { ...noRates, KUBELAMBDA_ACCOUNT_CONCURRENCY: 1 });
    for (const name of ["hello", "other"]) takes(await world.addEnvironment(await world.addFunction({ name })), 5);
    for (let i = 0; i < 60; i += 1) {
      const { status, body } = i % 3 === 2 ? await atOwner("other") : await world.invoke("hello");
      assert.equal(status, 200, `call ${i}: ${body}`);
    }
  });

  it("is no reason for another environment", async () => {
    await world.startRouters(2, noRates);
    takes(await world.addEnvironment(await world.addFunction({ name: "hello" })), 5);
    for (let i = 0; i < 60; i += 1) await (i % 3 === 2 ? atOwner("hello") : world.invoke("hello"));
    const needed = world.reports.flatMap(({ functions }) => functions.map((load) => load.needed));
    assert.equal(Math.max(...needed), 1);
  });

  it("counts the calls that it takes in the rate, and gives back what it does not take", async () => {
    await world.startRouters(2);
    const hello = await world.addFunction({ name: "hello", spec: { reservedConcurrentExecutions: 10 } });
    takes(await world.addEnvironment(hello), 1);
    const startedMs = performance.now();
    let answered = 0;
    for (let refused = false; !refused;) {
      const { status, body } = await world.invoke("hello");
      refused = status !== 200;
      if (refused) assert.match(body, /ReservedFunctionInvocationRateLimitExceeded/);
      else answered += 1;
      // Every tenth is late, so that what was lent goes back.
      if (answered % 10 === 0) await sleep(systemClock, 20);
      if (answered > 2000) break;
    }
    const earned = ((performance.now() - startedMs) / 1000) * 100;
    assert.ok(answered >= 100, `${answered} were let in, 100 are at once`);
    assert.ok(answered <= 101 + earned, `${answered} were let in, ${100 + earned} may`);
  });

  it("runs no call by old code once its owner knows the new one", async () => {
    await world.startRouters(2, noRates);
    const hello = await world.addFunction({ name: "hello" });
    const answering = (body: string) => async (): Promise<{ readonly body: string }> => {
      await sleep(systemClock, 5);
      return { body };
    };
    (await world.addEnvironment(hello)).script = answering("old");
    (await world.addEnvironment(hello, "r2")).script = answering("new");
    const answers: string[] = [];
    for (let i = 0; i < 60; i += 1) {
      if (i === 30) await world.setStatus(hello, { revisionID: "r2" });
      answers.push((await world.invoke("hello")).body);
    }
    const firstNew = answers.indexOf("new");
    assert.ok(firstNew >= 30 && firstNew <= 32, answers.join(" "));
    assert.ok(!answers.slice(firstNew).includes("old"), answers.join(" "));
  });

  describe("at a carrier that says what it likes", () => {
    let carrier: ScriptedCarrier;

    beforeEach(async () => {
      await world.startRouters(2, noRates);
      const hello = await world.addFunction({ name: "hello", spec: { reservedConcurrentExecutions: 1 } });
      await world.addEnvironment(hello);
      await sleep(systemClock, changedMs);
      carrier = await ScriptedCarrier.connect(world, hello.metadata.uid);
    });
    afterEach(() => carrier.close());

    it("is lent to nobody who does not know what that is", async () => {
      const { t, ...granted } = await carrier.ask({});
      assert.equal(t, "granted");
      assert.equal("further" in granted, false);
      assert.equal((await atOwner("hello")).status, 429);
    });

    it("goes to who wants it when it comes back", async () => {
      assert.equal(Reflect.get(await carrier.ask({ keeps: true }), "further"), 31);
      const wanting = atOwner("hello");
      assert.equal((await carrier.next("recall")).t, "recall");
      carrier.say({ t: "end", id: 1, end: "answered", further: 3 });
      assert.equal((await wanting).status, 200);
    });

    it("holds its slot for a call that runs there", async () => {
      await carrier.ask({ keeps: true });
      const wanting = atOwner("hello");
      await carrier.next("recall");
      carrier.say({ t: "using", id: 1 });
      assert.equal((await wanting).status, 429);
      carrier.say({ t: "end", id: 1, end: "answered" });
      await carrier.next("ended");
      assert.equal((await atOwner("hello")).status, 200);
    });

    it("holds its slot while nothing is heard of it", async () => {
      await carrier.ask({ keeps: true });
      const [one, other] = await Promise.all([atOwner("hello"), atOwner("hello")]);
      assert.deepEqual([one.status, other.status], [429, 429]);
      assert.equal((await atOwner("hello")).status, 429);
    });

    for (const keeps of [true, false])
      it(`${keeps ? "is" : "is not lent, but given, and"} free when its carrier is gone and its agent says that nothing runs`, async () => {
        await carrier.ask({ keeps });
        carrier.close();
        const statuses: number[] = [];
        // Its agent is asked after 200 ms; a connection of which nothing is seen closed would be tried after 2 s.
        for (let i = 0; i < 50 && statuses.at(-1) !== 200; i += 1) {
          statuses.push((await atOwner("hello")).status);
          await sleep(systemClock, 20);
        }
        assert.equal(statuses.at(-1), 200, statuses.join(" "));
      });
  });
});

describe("an account that is being taken over", () => {
  let world: RouterWorld;
  let open: () => void;
  let carrier: ScriptedCarrier | undefined;
  let hello: Stored<FunctionObject>;

  beforeEach(async () => {
    const gate = new Promise<void>((resolve) => (open = resolve));
    world = new RouterWorld((store) => listingPodsAfter(store, gate));
    await world.startRouters(2, { ...noRates, KUBELAMBDA_WAITING_CALLS: 2, KUBELAMBDA_ENVIRONMENT_WAIT_MS: 3000 });
    hello = await world.addFunction({ name: "hello", spec: { reservedConcurrentExecutions: 1 } });
    await world.addEnvironment(hello);
  });
  afterEach(async () => {
    open();
    carrier?.close();
    carrier = undefined;
    await world.close();
  });

  const call = async (): Promise<number> =>
    (await world.call(path("hello"), { body: "{}", router: world.owner })).status;

  for (const how of ["is gone", "has ended the call"] as const)
    it(`gives nothing to who has asked before and ${how}`, async () => {
      carrier = await ScriptedCarrier.connect(world, hello.metadata.uid);
      carrier.say(carrier.question({}));
      if (how === "is gone") carrier.close();
      else {
        carrier.say({ t: "end", id: 1 });
        await carrier.next("ended");
      }
      // The router sees the end of a connection within moments.
      await sleep(systemClock, 100);
      open();
      assert.equal(await call(), 200);
    });

  it("is what a call is told that waits for it in vain", async () => {
    const told = await world.call(path("hello"), { body: "{}", router: world.owner });
    assert.equal(told.status, 502);
    assert.match(told.body, /: no router that decides calls of namespace \\"default\\" answered within 3000 ms: /);
  });

  it("lets no more of another replica's calls wait than may, of each account", async () => {
    carrier = await ScriptedCarrier.connect(world, hello.metadata.uid);
    for (const id of [1, 2, 3]) carrier.say({ ...carrier.question({}), id });
    const refused = await carrier.next("refused");
    assert.deepEqual([Reflect.get(refused, "id"), Reflect.get(refused, "refusal")], [3, "queueFull"]);
    // Of others, about half of which are this router's too.
    for (let id = 4; id < 24; id += 1) carrier.say({ ...carrier.question({}), id, ns: `other-${id}` } as Question);
    await sleep(systemClock, 100);
    const others = carrier.taken("refused").map((answer) => String(Reflect.get(answer, "refusal")));
    assert.ok(others.length < 20 && others.every((refusal) => refusal === "moved"), others.join(" "));
    open();
    await carrier.next("granted");
  });

  it("lets no more calls wait than may, and serves those that do", async () => {
    const ref = { kind: functionKind, name: "hello", namespace: "default" };
    await world.store.patch(ref, { spec: { reservedConcurrentExecutions: 2 } });
    await world.addEnvironment(hello);
    const waiting = [call(), call()];
    await sleep(systemClock, 100);
    assert.equal(await call(), 429);
    open();
    assert.deepEqual(await Promise.all(waiting), [200, 200]);
    assert.equal(await call(), 200);
  });
});

/** The API server does not answer who lists an account's pods before then. */
function listingPodsAfter(store: KubernetesClient, gate: Promise<void>): KubernetesClient {
  const list: KubernetesClient["list"] = async (kind, selection) => {
    if (kind.kind === "Pod" && selection?.namespace !== undefined) await gate;
    return await store.list(kind, selection);
  };
  return new Proxy(store, {
    get: (target, name) => {
      const member: unknown = name === "list" ? list : Reflect.get(target, name, target);
      return typeof member === "function" ? (member.bind(target) as unknown) : member;
    },
  });
}

/** The standing connection of a replica, its lines written by hand. */
class ScriptedCarrier {
  readonly #socket: Duplex;
  readonly #functionUid: string;
  readonly #heard: Answer[] = [];
  #wake: () => void = () => undefined;

  private constructor(socket: Duplex, functionUid: string) {
    this.#socket = socket;
    this.#functionUid = functionUid;
    socket.on("error", () => undefined);
    createInterface({ input: socket }).on("line", (line) => {
      this.#heard.push(...(JSON.parse(line) as Answer[]));
      this.#wake();
    });
  }

  static async connect(world: RouterWorld, functionUid: string): Promise<ScriptedCarrier> {
    const owner = world.routers.indexOf(world.owner);
    const dial = httpRequest({
      ...{ host: "127.0.0.1", port: world.owner.internalPort, path: routes.peer, agent: false },
      headers: {
        authorization: createClaims(world.keys.privateKey, () => Date.now())(`router-${owner}`),
        connection: "upgrade",
        upgrade: PEER_PROTOCOL,
        [REPLICA_HEADER]: "router-9",
      },
    });
    const socket = await withDeadline({ timeoutMs: 5000 }, async () => {
      const upgraded = once(dial, "upgrade") as Promise<[unknown, Duplex]>;
      dial.end();
      return (await upgraded)[1];
    });
    return new ScriptedCarrier(socket, functionUid);
  }

  async ask(more: { readonly keeps?: boolean }): Promise<Answer> {
    this.say(this.question(more));
    return await this.next("granted");
  }

  question(more: { readonly keeps?: boolean }): Question {
    return { t: "ask", id: 1, ns: "default", fn: this.#functionUid, version: "$LATEST", waitMs: 2000, ...more };
  }

  say(...questions: Question[]): void {
    this.#socket.write(`${JSON.stringify(questions)}\n`);
  }

  /** The first that has not been taken yet. */
  async next(t: Answer["t"]): Promise<Answer> {
    for (;;) {
      const place = this.#heard.findIndex((answer) => answer.t === t);
      const [found] = place < 0 ? [] : this.#heard.splice(place, 1);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** All that are here and have not been taken yet. */
  taken(t: Answer["t"]): readonly Answer[] {
    const found = this.#heard.filter((answer) => answer.t === t);
    for (const answer of found) this.#heard.splice(this.#heard.indexOf(answer), 1);
    return found;
  }

  close(): void {
    this.#socket.destroy();
  }
}
