import assert from "node:assert/strict";
import type { lookup } from "node:dns";
import { KnownHosts } from "./known-hosts.ts";

const addresses = [
  { address: "198.19.0.1", family: 4 },
  { address: "fd00::1", family: 6 },
];

describe("KnownHosts", () => {
  let asked: string[];
  let failure: NodeJS.ErrnoException | null;
  let hosts: KnownHosts;

  beforeEach(() => {
    asked = [];
    failure = null;
    const resolve = ((hostname: string, _options: object, callback: (...answer: unknown[]) => void) => {
      asked.push(hostname);
      callback(failure, addresses);
    }) as unknown as typeof lookup;
    hosts = new KnownHosts(resolve);
  });

  async function find(all: boolean): Promise<unknown> {
    return await new Promise((resolve, reject) =>
      hosts.lookup("store.test", { all }, (error, found) => (error === null ? resolve(found) : reject(error))),
    );
  }

  it("asks once, and answers as a socket asks: all addresses, or the first", async () => {
    assert.deepEqual(await find(true), addresses);
    assert.deepEqual(await find(true), addresses);
    assert.equal(await find(false), "198.19.0.1");
    assert.deepEqual(asked, ["store.test"]);
  });

  it("answers what it knows after whoever asked has gone on", async () => {
    await find(true);
    let isAnswered = false;
    hosts.lookup("store.test", { all: true }, () => (isAnswered = true));
    await new Promise((resolve) => process.nextTick(resolve));
    assert.ok(!isAnswered);
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(isAnswered);
  });

  it("asks again after it was told to forget, and after a failure", async () => {
    failure = Object.assign(new Error("no such host"), { code: "ENOTFOUND" });
    await assert.rejects(find(true), { code: "ENOTFOUND" });
    failure = null;
    await find(true);
    hosts.forget();
    await find(true);
    assert.equal(asked.length, 3);
  });
});
