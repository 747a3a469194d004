const hexDigits = /^[0-9a-f]{64}$/;

/** Hex of a sha256 given as `sha256:<hex>`, hex in either case, or base64 as AWS shows a CodeSha256; undefined for anything else. */
export function parseSha256(text: string): string | undefined {
  const bare = text.trim().replace(/^sha256:/, "");
  if (hexDigits.test(bare.toLowerCase())) return bare.toLowerCase();
  if (!/^[A-Za-z0-9+/]{43}=$/.test(bare)) return undefined;
  return Buffer.from(bare, "base64").toString("hex");
}

/** Hex of `sha256:<hex>`, the only form that passes between processes; undefined for anything else. */
export function hexOfDigest(digest: string): string | undefined {
  const hex = digest.startsWith("sha256:") ? digest.slice("sha256:".length) : "";
  return hexDigits.test(hex) ? hex : undefined;
}

/** Base64 of the same digest, as AWS shows it. */
export function codeSha256Of(hex: string): string {
  return Buffer.from(hex, "hex").toString("base64");
}
