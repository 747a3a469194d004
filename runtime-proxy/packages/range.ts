import type { ByteRange } from "./store.ts";

export type RangeAnswer =
  | { readonly type: "whole" }
  | { readonly type: "part"; readonly range: ByteRange }
  | { readonly type: "unsatisfiable" };

/** What a Range header asks of content of so many bytes; several ranges, other units and nonsense mean the whole. Source: RFC 9110, 14. */
export function decideRange(header: string | undefined, bytes: number): RangeAnswer {
  const [, first, last] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.replaceAll(" ", "") ?? "") ?? [];
  if (first === undefined || last === undefined || (first === "" && last === "")) return { type: "whole" };
  if (first === "") {
    const suffix = Math.min(Number(last), bytes);
    return suffix === 0
      ? { type: "unsatisfiable" }
      : { type: "part", range: { start: bytes - suffix, end: bytes - 1 } };
  }
  const start = Number(first);
  const end = last === "" ? bytes - 1 : Math.min(Number(last), bytes - 1);
  if (last !== "" && Number(last) < start) return { type: "whole" };
  return start >= bytes ? { type: "unsatisfiable" } : { type: "part", range: { start, end } };
}
