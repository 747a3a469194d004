import assert from "node:assert/strict";
import { ManualClock } from "../../test/kit/manual-clock.ts";
import { silentLogger } from "../../lib/logger.ts";
import { ConcurrencyMetrics } from "../concurrency-metrics.ts";
import { ConcurrencyLedger } from "../domain/concurrency.ts";
import type { EnvironmentPod } from "../domain/environment.ts";
import type { FunctionFacts } from "../domain/function-facts.ts";
import { EnvironmentPool } from "../environments/environment-pool.ts";
import { AccountOwnership } from "./account-ownership.ts";
import { OwnerDesk, type OwnedCall } from "./owner-desk.ts";
import { UnusedAccounts } from "./unused-accounts.ts";

const epoch = 7;
const account = "preview-1";
const pod: EnvironmentPod = {
  ...{ podUid: "p", namespace: account, functionUid: "f", revisionID: "r1", isTerminating: false },
};
const facts = { uid: "f", namespace: account, name: "f", version: "$LATEST", state: "Active", revisionID: "r1" };

/** The parts of a router that owns all accounts. */
class OwnerWorld {
  readonly clock = new ManualClock();
  readonly ledger = new ConcurrencyLedger(1000);
  readonly pool: EnvironmentPool;
  readonly desk: OwnerDesk;
  readonly ownership: AccountOwnership;
  readonly #metrics: ConcurrencyMetrics;
  facts: FunctionFacts | undefined;
  /** As the API server has them. */
  pods: readonly EnvironmentPod[] = [];
  looks = 0;
  #say: () => void = () => undefined;

  constructor() {
    const { clock, ledger } = this;
    const find = (): FunctionFacts | undefined => this.facts;
    const functions = { findByUid: find, findVersion: find, versionsOf: () => [] };
    this.pool = new EnvironmentPool({
      ...{ clock, functions, maxWaiting: 10 },
      onMayRun: ({ functionUid, namespace }, mayRun) => {
        if (mayRun) ledger.occupy(functionUid, namespace);
        else ledger.leave(functionUid);
      },
    });
    const { pool } = this;
    this.desk = new OwnerDesk({ ledger, pool, functions, clock });
    const { desk } = this;
    const listNow = async (): Promise<readonly EnvironmentPod[]> => {
      this.looks += 1;
      await new Promise<void>((resolve) => (this.#say = resolve));
      return this.pods;
    };
    const environments = { listNow, onChange: () => undefined };
    const others = { pool, desk, environments, clock, log: silentLogger, draw: () => 0.5, onTaken: () => undefined };
    this.ownership = new AccountOwnership({ replica: "a", ...others });
    this.ownership.setRoster({ epoch, previous: 0, replicas: [{ podUid: "a", address: "a:1" }] });
    this.#metrics = new ConcurrencyMetrics({ ledger, functions, owns: (namespace) => pool.owns(namespace), clock });
    new UnusedAccounts({ ownership: this.ownership, ledger, pool, desk, clock }).start();
  }

  addFunction(): void {
    this.facts = facts as FunctionFacts;
    this.ledger.setFunction("f", account, undefined);
    this.ownership.know(account);
  }

  removeFunction(): void {
    this.facts = undefined;
    this.ledger.removeFunction("f");
    this.pool.functionChanged("f");
  }

  async listed(): Promise<void> {
    this.#say();
    await this.ownership.settled(1);
  }

  addPod(): void {
    this.pods = [pod];
    this.pool.putPod(pod);
  }

  removePod(): void {
    this.pods = [];
    this.pool.removePod(pod.podUid);
  }

  announce(turn: number, isRunning = false): void {
    const position = { epoch, turn };
    this.pool.announce({
      ...{ podUid: "p", address: "h:1", state: "ready", sequence: turn + 1, atMs: 1 },
      ...{ isRunning, position },
    });
  }

  call(): OwnedCall {
    const deadlineMs = this.clock.monotonicMs() + 1_000_000;
    return this.desk.open({ namespace: account, functionUid: "f", version: "$LATEST", deadlineMs });
  }

  /** A minute and another: long enough to be forgotten. */
  wait(): void {
    for (let look = 0; look < 2; look += 1) this.clock.advance(60_000);
  }

  /** Of all that is kept by account. */
  get isKnown(): boolean {
    const isKept = [...this.ownership.known()].includes(account);
    const isCounted = [...this.ledger.accounts()].some(({ namespace }) => namespace === account);
    const isShown = [...this.#metrics.text()].join("").includes(account);
    assert.deepEqual([isCounted, isShown, this.pool.owns(account)], [isKept, isKept, isKept]);
    return isKept;
  }
}

describe("an account of which nothing is left", () => {
  let world: OwnerWorld;
  beforeEach(async () => {
    world = new OwnerWorld();
    world.addFunction();
    await world.listed();
    world.addPod();
    world.announce(0);
  });

  it("is forgotten with all that is counted and shown of it", () => {
    world.removeFunction();
    world.removePod();
    assert.equal(world.isKnown, true);
    world.wait();
    assert.equal(world.isKnown, false);
  });

  it("is kept while it has a function", () => {
    world.removePod();
    world.wait();
    assert.equal(world.isKnown, true);
  });

  it("is kept while a pod of it is there", () => {
    world.removeFunction();
    world.wait();
    assert.equal(world.isKnown, true);
  });

  it("is kept while a call of it runs, and while one waits", async () => {
    const calls = [world.call(), world.call()];
    const [running, waiting] = calls.map((call) => call.place());
    assert.equal((running as { readonly kind: string }).kind, "granted");
    world.removeFunction();
    world.removePod();
    assert.equal(((await waiting) as { readonly refusal?: string }).refusal, "functionGone");
    world.wait();
    assert.equal(world.isKnown, true);
    for (const call of calls) call.close();
    world.wait();
    assert.equal(world.isKnown, false);
  });

  it("is kept while a call of it is here that has no slot yet", () => {
    const call = world.call();
    world.removeFunction();
    world.removePod();
    world.wait();
    assert.equal(world.isKnown, true);
    call.close();
    world.wait();
    assert.equal(world.isKnown, false);
  });

  it("is kept when it is used again before the next look", () => {
    world.removeFunction();
    world.removePod();
    world.clock.advance(60_000);
    world.addFunction();
    world.clock.advance(60_000);
    world.removeFunction();
    world.clock.advance(60_000);
    assert.equal(world.isKnown, true);
  });

  it("is not forgotten while it is being taken over", async () => {
    world.removeFunction();
    world.removePod();
    world.wait();
    world.ownership.know(account);
    world.wait();
    assert.deepEqual([...world.ownership.known()], [account]);
    assert.equal(world.ownership.placeOf(account).kind, "taking");
    await world.listed();
    world.wait();
    assert.equal(world.isKnown, false);
  });

  it("is taken over anew when it is used again, also under the same roster: what is there counts until it is heard", async () => {
    world.removeFunction();
    world.removePod();
    world.wait();
    world.addPod();
    world.addFunction();
    assert.equal(world.ownership.placeOf(account).kind, "taking");
    assert.equal(world.looks, 2);
    await world.listed();
    assert.equal(world.ownership.isHere(account), true);
    assert.equal(world.ledger.running("f"), 1);
    const { turn = 0 } = world.pool.claimOf("p") ?? {};
    world.announce(turn);
    assert.equal(world.ledger.running("f"), 0);
    const placed = world.call().place();
    assert.equal((placed as { readonly kind: string }).kind, "granted");
  });
});
