/** `X-Amzn-Trace-Id`: which trace a call belongs to, whether it is sampled, and how often its chain has run each function. Pure. */

export interface TraceInput {
  /** As the caller sent it. */
  readonly incoming: string | undefined;
  /** `1-<time, 8 hex>-<96 bits, hex>`, for a call that has no trace yet. */
  readonly newRoot: string;
  /** 16 hex. */
  readonly newParent: string;
  readonly functionUid: string;
  /** Tracing mode Active: a caller who does not say whether to sample leaves that to the service. */
  readonly shallSample: () => boolean;
}

export interface Trace {
  /** For the runtime, whose SDKs send it on, and for the caller. */
  readonly header: string;
  /** Runs of this function in this chain of calls before this one. */
  readonly runsBefore: number;
}

/** A header that is longer keeps only what is known: it goes through two more servers that bound headers. */
const longestHeader = 1024;
const longestRoot = 128;
/** Functions of one chain that are counted; the last ones. */
const mostCounted = 32;
const known: ReadonlySet<string> = new Set(["Root", "Parent", "Sampled", "Lineage"]);

/** Takes over the caller's trace or begins one. `Lineage` is `1:<hash of a function>:<its runs, from 0>|…`. Source: Lambda developer guide, invocation-recursion and services-xray. */
export function continueTrace({ incoming = "", newRoot, newParent, functionUid, shallSample }: TraceInput): Trace {
  const fields = parseFields(incoming);
  const root = fields.get("Root");
  const isContinued = root !== undefined && root.length <= longestRoot;
  const sampled = fields.get("Sampled");
  const isDecided = isContinued && (sampled === "0" || sampled === "1");
  const others = [...fields].filter(([name]) => !known.has(name));
  const { lineage, runsBefore } = countRun(fields.get("Lineage") ?? "", functionUid);
  const parts: readonly (readonly [string, string])[] = [
    ["Root", isContinued ? root : newRoot],
    ["Parent", (isContinued ? fields.get("Parent") : undefined) ?? newParent],
    ["Sampled", isDecided ? sampled : shallSample() ? "1" : "0"],
    ...(isContinued && incoming.length <= longestHeader ? others : []),
    ["Lineage", lineage],
  ];
  return { header: parts.map(([name, value]) => `${name}=${value}`).join(";"), runsBefore };
}

function parseFields(header: string): ReadonlyMap<string, string> {
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
  const counts = [...lineage.slice(-2 * longestHeader).matchAll(/(?<![0-9a-f])([0-9a-f]{8}):(\d{1,6})(?!\d)/g)].map(
    ([, hash = "", count = ""]) => [hash, Number(count)] as const,
  );
  const before = counts.findLast(([hash]) => hash === own)?.[1];
  const runsBefore = before === undefined ? 0 : before + 1;
  const others = counts.filter(([hash]) => hash !== own).slice(1 - mostCounted);
  const all = [...others, [own, runsBefore] as const].map(([hash, count]) => `${hash}:${count}`);
  return { lineage: `1:${all.join("|")}`, runsBefore };
}

/** FNV-1a, 32 bit, 8 hex. */
function hashOf(text: string): string {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash.toString(16).padStart(8, "0");
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
