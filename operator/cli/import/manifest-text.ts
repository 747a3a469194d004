/** A manifest as YAML, with its notes before it. Whatever a text looks like, YAML 1.1 and 1.2 read it as a text. Pure. */
import { Document, isPair, isScalar, Scalar, visit } from "yaml";
import type { ImportedDocument } from "./assemble.ts";

const plainText = /^[A-Za-z/][A-Za-z0-9_./-]*$/;
/** What one of the two versions of YAML takes for something else than a text. */
const words = /^(y|n|yes|no|on|off|true|false|null)$/i;

export function manifestText({ manifest, origin, notes }: ImportedDocument): string {
  const document = new Document(manifest, { aliasDuplicateObjects: false });
  visit(document, {
    Pair(_key, { key }) {
      if (isScalar(key)) quote(key);
    },
    Scalar(_key, node, path) {
      const parent = path.at(-1);
      if (!isPair(parent) || parent.key !== node) quote(node);
    },
  });
  document.commentBefore = [`from ${origin}`, ...notes.map((note) => `- ${note}`)].map(commentLine).join("\n");
  // Some readers take these for line breaks or refuse them; here they stand in double quotes only.
  return document.toString({ lineWidth: 0 }).replace(/[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g, escaped);
}

function quote(node: Scalar): void {
  if (typeof node.value !== "string") return;
  const isPlain = plainText.test(node.value) && !words.test(node.value);
  if (isPlain) return;
  const isBlock =
    node.value.includes("\n") &&
    /^[\t\n\x20-\x7e\u00a0-\u2027\u202a-\ud7ff]*$/.test(node.value) &&
    /^\S/.test(node.value);
  node.type = isBlock ? Scalar.BLOCK_LITERAL : Scalar.QUOTE_DOUBLE;
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** One line, whatever is in it. */
function commentLine(text: string): string {
  return ` ${text.replace(/[\p{Cc}\u2028\u2029\ufeff\ufffe\uffff]/gu, " ")}`;
}
