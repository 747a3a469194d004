/**
 * Acts with a signal that fires when `timeoutMs` are over or the caller's signal fires, and rejects with its reason then, whatever
 * becomes of the act: a transport may hold what waits for a connection and not hear of the signal. Leaves no timer or listener behind.
 */
export async function withDeadline<T>(
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
  act: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const ending = new AbortController();
  const over = Promise.withResolvers<never>();
  const end = (reason: unknown): void => {
    ending.abort(reason);
    over.reject(reason);
  };
  const onAbort = (): void => end(signal?.reason);
  const timer = setTimeout(() => end(new DOMException(`${timeoutMs} ms are over`, "TimeoutError")), timeoutMs);
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([act(ending.signal), over.promise]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}
