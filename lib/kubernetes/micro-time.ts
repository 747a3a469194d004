/** The API's time with microseconds, e.g. "2026-01-02T03:04:05.678000Z". */
export function microTime(nowMs: number): string {
  return new Date(nowMs).toISOString().replace("Z", "000Z");
}
