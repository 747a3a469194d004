import { parseTraceparent, rootOfTraceId, traceIdOfRoot } from "./traceparent.ts";

/** `X-Amzn-Trace-Id`: which trace a call belongs to, whether it is sampled, and how often its chain has run each function. Pure. */

export interface TraceInput {
  /** As the caller sent it. */
  readonly incoming: string | undefined;
  /** W3C's, as the caller sent it. */
  readonly traceparent?: string | undefined;
  /** `1-<time, 8 hex>-<96 bits, hex>`, for a call that has no trace yet. */
  readonly newRoot: string;
  /** 16 hex. */
  readonly newParent: string;
  readonly functionUid: string;
  /** Tracing mode Active: a caller who does not say whether to sample leaves that to the service. */
  readonly shallSample: () => boolean;
  /** Ids of the spans that are written of a sampled call: 16 hex each. Absent: none are written, and the caller's span is the function's parent. */
  readonly newSpans?: (() => Pick<TraceContext, "spanId" | "functionSpanId">) | undefined;
}

/** A sampled call of which spans are written. */
export interface TraceContext {
  /** 32 hex. */
  readonly traceId: string;
  /** The caller's; absent: the trace begins here. */
  readonly parentSpanId?: string;
  /** Of the call at the router. */
  readonly spanId: string;
  /** Of its run, which the function's own spans have as their parent. */
  readonly functionSpanId: string;
}

export interface Trace {
  /** For the runtime, whose SDKs send it on, and for the caller. */
  readonly header: string;
  /** Runs of this function in this chain of calls before this one. */
  readonly runsBefore: number;
  readonly context?: TraceContext;
}

/** A header that is longer keeps only what is known: it goes through two more servers that bound headers. */
const longestHeader = 1024;
const longestRoot = 128;
/** Functions of one chain that are counted; the last ones. */
const mostCounted = 32;
const known: ReadonlySet<string> = new Set(["Root", "Parent", "Sampled", "Lineage"]);

interface Continued {
  /** Absent: the caller has no trace. */
  readonly root?: string;
  readonly parent?: string | undefined;
  readonly sampled?: "0" | "1" | undefined;
  /** X-Ray's header it is that is continued. */
  readonly isXRay?: true;
}

/**
 * Of two headers X-Ray's names the trace; where both name the same one, W3C's parent is the nearer: an SDK in a function sends the first from
 * its environment and a tracing HTTP client the second from its current span.
 */
function continued(fields: ReadonlyMap<string, string>, traceparent: string | undefined): Continued {
  const root = fields.get("Root");
  const w3c = parseTraceparent(traceparent);
  const ofW3c = w3c && { parent: w3c.parentId, sampled: w3c.isSampled ? ("1" as const) : ("0" as const) };
  if (root === undefined || root.length > longestRoot)
    return w3c === undefined ? {} : { ...ofW3c, root: rootOfTraceId(w3c.traceId) };
  const said = fields.get("Sampled");
  const sampled = said === "0" || said === "1" ? said : undefined;
  const isSame = w3c !== undefined && traceIdOfRoot(root) === w3c.traceId;
  return {
    ...{ root, isXRay: true },
    parent: isSame ? w3c.parentId : fields.get("Parent"),
    sampled: sampled ?? (isSame ? ofW3c?.sampled : undefined),
  };
}

