import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { withDeadline } from "./with-deadline.ts";

describe("withDeadline", () => {
  const never = () => new Promise<never>(() => undefined);

  it("answers what the act answers, and leaves no listener behind", async () => {
    const { signal } = new AbortController();
    assert.equal(await withDeadline({ timeoutMs: 60_000, signal }, () => Promise.resolve(7)), 7);
    await assert.rejects(
      withDeadline({ timeoutMs: 60_000, signal }, () => Promise.reject(new Error("own"))),
      { message: "own" },
    );
    assert.equal(getEventListeners(signal, "abort").length, 0);
  });

  it("ends an act that hears no signal when the time is over", async () => {
    await assert.rejects(withDeadline({ timeoutMs: 1 }, never), { name: "TimeoutError" });
  });

  it("ends with the caller's reason, and does not begin when that is there already", async () => {
    const caller = new AbortController();
    const acting = withDeadline({ timeoutMs: 60_000, signal: caller.signal }, never);
    caller.abort(new Error("enough"));
    await assert.rejects(acting, { message: "enough" });
    let acts = 0;
    const act = (): Promise<number> => Promise.resolve(acts++);
    await assert.rejects(withDeadline({ timeoutMs: 60_000, signal: caller.signal }, act), { message: "enough" });
    assert.equal(acts, 0);
  });

  it("tells the act of its end", async () => {
    let heard: unknown;
    const act = async (signal: AbortSignal): Promise<never> => {
      signal.addEventListener("abort", () => {
        heard = signal.reason;
      });
      return await never();
    };
    await assert.rejects(withDeadline({ timeoutMs: 1 }, act), { name: "TimeoutError" });
    assert.equal((heard as Error).name, "TimeoutError");
  });
});
