import assert from "node:assert/strict";
import { beforeEach, describe, it } from "mocha";
import fc from "fast-check";
import type { KubernetesClient } from "../lib/kubernetes/client.ts";
import { KubernetesError } from "../lib/kubernetes/kubernetes-error.ts";
import { kinds } from "../lib/kubernetes/kinds.ts";
import type { KubernetesObject } from "../lib/kubernetes/object.ts";
import { ObjectStore } from "../local/object-store.ts";
import { changedClient } from "../test/kit/changed-client.ts";
import { Ledger, LEDGER_NAME, type TakeNumber } from "./ledger.ts";

const ref = { kind: kinds.configMap, namespace: "team", name: LEDGER_NAME };
const wanted = { namespace: "team", entry: "layer.tools", floor: 0 };

/** In a process of its own. */
function takeNumber(client: KubernetesClient, number: TakeNumber): Promise<number | undefined> {
  return new Ledger(client).take(number);
}

describe("ledger of numbers", () => {
  let store: ObjectStore;
  beforeEach(() => {
    store = new ObjectStore({ kinds: [], nowMs: () => 0, raw: {} });
  });

  const data = async () => (await store.get<KubernetesObject & { readonly data: object }>(ref)).data;

  it("counts from 1, each entry by itself", async () => {
    const numbers = [];
    for (const entry of ["layer.a", "layer.a", "layer.B_1", "layer.a"])
      numbers.push(await takeNumber(store, { ...wanted, entry }));
    assert.deepEqual(numbers, [1, 2, 1, 3]);
    assert.deepEqual(await data(), { "layer.a": "3", "layer.B_1": "1" });
  });

  it("counts on from what is known to be given when it was lost", async () => {
    assert.equal(await takeNumber(store, { ...wanted, floor: 7 }), 8);
    await store.delete(ref);
    assert.equal(await takeNumber(store, { ...wanted, floor: 8 }), 9);
    assert.equal(await takeNumber(store, { ...wanted, floor: 3 }), 10, "the higher of both counts");
  });

  it("gives everybody another number, however many ask at once", async () => {
    const numbers = await Promise.all(Array.from({ length: 12 }, () => takeNumber(store, wanted)));
    assert.deepEqual(
      numbers.toSorted((a = 0, b = 0) => a - b),
      Array.from({ length: 12 }, (_, i) => i + 1),
    );
  });

  it("writes what is wanted meanwhile together, and tells each its own end", async () => {
    await takeNumber(store, wanted);
    let writes = 0;
    const client = changedClient(store, "patch", (call) => {
      writes++;
      return call();
    });
    const ledger = new Ledger(client);
    const claim = { number: 9, identity: "code", isUnused: false };
    await store.patch(ref, { data: { "layer.broken": "x" } });
    const numbers = await Promise.allSettled([
      ...Array.from({ length: 200 }, () => ledger.take(wanted)),
      ledger.take({ ...wanted, entry: "function.f", claim: { ...claim, holder: "a" } }),
      ledger.take({ ...wanted, entry: "function.f", claim: { ...claim, holder: "b", identity: "other" } }),
      ledger.take({ ...wanted, entry: "layer.broken" }),
    ]);
    const given = numbers.map((each) => (each.status === "fulfilled" ? each.value : String(each.reason)));
    assert.deepEqual(given.slice(0, 202), [...Array.from({ length: 200 }, (_, i) => i + 2), 9, undefined]);
    assert.match(String(given[202]), /^Error: Cannot take a number: entry "layer\.broken" of ConfigMap/);
    assert.equal(writes, 1);
  });

  it("says what is wrong with an entry that is no number, and changes nothing", async () => {
    const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { namespace: "team", name: LEDGER_NAME } };
    for (const text of ["", "x", "1.5", "-1", "9".repeat(16)]) {
      const broken = { ...object, data: { "layer.tools": text, "layer.other": "4" } } as KubernetesObject;
      await store.create(broken);
      await assert.rejects(
        takeNumber(store, wanted),
        /^Error: Cannot take a number: entry "layer\.tools" of ConfigMap/,
      );
      assert.deepEqual(await data(), { "layer.tools": text, "layer.other": "4" });
      await store.delete(ref);
    }
  });

  it("gives up after many lost races with the last one's error", async () => {
    await takeNumber(store, wanted);
    const conflict = new KubernetesError({ code: "Conflict", action: "patch", serverMessage: "changed" });
    const client = changedClient(store, "patch", () => Promise.reject(conflict));
    await assert.rejects(takeNumber(client, wanted), conflict);
  });

  it("gives no number twice when its taker dies before or after any write, whatever others take meanwhile", async () => {
    const death = new Error("died");
    const steps = fc.array(fc.constantFrom("takes", "dies before writing", "dies after writing"), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(steps, async (fates) => {
        const own = new ObjectStore({ kinds: [], nowMs: () => 0, raw: {} });
        const given: number[] = [];
        for (const fate of fates) {
          const write = async (call: () => Promise<unknown>): Promise<never> => {
            if (fate === "dies after writing") await call();
            throw death;
          };
          const client = fate === "takes" ? own : changedClient(changedClient(own, "patch", write), "create", write);
          const number = await takeNumber(client, wanted).catch((error: unknown) => {
            assert.equal(error, death);
          });
          if (number !== undefined) given.push(number);
        }
        assert.deepEqual(
          given,
          [...new Set(given)].toSorted((a, b) => a - b),
        );
        return true;
      }),
    );
  });
});