/** Takes over the caller's trace or begins one. `Lineage` is `1:<hash of a function>:<its runs, from 0>|…`. Source: Lambda developer guide, invocation-recursion and services-xray. */
export function continueTrace(input: TraceInput): Trace {
  const { incoming = "", newRoot, newParent, functionUid } = input;
  const fields = parseFields(incoming);
  const caller = continued(fields, input.traceparent);
  const root = caller.root ?? newRoot;
  const sampled = caller.sampled ?? (input.shallSample() ? "1" : "0");
  const context = sampled === "1" ? newContext(input, root, caller.parent) : undefined;
  const others = [...fields].filter(([name]) => !known.has(name));
  const { lineage, runsBefore } = countRun(fields.get("Lineage") ?? "", functionUid);
  const parts: readonly (readonly [string, string])[] = [
    ["Root", root],
    ["Parent", context?.functionSpanId ?? caller.parent ?? newParent],
    ["Sampled", sampled],
    ...(caller.isXRay === true && incoming.length <= longestHeader ? others : []),
    ["Lineage", lineage],
  ];
  const header = parts.map(([name, value]) => `${name}=${value}`).join(";");
  return { header, runsBefore, ...(context !== undefined && { context }) };
}

/** A root that is no 128 bits is passed on, and no spans are written of it. */
function newContext(
  { newSpans }: TraceInput,
  root: string,
  parentSpanId: string | undefined,
): TraceContext | undefined {
  const traceId = traceIdOfRoot(root);
  if (traceId === undefined || newSpans === undefined) return undefined;
  return { traceId, ...newSpans(), ...(parentSpanId !== undefined && { parentSpanId }) };
}

const noFields: ReadonlyMap<string, string> = new Map();

function parseFields(header: string): ReadonlyMap<string, string> {
  // Most calls begin a chain.
  if (header === "") return noFields;
  const fields = new Map<string, string>();
  for (const part of header.split(";")) {
    const at = part.indexOf("=");
    const [name, value] = [part.slice(0, at).trim(), part.slice(at + 1).trim()];
    const isWhole = at > 0 && /^[\x21-\x7e]+$/.test(value) && /^[\x21-\x7e]+$/.test(name);
    if (isWhole && (name !== "Parent" || /^[0-9a-f]{16}$/.test(value))) fields.set(name, value);
  }
  return fields;
}

function countRun(lineage: string, functionUid: string): { readonly lineage: string; readonly runsBefore: number } {
  const own = hashOf(functionUid);
  if (lineage === "") return { lineage: `1:${own}:0`, runsBefore: 0 };
  const counts = [...lineage.slice(-2 * longestHeader).matchAll(/(?<![0-9a-f])([0-9a-f]{8}):(\d{1,6})(?!\d)/g)].map(
    ([, hash = "", count = ""]) => [hash, Number(count)] as const,
  );
  const before = counts.findLast(([hash]) => hash === own)?.[1];
  const runsBefore = before === undefined ? 0 : before + 1;
  const others = counts.filter(([hash]) => hash !== own).slice(1 - mostCounted);
  const all = [...others, [own, runsBefore] as const].map(([hash, count]) => `${hash}:${count}`);
  return { lineage: `1:${all.join("|")}`, runsBefore };
}

const mostRemembered = 20_000;
const hashes = new Map<string, string>();

/** FNV-1a, 32 bit, 8 hex; of the same few uids again and again. */
function hashOf(text: string): string {
  const known = hashes.get(text);
  if (known !== undefined) return known;
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  const hex = hash.toString(16).padStart(8, "0");
  if (hashes.size >= mostRemembered) hashes.clear();
  hashes.set(text, hex);
  return hex;
}

/** Runs of a function in one chain, after which it is taken for a loop. Source: Lambda developer guide, invocation-recursion. */
export const MOST_RUNS_OF_A_CHAIN = 16;

const sampledShare = 0.05;

/** The default sampling rule: the first call of a second, and 5 % of the others. Source: Lambda developer guide, services-xray. */
export class TraceSampler {
  readonly #secondByFunction = new Map<string, number>();

  /** `draw`: in [0, 1). */
  decide(functionUid: string, nowMs: number, draw: number): boolean {
    const second = Math.floor(nowMs / 1000);
    if (this.#secondByFunction.get(functionUid) === second) return draw < sampledShare;
    this.#secondByFunction.set(functionUid, second);
    return true;
  }

  forget(functionUid: string): void {
    this.#secondByFunction.delete(functionUid);
  }
}
