import assert from "node:assert/strict";
import { KubernetesError } from "../../lib/kubernetes/kubernetes-error.ts";
import { ManualClock } from "../../test/kit/manual-clock.ts";
import { RequestPause } from "./request-pause.ts";

const turn = async (): Promise<void> => await new Promise((resolve) => setImmediate(resolve));

function tooMany(retryAfterMs?: number): KubernetesError {
  return new KubernetesError({ code: "TooManyRequests", action: "create pod", serverMessage: "no room", retryAfterMs });
}

describe("RequestPause", () => {
  it("holds all requests for as long as the API server asks, and makes the refused one again", async () => {
    const clock = new ManualClock();
    const pause = new RequestPause({ clock, draw: () => 0 });
    const refusals = [tooMany(2000)];
    const made: string[] = [];
    const request = (name: string) => (): Promise<string> => {
      const refusal = refusals.pop();
      if (refusal !== undefined) return Promise.reject(refusal);
      made.push(name);
      return Promise.resolve(name);
    };
    const first = pause.run(request("a"));
    await turn();
    const second = pause.run(request("b"));
    clock.advance(1999);
    await turn();
    assert.deepEqual(made, []);
    clock.advance(1);
    assert.deepEqual(await Promise.all([first, second]), ["a", "b"]);
  });

  it("gives up after some tries, waits no longer than 7 s for each, and does not repeat other failures", async () => {
    const clock = new ManualClock();
    const pause = new RequestPause({ clock, draw: () => 0 });
    let tries = 0;
    const startedMs = clock.monotonicMs();
    const refused = assert.rejects(
      pause.run(() => {
        tries += 1;
        return Promise.reject(tooMany(3_600_000));
      }),
      { code: "TooManyRequests" },
    );
    for (let i = 0; i < 100; i += 1) {
      await turn();
      clock.advance(1000);
    }
    await refused;
    assert.equal(tries, 8);
    assert.ok(clock.monotonicMs() - startedMs >= 49_000);
    await assert.rejects(
      pause.run(() => Promise.reject(new KubernetesError({ code: "Forbidden", action: "a", serverMessage: "no" }))),
      { code: "Forbidden" },
    );
  });
});
