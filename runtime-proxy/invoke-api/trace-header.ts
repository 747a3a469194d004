import { randomBytes } from "node:crypto";

/** The caller's trace header when it has a root, else a new one that is not sampled. Source: Lambda developer guide, services-xray. */
export function traceHeader(incoming: string | undefined, nowMs: number): string {
  if (incoming !== undefined && /(?:^|;)\s*Root=/.test(incoming)) return incoming;
  const random = randomBytes(20).toString("hex");
  const seconds = Math.floor(nowMs / 1000)
    .toString(16)
    .padStart(8, "0");
  return `Root=1-${seconds}-${random.slice(0, 24)};Parent=${random.slice(24)};Sampled=0`;
}
