import assert from "node:assert/strict";
import type { FunctionObject, FunctionStatus } from "../../crds/v1alpha1/function.ts";
import type { Change } from "../../lib/kubernetes/object-cache.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";
import { functionObject } from "../../test/kit/function-seen.ts";
import { AccountBook } from "./account-book.ts";

type Granted = FunctionStatus["concurrency"];

/** Functions as a cache shows them: a change is seen when the test says so. */
class Cache {
  readonly #objects = new Map<string, Stored<FunctionObject>>();
  #listener: (change: Change<FunctionObject>) => void = () => undefined;

  put(
    name: string,
    { wants, has, second = 0 }: { wants?: number; has?: Granted; second?: number },
  ): Stored<FunctionObject> {
    const spec = wants === undefined ? {} : { reservedConcurrentExecutions: wants };
    const made = functionObject(spec);
    const object: Stored<FunctionObject> = {
      ...made,
      metadata: { ...made.metadata, name, uid: `uid-${name}`, creationTimestamp: `2026-01-01T00:00:0${second}Z` },
      ...(has !== undefined && { status: { concurrency: has } }),
    };
    this.#objects.set(name, object);
    this.#listener({ type: "modified", object });
    return object;
  }

  remove(name: string): void {
    const object = this.#objects.get(name);
    this.#objects.delete(name);
    if (object !== undefined) this.#listener({ type: "deleted", object });
  }

  list(): Stored<FunctionObject>[] {
    return [...this.#objects.values()];
  }

  onChange(listener: (change: Change<FunctionObject>) => void): () => void {
    this.#listener = listener;
    return () => undefined;
  }
}

function reserved(number: number): NonNullable<Granted> {
  return { reservedConcurrentExecutions: number };
}

describe("AccountBook", () => {
  let cache: Cache;
  let room: string[];
  beforeEach(() => {
    cache = new Cache();
    room = [];
  });
  const open = () =>
    new AccountBook({
      functions: cache,
      rules: { limit: 1000, unreservedMinimum: 100 },
      onRoom: (key) => room.push(key),
    });

  it("adds up what others have, reserved or provisioned", () => {
    const own = cache.put("own", { has: reserved(7) });
    cache.put("a", { has: reserved(50) });
    const share = { qualifier: "1", functionVersion: "1", requested: 9, available: 0 };
    cache.put("b", { has: { provisioned: [{ ...share, allocated: 9 }] } });
    cache.put("c", { has: { ...reserved(20), provisioned: [{ ...share, allocated: 9 }] } });
    assert.equal(open().claimedByOthers(own), 79);
  });

  it("counts what was decided before a status shows it, and less only when a status shows it", () => {
    const [own, other] = [cache.put("own", {}), cache.put("other", { has: reserved(10) })];
    const book = open();
    book.note(other, { granted: reserved(30), wantedClaim: 30 });
    assert.equal(book.claimedByOthers(own), 30);
    const shown = cache.put("other", { has: reserved(30) });
    book.note(shown, { granted: reserved(5), wantedClaim: 5 });
    assert.equal(book.claimedByOthers(own), 30);
    cache.put("other", { has: reserved(5) });
    assert.equal(book.claimedByOthers(own), 5);
  });

  it("leaves room to older ones that wait and would get it, and none to those that would not", () => {
    cache.put("old", { wants: 600, second: 0 });
    cache.put("huge", { wants: 950, second: 1 });
    const young = cache.put("young", { wants: 200, second: 2 });
    const book = open();
    assert.equal(book.claimedByOthers(young), 600);
    assert.equal(book.claimedByOthers(cache.put("old", { wants: 600, second: 0 })), 0);
  });

  it("leaves no room to one that gets nothing, and wakes who waits behind it", () => {
    const shadowed = cache.put("shadowed", { wants: 850, second: 0 });
    const young = cache.put("young", { wants: 300, second: 1 });
    const book = open();
    assert.equal(book.claimedByOthers(young), 850);
    book.note(young, { granted: {}, wantedClaim: 300 });
    book.withdraw(shadowed);
    assert.equal(book.claimedByOthers(young), 0);
    assert.equal(room.length, 1);
    cache.put("shadowed", { wants: 850, second: 0 });
    assert.equal(book.claimedByOthers(young), 0);
  });

  it("wakes who waits when there is more room, and when one goes", () => {
    const waiting = cache.put("waiting", { has: {} });
    cache.put("a", { has: reserved(850) });
    const book = open();
    book.note(waiting, { granted: {}, wantedClaim: 300 });
    assert.deepEqual(room, []);
    cache.put("a", { has: reserved(860) });
    assert.deepEqual(room, []);
    cache.put("a", { has: reserved(100) });
    cache.remove("a");
    assert.equal(room.length, 2);
    assert.equal(book.claimedByOthers(waiting), 0);
  });
});
