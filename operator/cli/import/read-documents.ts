/** Documents of a file: JSON, several one after the other as a loop over the AWS CLI writes them, or YAML. Pure. */
import { isAlias, isMap, isPair, isScalar, isSeq, parseAllDocuments, type Node } from "yaml";
import { isObject } from "./object-of.ts";

export type DocumentsRead =
  { readonly ok: true; readonly documents: readonly unknown[] } | { readonly ok: false; readonly error: string };

/** Short forms of CloudFormation's functions (`!Ref x`) come out in their long form (`{ Ref: x }`). */
export function readDocuments(text: string): DocumentsRead {
  if (/^\s*[[{]/.test(text)) {
    const parts = text.split(/(?<=^[}\]]|[}\]]$)\s*\n(?=[[{])/m).filter((part) => part.trim() !== "");
    try {
      return { ok: true, documents: parts.map((part) => JSON.parse(part) as unknown).flatMap(itemsOf) };
    } catch (error) {
      if (!/[!#]|\b\w+:/.test(text)) return { ok: false, error: `it is no JSON: ${(error as Error).message}` };
    }
  }
  const documents = parseAllDocuments(text, { logLevel: "silent" });
  const broken = "empty" in documents ? undefined : documents.find(({ errors }) => errors.length > 0);
  if (broken !== undefined) return { ok: false, error: broken.errors[0]?.message.split("\n")[0] ?? "it is no YAML" };
  try {
    const values = [...documents].map((document) => new PlainReader().plain(document.contents, 0));
    return { ok: true, documents: values.filter((value) => value !== null && value !== undefined).flatMap(itemsOf) };
  } catch (error) {
    return { ok: false, error: (error as Error).message };
  }
}

/** `kubectl get -o yaml` writes a List. */
function itemsOf(document: unknown): readonly unknown[] {
  if (!isObject(document) || document["kind"] !== "List" || !Array.isArray(document["items"])) return [document];
  return document["items"];
}

const deepest = 100;
const mostNodes = 2_000_000;

/** Reads one document. What aliases stand for counts each time, so that those that multiply end. */
class PlainReader {
  readonly #anchors = new Map<string, { readonly value: unknown; readonly nodes: number }>();
  #nodes = 0;

  plain(node: Node | null, depth: number): unknown {
    if (depth > deepest) throw new RangeError(`it is nested deeper than ${deepest}`);
    const before = this.#nodes;
    this.#count(1);
    if (isAlias(node)) return this.#alias(node.source);
    const value = withFunction(node?.tag, this.#value(node, depth));
    const anchor = isScalar(node) || isMap(node) || isSeq(node) ? node.anchor : undefined;
    if (anchor !== undefined) this.#anchors.set(anchor, { value, nodes: this.#nodes - before });
    return value;
  }

  #alias(name: string): unknown {
    const anchor = this.#anchors.get(name);
    this.#count(anchor?.nodes ?? 0);
    return anchor?.value;
  }

  #count(nodes: number): void {
    this.#nodes += nodes;
    if (this.#nodes > mostNodes) throw new RangeError(`it has more than ${mostNodes} values`);
  }

  #value(node: Node | null, depth: number): unknown {
    if (isMap(node)) {
      const entries = node.items.map(({ key, value }) => [
        isScalar(key) ? String(key.value) : "",
        this.plain(value as Node | null, depth + 1),
      ]);
      return Object.fromEntries(entries) as unknown;
    }
    if (isSeq(node)) {
      return node.items.map((item) => (isPair(item) ? null : this.plain(item as Node | null, depth + 1)));
    }
    return isScalar(node) ? node.value : undefined;
  }
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
