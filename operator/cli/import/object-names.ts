/** Object names for Lambda's names, which may have upper case and `_` and be alike but for them. Pure. */
import { createHash } from "node:crypto";

const longest = 200;

/** Gives each thing an object name that no other thing of its kind has; the same input gives the same names. */
export class ObjectNames {
  readonly #takenBy = new Map<string, string>();

  /** `identity` tells apart things that are called alike. */
  nameFor(kind: string, name: string, identity = name): string {
    const plain = objectName(name);
    const key = `${kind}/${plain}`;
    const holder = this.#takenBy.get(key);
    if (holder === undefined || holder === identity) {
      this.#takenBy.set(key, identity);
      return plain;
    }
    return `${plain}-${hash(identity)}`;
  }
}

/** As a metadata.name may be: a DNS label that is not too long. */
export function objectName(name: string): string {
  const plain = name
    .toLowerCase()
    .replace(/[^a-z0-9-]/g, "-")
    .replace(/^-+|-+$/g, "");
  if (plain === "") return `x-${hash(name)}`;
  if (plain.length <= longest) return plain;
  return `${plain.slice(0, longest).replace(/-+$/, "")}-${hash(name)}`;
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 8);
}
