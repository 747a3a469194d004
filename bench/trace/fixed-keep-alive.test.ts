import assert from "node:assert/strict";
import { fixedKeepAlive } from "./fixed-keep-alive.ts";

const call = (atMs: number, durationMs = 100) => ({ functionIndex: 0, atMs, durationMs });
const rules = { keepAliveMs: 10_000, coldMs: 1000 };

describe("fixedKeepAlive", () => {
  it("keeps an environment for its time after its last call", () => {
    const { coldCalls, environmentMs, busyMs, waitsMs } = fixedKeepAlive([call(0), call(5000)], rules);
    assert.equal(coldCalls, 1);
    assert.deepEqual(waitsMs, [1000, 0]);
    assert.equal(environmentMs, 5000 + 100 + 10_000);
    assert.equal(busyMs, 200);
  });

  it("makes another for a call that finds it busy or gone", () => {
    assert.equal(fixedKeepAlive([call(0), call(50)], rules).coldCalls, 2);
    assert.equal(fixedKeepAlive([call(0), call(11_101)], rules).coldCalls, 2);
  });
});
