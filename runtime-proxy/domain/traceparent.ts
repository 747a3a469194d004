/** W3C Trace Context, and what it is in X-Ray's words. Pure. Source: W3C Trace Context, 3.2. */

export interface Traceparent {
  /** 32 hex. */
  readonly traceId: string;
  /** 16 hex. */
  readonly parentId: string;
  readonly isSampled: boolean;
}

/** Undefined: there is none, or none that may be used. Of a later version the first four fields count. */
export function parseTraceparent(header: string | undefined): Traceparent | undefined {
  const [, version = "", traceId = "", parentId = "", flags = "", rest = ""] =
    /^\s*([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?\s*$/.exec(header ?? "") ?? [];
  const isKnown = version !== "" && version !== "ff" && (version !== "00" || rest === "");
  if (!isKnown || /^0+$/.test(traceId) || /^0+$/.test(parentId)) return undefined;
  return { traceId, parentId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** Of a sampled trace. */
export function formatTraceparent(traceId: string, spanId: string): string {
  return `00-${traceId}-${spanId}-01`;
}

/** `1-<8 hex>-<24 hex>`: the same 128 bits. Source: X-Ray developer guide, xray-api-sendingdata. */
export function rootOfTraceId(traceId: string): string {
  return `1-${traceId.slice(0, 8)}-${traceId.slice(8)}`;
}

/** Undefined: a root of another form, which no W3C trace can have. */
export function traceIdOfRoot(root: string | undefined): string | undefined {
  const [, time, random] = /^1-([0-9a-f]{8})-([0-9a-f]{24})$/.exec(root ?? "") ?? [];
  return time === undefined || random === undefined || /^0+$/.test(time + random) ? undefined : time + random;
}
