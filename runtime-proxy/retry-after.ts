/** A server's wish to be left alone for a while. Source: RFC 9110, 10.2.3. Pure. */

/** Longer wishes are cut: a server may be wrong about the time. */
const longestMs = 3_600_000;

/** Milliseconds from now; undefined where the header says nothing of use. */
export function parseRetryAfter(header: string | undefined, nowMs: number): number | undefined {
  const text = (header ?? "").trim();
  if (/^\d{1,9}$/.test(text)) return Math.min(longestMs, Number(text) * 1000);
  const atMs = /^[A-Z][a-z]{2},? /.test(text) ? Date.parse(text) : NaN;
  return Number.isNaN(atMs) ? undefined : Math.min(longestMs, Math.max(0, atMs - nowMs));
}
