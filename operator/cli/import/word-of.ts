/** A value of a document as a word; of what is none, its JSON. */
export function wordOf(value: unknown): string {
  if (typeof value === "string") return value;
  return value === undefined ? "" : JSON.stringify(value);
}
