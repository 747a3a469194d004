/** Documents of a file: JSON, several one after the other as a loop over the AWS CLI writes them, or YAML. Pure. */
import { isAlias, isMap, isPair, isScalar, isSeq, parseAllDocuments, type Document, type Node } from "yaml";

export type DocumentsRead =
  { readonly ok: true; readonly documents: readonly unknown[] } | { readonly ok: false; readonly error: string };

/** Short forms of CloudFormation's functions (`!Ref x`) come out in their long form (`{ Ref: x }`). */
export function readDocuments(text: string): DocumentsRead {
  if (/^\s*[[{]/.test(text)) {
    const parts = text.split(/(?<=^[}\]]|[}\]]$)\s*\n(?=[[{])/m).filter((part) => part.trim() !== "");
    try {
      return { ok: true, documents: parts.map((part) => JSON.parse(part) as unknown) };
    } catch (error) {
      if (!/[!#]|\b\w+:/.test(text)) return { ok: false, error: `it is no JSON: ${(error as Error).message}` };
    }
  }
  const documents = parseAllDocuments(text, { logLevel: "silent" });
  const broken = "empty" in documents ? undefined : documents.find(({ errors }) => errors.length > 0);
  if (broken !== undefined) return { ok: false, error: broken.errors[0]?.message.split("\n")[0] ?? "it is no YAML" };
  const values = [...documents].map((document) => plain(document.contents, document, 0));
  return { ok: true, documents: values.filter((value) => value !== null && value !== undefined) };
}

const deepest = 100;

function plain(node: Node | null, document: Document.Parsed | Document, depth: number): unknown {
  if (depth > deepest) throw new RangeError(`nested deeper than ${deepest}`);
  if (isAlias(node)) return plain((node.resolve(document) as Node | undefined) ?? null, document, depth + 1);
  return withFunction(node?.tag, valueOf(node, document, depth));
}

function valueOf(node: Node | null, document: Document.Parsed | Document, depth: number): unknown {
  if (isMap(node)) {
    const entries = node.items.map(({ key, value }) => [
      isScalar(key) ? String(key.value) : "",
      plain(value as Node | null, document, depth + 1),
    ]);
    return Object.fromEntries(entries) as unknown;
  }
  if (isSeq(node)) {
    return node.items.map((item) => (isPair(item) ? null : plain(item as Node | null, document, depth + 1)));
  }
  return isScalar(node) ? node.value : undefined;
}

/** `!Sub x` → `{ "Fn::Sub": "x" }`; `!GetAtt a.b` → `{ "Fn::GetAtt": ["a", "b"] }`. */
function withFunction(tag: string | undefined, value: unknown): unknown {
  const name = /^!([A-Za-z]+)$/.exec(tag ?? "")?.[1];
  if (name === undefined) return value;
  if (name === "Ref" || name === "Condition") return { [name]: value };
  if (name === "GetAtt" && typeof value === "string") {
    const [resource = "", ...attribute] = value.split(".");
    return { "Fn::GetAtt": [resource, attribute.join(".")] };
  }
  return { [`Fn::${name}`]: value };
}
