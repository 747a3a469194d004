/** The text of `kubelambda top`. Pure. */
import type { TopAnswer, TopRow } from "../../../crds/wire/top.ts";

export const sortKeys = ["busy", "name", "ready", "waiting", "calls", "errors", "throttled"] as const;
export type SortKey = (typeof sortKeys)[number];

export interface TableWish {
  readonly sort: SortKey;
  readonly showsNamespace: boolean;
  /** Most lines of functions; absent: all of them. */
  readonly mostRows?: number | undefined;
}

interface Column {
  readonly title: string;
  readonly text: (row: TopRow) => string;
  readonly isText?: true;
}

const namespaceColumn: Column = { title: "NAMESPACE", text: ({ namespace }) => namespace, isText: true };
const columns: readonly Column[] = [
  { title: "FUNCTION", text: (row) => row.function, isText: true },
  { title: "READY", text: ({ ready }) => String(ready) },
  { title: "BUSY", text: ({ busy, reserved }) => (reserved === undefined ? String(busy) : `${busy}/${reserved}`) },
  { title: "STARTING", text: ({ starting }) => String(starting) },
  { title: "WAITING", text: ({ waiting }) => String(waiting) },
  { title: "CALLS/MIN", text: ({ calls }) => String(calls) },
  { title: "ERRORS/MIN", text: ({ errors }) => String(errors) },
  { title: "THROTTLED/MIN", text: ({ throttled }) => String(throttled) },
];

/** Lines of the table, each without its line break. */
export function topLines({ functions }: Pick<TopAnswer, "functions">, wish: TableWish): string[] {
  const shown = wish.showsNamespace ? [namespaceColumn, ...columns] : columns;
  const rows = sortRows(functions, wish.sort);
  const cut = rows.slice(0, wish.mostRows ?? rows.length);
  const cells = [shown.map(({ title }) => title), ...cut.map((row) => shown.map(({ text }) => plain(text(row))))];
  const widths = shown.map((_, at) => Math.max(...cells.map((line) => line[at]?.length ?? 0)));
  const lines = cells.map((line) =>
    line
      .map((cell, at) => (shown[at]?.isText === true ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
      .join("   ")
      .trimEnd(),
  );
  const hidden = rows.length - cut.length;
  return hidden === 0 ? lines : [...lines, `… and ${hidden} more`];
}

/** The most first, and by name where they are equal. */
export function sortRows(functions: readonly TopRow[], sort: SortKey): TopRow[] {
  return [...functions].sort((a, b) => (sort === "name" ? 0 : b[sort] - a[sort]) || compareNames(a, b));
}

function compareNames(a: TopRow, b: TopRow): number {
  const [left, right] = [`${a.namespace}/${a.function}`, `${b.namespace}/${b.function}`];
  return left < right ? -1 : left > right ? 1 : 0;
}

/** Nothing that a terminal would obey. */
function plain(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?");
}

/** What is missing from the table; undefined: nothing is. */
export function silentNote({ silent }: Pick<TopAnswer, "silent">): string | undefined {
  if (silent.length === 0) return undefined;
  const who =
    silent.length === 1
      ? "One router does not answer: what it knows"
      : `${silent.length} routers do not answer: what they know`;
  return `${who} is missing (${silent.join(", ")})`;
}
