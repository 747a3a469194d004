/** Short-lived claims signed with Ed25519: `<base64url JSON>.<base64url signature>`. Uses node:crypto alone, since the agent pays for every module. */
import { createPublicKey, sign, verify, type KeyObject } from "node:crypto";

export interface SignedClaim {
  readonly expiresAt: number;
  readonly [name: string]: unknown;
}

export function signClaim(claim: object, privateKey: KeyObject): string {
  const body = Buffer.from(JSON.stringify(claim)).toString("base64url");
  return `${body}.${sign(null, Buffer.from(body), privateKey).toString("base64url")}`;
}

/** The claim when one of the keys has signed it and `expiresAt` (seconds since 1970) is not past; else undefined. */
export function verifyClaim(token: string, publicKeys: readonly KeyObject[], nowMs: number): SignedClaim | undefined {
  const [body, signature, ...rest] = token.split(".");
  if (body === undefined || signature === undefined || rest.length > 0 || token.length > 4096) return undefined;
  const bytes = Buffer.from(body);
  const signatureBytes = Buffer.from(signature, "base64url");
  if (!publicKeys.some((key) => verify(null, bytes, key, signatureBytes))) return undefined;
  const claim = JSON.parse(Buffer.from(body, "base64url").toString()) as SignedClaim;
  return typeof claim.expiresAt === "number" && claim.expiresAt * 1000 > nowMs ? claim : undefined;
}

/** A public key as it travels in configuration: base64 of its SPKI DER form. */
export function parsePublicKey(base64: string): KeyObject {
  return createPublicKey({ key: Buffer.from(base64, "base64"), format: "der", type: "spki" });
}

/** Of a public key, or the public half of a private one. */
export function formatPublicKey(key: KeyObject): string {
  const publicKey = key.type === "private" ? createPublicKey(key) : key;
  return publicKey.export({ format: "der", type: "spki" }).toString("base64");
}
